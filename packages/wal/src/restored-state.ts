import { logIndex, term } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { settingsOf } from './settings.ts';
import { openState } from './state-recovery.ts';
import type { WalIdentity } from './wal.ts';

/** What a log that is put together from copied segments begins with. */
export interface RestoredState {
  /** At least the term of every record. */
  readonly term: number;
  /** First index in the log. */
  readonly firstIndex: number;
  /** Term of the record before it; 0 where there was none. */
  readonly termBefore: number;
}

/**
 * Writes both state slots of a folder that holds copied segments and no state yet. No vote and no commit index is
 * carried over: the node is a new one. Durable when it resolves.
 */
export async function writeRestoredState(
  env: Env,
  directory: string,
  identity: WalIdentity,
  restored: RestoredState,
): Promise<void> {
  const { firstIndex, termBefore } = restored;
  const hardState = {
    term: term(restored.term),
    votedFor: undefined,
    commitIndex: logIndex(0),
  };
  const settings = settingsOf({ env, directory, identity });
  const state = { hardState, firstIndex, termBefore, newest: undefined, durableIndex: 0 };
  // The first open names the newest of the copied segments.
  const slots = await openState(settings, { state, versions: [0, 0] }, undefined);
  await slots.close();
}
