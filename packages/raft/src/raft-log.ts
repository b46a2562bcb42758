/**
 * The log as the core sees it: the term and size of every entry, and the content of those at the end that somebody
 * may still need. The bytes themselves are on disk and belong to the driver.
 *
 * Invariant: entries are contiguous from `base.index + 1`; terms never fall; `tail` is a suffix of the log.
 */
import { invariant, type LogIndex, logIndex, type Term, term } from '@holdfast/bytes';
import type { Entry } from './entry.ts';

export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** What the driver knows at start about an entry that is in its log. */
export interface StoredEntry {
  readonly term: Term;
  readonly sizeBytes: number;
}

export interface RaftLog {
  /** The last entry that is no longer in the log; (0, 0) for a log from the beginning. */
  base: LogPosition;
  /** Where a term begins: first indexes grow, terms grow. */
  runs: { readonly firstIndex: number; readonly term: Term }[];
  /** `sizes[i]` is the size of entry `base.index + 1 + i`, in bytes. */
  sizes: number[];
  /** Entries whose content is still held. */
  tail: Entry[];
}

export function openLog(base: LogPosition, stored: Iterable<StoredEntry>): RaftLog {
  const log: RaftLog = { base, runs: [], sizes: [], tail: [] };
  for (const entry of stored) {
    noteTerm(log, lastIndex(log) + 1, entry.term);
    log.sizes.push(entry.sizeBytes);
  }
  return log;
}

export function lastIndex(log: RaftLog): LogIndex {
  return (log.base.index + log.sizes.length) as LogIndex;
}

export function lastTerm(log: RaftLog): Term {
  return log.runs.at(-1)?.term ?? log.base.term;
}

export function firstIndex(log: RaftLog): LogIndex {
  return (log.base.index + 1) as LogIndex;
}

/** Undefined outside of [base.index, lastIndex]. */
export function termAt(log: RaftLog, index: number): Term | undefined {
  if (index === log.base.index) return log.base.term;
  if (index < log.base.index || index > lastIndex(log)) return undefined;
  return log.runs.findLast((run) => run.firstIndex <= index)?.term;
}

/** Section 5.4.1: the later last term wins, then the longer log. */
export function isUpToDate(log: RaftLog, candidate: LogPosition): boolean {
  const own = lastTerm(log);
  if (candidate.term !== own) return candidate.term > own;
  return candidate.index >= lastIndex(log);
}

export function appendToLog(log: RaftLog, entries: readonly Entry[]): void {
  for (const entry of entries) {
    invariant(entry.index === lastIndex(log) + 1, `entry ${entry.index} leaves a gap in the log`);
    invariant(entry.content !== undefined, `entry ${entry.index} came without its content`);
    invariant(entry.term >= lastTerm(log), `the term of entry ${entry.index} falls`);
    noteTerm(log, entry.index, entry.term);
    log.sizes.push(entry.sizeBytes);
    log.tail.push(entry);
  }
}

/** Removes the entries at `from` and above. */
export function truncateLog(log: RaftLog, from: number): void {
  invariant(from > log.base.index, `entry ${from} is below the log and cannot be cut`);
  log.sizes.length = Math.min(log.sizes.length, from - log.base.index - 1);
  log.runs = log.runs.filter((run) => run.firstIndex < from);
  log.tail = log.tail.filter((entry) => entry.index < from);
}

/** Forgets the entries at `upTo` and below, which the driver released. */
export function releaseLog(log: RaftLog, upTo: LogIndex): void {
  if (upTo <= log.base.index) return;
  const baseTerm = termAt(log, upTo);
  invariant(baseTerm !== undefined, `entry ${upTo} is above the log and cannot be released`);
  const kept = log.runs.findLastIndex((run) => run.firstIndex <= upTo + 1);
  log.runs = log.runs.slice(Math.max(kept, 0));
  if (upTo === lastIndex(log)) log.runs = [];
  log.sizes.splice(0, upTo - log.base.index);
  log.tail = log.tail.filter((entry) => entry.index > upTo);
  log.base = { index: upTo, term: baseTerm };
}

/** Entries in [from, to), as many as fit in `limitBytes` but at least one. */
export function sliceLog(log: RaftLog, from: number, to: number, limitBytes: number): Entry[] {
  const slice: Entry[] = [];
  let total = 0;
  for (let index = from; index < to; index++) {
    const entry = entryAt(log, index);
    total += entry.sizeBytes;
    if (slice.length > 0 && total > limitBytes) break;
    slice.push(entry);
  }
  return slice;
}

export function entryAt(log: RaftLog, index: number): Entry {
  const tailFirst = lastIndex(log) - log.tail.length + 1;
  const held = index >= tailFirst ? log.tail[index - tailFirst] : undefined;
  if (held !== undefined) return held;
  const entryTerm = termAt(log, index);
  const sizeBytes = log.sizes[index - log.base.index - 1];
  invariant(entryTerm !== undefined && sizeBytes !== undefined, `entry ${index} is not in the log`);
  return { index: logIndex(index), term: entryTerm, sizeBytes, content: undefined };
}

/** Bytes of the entries in [from, to). Entries below the log count for nothing. */
export function sizeOfRange(log: RaftLog, from: number, to: number): number {
  let total = 0;
  for (let index = Math.max(from, log.base.index + 1); index < to; index++) {
    total += log.sizes[index - log.base.index - 1] ?? 0;
  }
  return total;
}

/** Lets go of the content of entries at `upTo` and below. */
export function dropContents(log: RaftLog, upTo: number): void {
  const tailFirst = lastIndex(log) - log.tail.length + 1;
  if (upTo >= tailFirst) log.tail.splice(0, upTo - tailFirst + 1);
}

/**
 * The highest position at `from` or below whose term is at most `limit`: no position above it can match a log in
 * which `from` has term `limit`. Terms never fall, so this passes over whole terms, not single entries.
 * Below the log the term is not known and 0 stands for it.
 */
export function lastNotAfterTerm(log: RaftLog, from: number, limit: Term): LogPosition {
  let index = Math.min(from, lastIndex(log));
  while (index > log.base.index) {
    const run = log.runs.findLast((candidate) => candidate.firstIndex <= index);
    const runTerm = run?.term ?? log.base.term;
    if (runTerm <= limit) return { index: logIndex(index), term: runTerm };
    index = (run?.firstIndex ?? index) - 1;
  }
  return { index: logIndex(index), term: termAt(log, index) ?? term(0) };
}

function noteTerm(log: RaftLog, index: number, entryTerm: Term): void {
  if (lastTerm(log) !== entryTerm || log.runs.length === 0) {
    log.runs.push({ firstIndex: index, term: entryTerm });
  }
}
