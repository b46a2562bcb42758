import { isRemovedLeader } from './commit.ts';
import { takeCommitted, takePersistRequest } from './disk.ts';
import type { RaftState } from './raft-state.ts';
import { startReadRound } from './reads.ts';
import type { Ready } from './ready.ts';
import { sendAppends } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { handOverNow } from './transfer.ts';

/** Everything there is to do, handed out once; undefined where there is nothing. */
export function takeReady(state: RaftState): Ready | undefined {
  const isStopped = state.fault !== undefined;
  if (!isStopped) prepare(state);
  const persist = isStopped ? undefined : takePersistRequest(state);
  const committed = isStopped ? [] : takeCommitted(state);
  const ready: Ready = {
    messages: state.outbox.splice(0),
    persist,
    committed,
    readResults: state.readResults.splice(0),
    forwardResults: state.forwardResults.splice(0),
    snapshotOffer: state.snapshotOffer,
  };
  state.snapshotOffer = undefined;
  return isEmpty(ready) ? undefined : ready;
}

/** What is decided once a turn and not once an input: so that many proposals share a message, and many reads a round. */
function prepare(state: RaftState): void {
  startReadRound(state);
  sendAppends(state);
  if (!isRemovedLeader(state)) return;
  handOverNow(state);
  becomeFollower(state, state.term, undefined);
}

function isEmpty(ready: Ready): boolean {
  return (
    ready.messages.length === 0 &&
    ready.persist === undefined &&
    ready.committed.length === 0 &&
    ready.readResults.length === 0 &&
    ready.forwardResults.length === 0 &&
    ready.snapshotOffer === undefined
  );
}
