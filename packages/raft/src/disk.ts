/**
 * What goes to the disk and what comes back. Durability: nothing that depends on a write leaves before it is durable,
 * the node's own vote and its own copy of an entry included; that is why both come in here, with the acknowledgement.
 */
import { invariant, type LogIndex, logIndex } from '@holdfast/bytes';
import { advanceCommit } from './commit.ts';
import { countSelfVote } from './election.ts';
import type { Entry } from './entry.ts';
import { dropContents, entryAt, lastIndex, lastTerm, sizeOfRange, sliceLog } from './raft-log.ts';
import type { RaftState } from './raft-state.ts';
import type { PersistAck, PersistRequest } from './ready.ts';
import type { HardState } from './settings.ts';

/** Everything that is not yet on its way to the disk. Undefined where there is nothing. */
export function takePersistRequest(state: RaftState): PersistRequest | undefined {
  const { disk, log } = state;
  const hardState = changedHardState(state);
  const entries = unsavedEntries(state);
  const hasData =
    hardState !== undefined ||
    entries.length > 0 ||
    disk.truncateFrom !== undefined ||
    disk.snapshot !== undefined;
  if (!hasData && disk.inFlight.length === 0) {
    // Everything is durable already: there is nothing to wait for.
    state.outbox.push(...state.afterPersist.splice(0));
  }
  if (!hasData && state.afterPersist.length === 0) return undefined;
  // Nothing to write, and messages that wait for the writes before them: durable when the last of those is.
  const last = hasData ? undefined : disk.inFlight.at(-1);
  const write = last?.write ?? disk.nextWrite++;
  const request: PersistRequest = {
    snapshot: disk.snapshot,
    hardState,
    truncateFrom: disk.truncateFrom as LogIndex | undefined,
    entries,
    messages: state.afterPersist.splice(0),
    ack: { write, index: lastIndex(log), term: lastTerm(log) },
  };
  if (hasData) noteHandedOut(state, request);
  return request;
}

/**
 * The write of that number, and so every earlier one, is durable. An acknowledgement that comes twice changes
 * nothing; one of a write that the core never asked for is a mistake of the driver.
 */
export function notePersisted(state: RaftState, ack: PersistAck): void {
  const { disk } = state;
  invariant(ack.write < disk.nextWrite, `write ${ack.write} was never asked for`);
  let selfVoteTerm: number | undefined;
  while (disk.inFlight[0] !== undefined && disk.inFlight[0].write <= ack.write) {
    const write = disk.inFlight.shift();
    if (write === undefined) break;
    disk.persistedIndex = Math.max(disk.persistedIndex, write.provesIndex);
    disk.persistedTerm = write.hardState?.term ?? disk.persistedTerm;
    selfVoteTerm = write.selfVoteTerm ?? selfVoteTerm;
  }
  if (selfVoteTerm !== undefined) countSelfVote(state, selfVoteTerm);
  const own = state.progress.get(state.settings.nodeId);
  if (own !== undefined && state.role === 'leader') {
    own.matchIndex = disk.persistedIndex;
    advanceCommit(state);
  }
  dropUnneeded(state);
}

/** Committed and durable entries, as many as may be under way to the state machine. */
export function takeCommitted(state: RaftState): Entry[] {
  const { commitIndex, disk, settings, log } = state;
  const end = Math.min(commitIndex, disk.persistedIndex);
  const budget = settings.maxApplyingBytes - state.applyingBytes;
  if (budget <= 0 || end <= state.handedIndex) return [];
  const entries = sliceLog(log, state.handedIndex + 1, end + 1, budget);
  state.handedIndex = logIndex(state.handedIndex + entries.length);
  state.applyingBytes += entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  dropUnneeded(state);
  return entries;
}

export function noteApplied(state: RaftState, index: LogIndex): void {
  invariant(index <= state.handedIndex, `entry ${index} was applied and never handed out`);
  if (index <= state.appliedIndex) return;
  state.applyingBytes -= sizeOfRange(state.log, state.appliedIndex + 1, index + 1);
  state.appliedIndex = index;
}

function noteHandedOut(state: RaftState, request: PersistRequest): void {
  const { disk } = state;
  disk.inFlight.push({
    write: request.ack.write,
    provesIndex: request.ack.index,
    selfVoteTerm: disk.selfVoteTerm,
    hardState: request.hardState,
    isSnapshot: request.snapshot !== undefined,
  });
  disk.savedIndex = request.ack.index;
  disk.savedHardState = request.hardState ?? disk.savedHardState;
  disk.truncateFrom = undefined;
  disk.snapshot = undefined;
  disk.selfVoteTerm = undefined;
}

function changedHardState(state: RaftState): HardState | undefined {
  const { term, votedFor, disk } = state;
  const saved = disk.savedHardState;
  if (saved.term === term && saved.votedFor === votedFor) return undefined;
  // Safety: it is written before the log is cut, so what is not durable yet may be another entry there, of no leader that counts.
  const commitIndex = logIndex(Math.min(state.commitIndex, disk.persistedIndex));
  return { term, votedFor, commitIndex };
}

function unsavedEntries({ log, disk }: RaftState): Entry[] {
  const entries: Entry[] = [];
  for (let index = disk.savedIndex + 1; index <= lastIndex(log); index++) {
    entries.push(entryAt(log, index));
  }
  return entries;
}

/**
 * What is durable can be read from the disk by whoever still needs it, and what is not handed out yet is needed soon. Why not where no
 * more may be handed out: a node that writes faster than it applies would hold all that lies between.
 */
function dropUnneeded({ log, disk, settings, handedIndex, applyingBytes }: RaftState): void {
  const isFull = applyingBytes >= settings.maxApplyingBytes;
  dropContents(log, isFull ? disk.persistedIndex : Math.min(disk.persistedIndex, handedIndex));
}
