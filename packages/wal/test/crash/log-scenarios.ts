import { logIndex, term } from '@holdfast/bytes';
import type { CrashSubject, Neglect } from '@holdfast/env/memory';
import type { LogMoment } from './log-ledger.ts';
import { type LogRun, logSubject, SPARE_SEGMENTS, TWO_IN_FLIGHT } from './log-subject.ts';

/** Batches of one record and of several, with bodies and without, one of them never waited for. */
const append: LogRun = async (wal, ledger, reopen) => {
  await ledger.put(wal, 'one');
  await ledger.put(wal, 'body two', 'three', 'big four');
  await ledger.put(wal, 'five');
  const again = await reopen();
  await ledger.put(again, 'body six', 'seven');
  ledger.appendOnly(again, 'eight');
};

/** Each pair of batches fills a segment. */
const rotate: LogRun = async (wal, ledger) => {
  for (const text of ['big one', 'big two', 'body three', 'big four', 'five', 'big six']) {
    await ledger.put(wal, text);
  }
  await ledger.put(wal, 'big seven', 'body eight');
};

/** Within a segment, across one, to the very beginning, and twice at one place. */
const truncate: LogRun = async (wal, ledger, reopen) => {
  await ledger.put(wal, 'one', 'body two', 'three');
  await ledger.truncate(wal, 3);
  await ledger.put(wal, 'new three', 'big four');
  await ledger.put(wal, 'five', 'big six');
  await ledger.truncate(wal, 4);
  const again = await reopen();
  await ledger.put(again, 'third four');
  await ledger.truncate(again, 4);
  await ledger.put(again, 'fourth four');
  await ledger.truncate(again, 1);
  await ledger.put(again, 'another one');
};

/** Released a little at a time, within a segment and past it, and removed. */
const release: LogRun = async (wal, ledger) => {
  for (const text of ['one', 'big two', 'three', 'big four', 'body five']) {
    await ledger.put(wal, text);
  }
  for (const upTo of [1, 3, 4]) {
    await ledger.release(wal, upTo);
    const released = wal.segments().filter((segment) => segment.released);
    await wal.removeSegments(released.map(({ segmentId }) => segmentId));
  }
  await ledger.put(wal, 'six');
  await ledger.release(wal, 6);
};

/** Begun anew far behind its end, in the middle of what it holds, twice at one place, and cut to nothing after it. */
const restart: LogRun = async (wal, ledger, reopen) => {
  await ledger.put(wal, 'one', 'big two', 'three');
  await ledger.restart(wal, 9);
  await ledger.put(wal, 'ten', 'big eleven');
  await ledger.truncate(wal, 10);
  await ledger.put(wal, 'new ten', 'body eleven', 'big twelve');
  await ledger.restart(wal, 11);
  await ledger.restart(wal, 11);
  const again = await reopen();
  await ledger.put(again, 'new twelve');
  await ledger.restart(again, 20);
  await ledger.restart(again, 30);
  const released = again.segments().filter((segment) => segment.released);
  await again.removeSegments(released.map(({ segmentId }) => segmentId));
  await ledger.put(again, 'last');
};

/** Terms and votes between appends. */
const hardState: LogRun = async (wal, ledger, reopen) => {
  const commitIndex = logIndex(0);
  await ledger.saveHardState(wal, { term: term(1), votedFor: 'a', commitIndex });
  await ledger.put(wal, 'one');
  await ledger.saveHardState(wal, { term: term(2), votedFor: undefined, commitIndex });
  await ledger.saveHardState(wal, { term: term(2), votedFor: 'b', commitIndex: logIndex(1) });
  const again = await reopen();
  await ledger.saveHardState(again, { term: term(3), votedFor: 'a', commitIndex: logIndex(1) });
  await ledger.put(again, 'two');
};

/** Every operation that changes the disk. */
export const everything: LogRun = async (wal, ledger, reopen) => {
  const first = { term: term(1), votedFor: 'a', commitIndex: logIndex(0) };
  await ledger.saveHardState(wal, first);
  await ledger.put(wal, 'one');
  await ledger.put(wal, 'body two', 'three', 'big four');
  await ledger.put(wal, 'five', 'six');
  await ledger.truncate(wal, 5);
  await ledger.put(wal, 'new five');
  await ledger.put(wal, 'big new six');
  await ledger.put(wal, 'new seven', 'new eight');
  await ledger.truncate(wal, 7);
  await ledger.put(wal, 'third seven');
  const second = { term: term(2), votedFor: undefined, commitIndex: logIndex(6) };
  await ledger.saveHardState(wal, second);
  await ledger.release(wal, 5);
  const released = wal.segments().filter((segment) => segment.released);
  await wal.removeSegments(released.map(({ segmentId }) => segmentId));
  await ledger.put(wal, 'eight');
  const again = await reopen();
  await ledger.put(again, 'body nine', 'ten');
  ledger.appendOnly(again, 'eleven');
};

/** Bursts with idle seconds between them, which leave a mark and files for the next one. */
const idleSeconds: LogRun = async (wal, ledger, reopen, _disk, idle) => {
  for (const text of ['one', 'big two', 'big three', 'big four']) await ledger.put(wal, text);
  await idle();
  for (const text of ['five', 'big six', 'big seven']) await ledger.put(wal, text);
  await ledger.truncate(wal, 6);
  await idle();
  await ledger.put(wal, 'new six');
  const again = await reopen();
  await ledger.put(again, 'seven');
  await idle();
  await ledger.put(again, 'big eight');
};

const preallocating = { log: SPARE_SEGMENTS };

/** By name. */
export const logScenarios: Readonly<
  Record<string, (neglect?: Neglect) => CrashSubject<LogMoment>>
> = {
  append: (neglect) => logSubject(append, { neglect }),
  rotate: (neglect) => logSubject(rotate, { neglect }),
  truncate: (neglect) => logSubject(truncate, { neglect }),
  release: (neglect) => logSubject(release, { neglect }),
  restart: (neglect) => logSubject(restart, { neglect }),
  'hard state': (neglect) => logSubject(hardState, { neglect }),
  everything: (neglect) => logSubject(everything, { neglect }),
  'everything, with spare segments': (neglect) =>
    logSubject(everything, { ...preallocating, neglect }),
  'idle seconds': (neglect) => logSubject(idleSeconds, { ...preallocating, neglect }),
  'append, where no write is direct': (neglect) =>
    logSubject(append, { neglect, disk: { direct: false } }),
  'two batches in flight': (neglect) => logSubject(everything, { log: TWO_IN_FLIGHT, neglect }),
};
