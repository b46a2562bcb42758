/** What of this node's log stays for members that are behind. Who lacks more is sent the state. */
import { invariant, type LogIndex, logIndex } from '@holdfast/bytes';
import type { Raft } from '@holdfast/raft';
import type { Wal } from '@holdfast/wal';

export class LogRetention {
  readonly #raft: Raft;
  readonly #wal: Wal;
  readonly #retainedLogBytes: number;
  /** At this index or below is damage, so that nobody can be sent the log from before it. */
  #damagedUpTo = 0;

  constructor(raft: Raft, wal: Wal, retainedLogBytes: number) {
    this.#raft = raft;
    this.#wal = wal;
    this.#retainedLogBytes = retainedLogBytes;
  }

  /**
   * Up to where the log may be released, given what the tables hold. Durability: Raft is told first that a snapshot (the
   * tables) stands for what it will not find in the log any more.
   */
  releasable(flushedIndex: LogIndex): LogIndex {
    const snapshotIndex = logIndex(Math.min(flushedIndex, this.#raft.status().appliedIndex));
    const retainedFrom = retainedFromOf(this.#wal, this.#retainedLogBytes);
    const unneeded = Math.max(retainedFrom - 1, this.#damagedUpTo);
    const released = logIndex(Math.min(snapshotIndex, unneeded));
    if (released >= this.#wal.firstIndex) this.#raft.compact(snapshotIndex, released);
    return released;
  }

  /**
   * One of the entries in [first, last] cannot be read, and members need it: from now on they are sent the state instead,
   * which holds the effect of all that is applied. Returns false where that does not help: `first` is not committed.
   */
  giveUp(first: LogIndex, last: LogIndex): boolean {
    const { commitIndex, appliedIndex } = this.#raft.status();
    if (first > commitIndex) return false;
    // What is committed and not applied yet: when it is, the next try comes here again.
    const upTo = logIndex(Math.min(last, appliedIndex));
    if (upTo < first) return true;
    this.#damagedUpTo = Math.max(this.#damagedUpTo, upTo);
    this.#raft.compact(appliedIndex, upTo);
    return true;
  }
}

/** The first index of the log to keep: whole segments, the newest ones, up to the limit. */
function retainedFromOf(wal: Wal, retainedLogBytes: number): number {
  let keptBytes = 0;
  let from: number = wal.lastIndex + 1;
  for (const segment of wal.segments().toReversed()) {
    if (segment.released) break;
    if (keptBytes > 0 && keptBytes + segment.sizeBytes > retainedLogBytes) {
      break;
    }
    keptBytes += segment.sizeBytes;
    from = segment.firstIndex;
  }
  invariant(from > 0, 'a log begins at 1');
  return from;
}
