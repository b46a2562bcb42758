/**
 * The two ways in which a log changes: at its end, and by cutting its end off. What depends on the log changes with
 * it: the configuration in force, what the disk has proved durable, and the leader's list of members.
 */
import { invariant, logIndex } from '@holdfast/bytes';
import { membersOf } from './configuration.ts';
import { contentSizeBytes, type Entry, type EntryContent } from './entry.ts';
import { newProgress } from './progress.ts';
import { appendToLog, lastIndex, truncateLog } from './raft-log.ts';
import { currentConfiguration, type RaftState } from './raft-state.ts';

/** A new entry of the leader's own term. */
export function appendOwn(state: RaftState, content: EntryContent): Entry {
  const entry: Entry = {
    index: logIndex(lastIndex(state.log) + 1),
    term: state.term,
    sizeBytes: contentSizeBytes(content),
    content,
  };
  appendAll(state, [entry]);
  state.uncommittedBytes += entry.sizeBytes;
  // Why all: what they handed to earlier leaders hangs on the first entry of a term, and who belongs on the others.
  if (content.type !== 'command') {
    for (const progress of state.progress.values()) progress.awaitedIndex = entry.index;
  }
  return entry;
}

/** Appends at the end. A configuration among the entries is in force at once (section 6). */
export function appendAll(state: RaftState, entries: readonly Entry[]): void {
  appendToLog(state.log, entries);
  for (const { index, content } of entries) {
    if (content?.type !== 'membership') continue;
    state.configurations.push({ index, configuration: content.configuration });
    if (state.role === 'leader') followMembers(state);
  }
}

/**
 * Cuts the log: `from` and everything above it. Safety: what is committed is never cut; a leader that asks for it, or
 * a disk that lost it, is a reason to stop the node and not to go on.
 *
 * Invariant: what the disk says about entries that were cut proves nothing, even if an entry with the same index and
 * the same term is appended again later.
 */
export function truncateFrom(state: RaftState, from: number): void {
  const { commitIndex, disk } = state;
  invariant(
    from > commitIndex,
    `entry ${from} is committed (up to ${commitIndex}) and must not be cut`,
  );
  truncateLog(state.log, from);
  state.configurations = state.configurations.filter(
    (record, position) => position === 0 || record.index < from,
  );
  if (disk.savedIndex >= from) {
    disk.savedIndex = from - 1;
    disk.truncateFrom = Math.min(disk.truncateFrom ?? from, from);
  }
  disk.persistedIndex = Math.min(disk.persistedIndex, from - 1);
  for (const write of disk.inFlight) write.provesIndex = Math.min(write.provesIndex, from - 1);
}

/**
 * Makes the leader's list of members the one of the configuration in force. Whom it hands leadership to stays a member:
 * no change is taken meanwhile, and leaving a joint configuration keeps its voters.
 */
function followMembers(state: RaftState): void {
  const members = membersOf(currentConfiguration(state));
  for (const id of members) {
    if (!state.progress.has(id)) state.progress.set(id, newProgress(lastIndex(state.log) + 1));
  }
  for (const id of state.progress.keys()) {
    if (!members.includes(id) && id !== state.settings.nodeId) state.progress.delete(id);
  }
}
