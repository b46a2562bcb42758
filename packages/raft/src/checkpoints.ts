/** Comparing the states of replicas: a leader's hash travels in the log, and every replica compares its own. */
import { invariant, type LogIndex } from '@holdfast/bytes';
import type { Checkpoint } from './entry.ts';
import { StateDivergedError } from './errors.ts';
import type { RaftState } from './raft-state.ts';

/** Hashes that a node remembers. A checkpoint that comes later than this many is not compared. */
const KEPT_HASHES = 16;

export function noteStateHash(state: RaftState, index: LogIndex, stateHash: string): void {
  const newest = state.stateHashes.at(-1);
  invariant(
    newest === undefined || newest.checkedIndex < index,
    'hashes come in the order of entries',
  );
  state.stateHashes.push({ checkedIndex: index, stateHash });
  if (state.stateHashes.length > KEPT_HASHES) state.stateHashes.shift();
}

/** Undefined where they agree or where this node has no hash of that place; else the reason to stop. */
export function divergence(
  state: RaftState,
  { checkedIndex, stateHash }: Checkpoint,
): StateDivergedError | undefined {
  const own = state.stateHashes.find((candidate) => candidate.checkedIndex === checkedIndex);
  if (own === undefined || own.stateHash === stateHash) return undefined;
  return new StateDivergedError(checkedIndex, stateHash, own.stateHash);
}
