import { describe, expect, test } from 'vitest';
import type { Clock } from '../clock.ts';

export interface ClockFixture {
  readonly clock: Clock;
  /** Lets at least so much time pass. A real clock waits, so that the contract asks for little. */
  readonly advance: (byMs: number) => Promise<void>;
}

/** What every `Clock` must do, as vitest tests; call it at the top level of a test file. */
export function clockContract(name: string, makeClock: () => ClockFixture): void {
  describe(name, () => {
    test('both times go on together', async () => {
      const { clock, advance } = makeClock();
      const start = { now: clock.nowMs(), monotonic: clock.monotonicMs() };
      await advance(20);
      expect(clock.monotonicMs() - start.monotonic).toBeGreaterThanOrEqual(19);
      expect(clock.nowMs() - start.now).toBeGreaterThanOrEqual(18);
      expect(clock.nowMs()).toBeGreaterThan(1_500_000_000_000);
    });

    test('timers fire in the order of their time, each once', async () => {
      const { clock, advance } = makeClock();
      const fired: string[] = [];
      clock.setTimer(15, () => fired.push('late'));
      clock.setTimer(1, () => fired.push('early'));
      clock.setTimer(0, () => fired.push('at once'));
      expect(fired).toEqual([]);
      await advance(40);
      await advance(5);
      expect([...fired].sort()).toEqual(['at once', 'early', 'late']);
      expect(fired[2]).toBe('late');
    });

    test('a cancelled timer does not fire, and cancel may be repeated', async () => {
      const { clock, advance } = makeClock();
      let fired = 0;
      const cancelled = clock.setTimer(1, () => (fired += 1));
      const kept = clock.setTimer(2, () => (fired += 10));
      cancelled.cancel();
      cancelled.cancel();
      await advance(10);
      kept.cancel();
      expect(fired).toBe(10);
    });

    test('a turn resolves without time being let go on', async () => {
      const { clock } = makeClock();
      for (let turn = 0; turn < 3; turn++) await clock.turn();
    });

    test('sleep resolves when its time has come', async () => {
      const { clock, advance } = makeClock();
      const start = clock.monotonicMs();
      let wokenAt = 0;
      const sleeping = clock.sleep(10).then(() => {
        wokenAt = clock.monotonicMs();
      });
      await advance(30);
      await sleeping;
      // A timer of the machine may be rounded down by a millisecond.
      expect(wokenAt - start).toBeGreaterThanOrEqual(9);
    });
  });
}
