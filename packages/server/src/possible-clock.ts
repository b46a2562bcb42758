import type { Clock } from '@holdfast/env';
import { SettingsError } from './settings-error.ts';

/** Throws a SettingsError where the machine's clock is before 1970: what is stored has no such times. */
export function refuseImpossibleClock(clock: Pick<Clock, 'nowMs'>): void {
  const nowMs = clock.nowMs();
  if (nowMs >= 0) return;
  throw new SettingsError(
    `The clock of this machine says ${new Date(nowMs).toISOString()}, which is before 1970. Set it, and start again.`,
  );
}
