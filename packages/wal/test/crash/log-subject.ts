import { logIndex, term } from '@holdfast/bytes';
import type { Env, Files } from '@holdfast/env';
import type { CrashSubject, MemoryFilesOptions, Neglect } from '@holdfast/env/memory';
import {
  createMemoryEnv,
  ManualClock,
  MemoryFiles,
  negligentFiles,
  SeededRandom,
} from '@holdfast/env/memory';
import { copySegment, type Wal } from '../../src/index.ts';
import { type LogOptions, open } from '../fixtures/logs.ts';
import { type FoundLog, foundIn, judgeLog, LogLedger, type LogMoment } from './log-ledger.ts';

/** Two batches a segment, and no large buffers. */
export const TINY: LogOptions = {
  segmentSizeBytes: 28672,
  preallocate: false,
  cacheSizeBytes: 64 * 1024,
};

/** Small batches, so that two are written at once. */
export const TWO_IN_FLIGHT: LogOptions = {
  ...TINY,
  segmentSizeBytes: 65536,
  batchSizeLimitBytes: 4096,
};

export const SPARE_SEGMENTS: LogOptions = { ...TINY, preallocate: true };

/** After it a log is idle, and what it does then takes fewer turns of microtasks than these. */
const IDLE_MS = 1000;
const IDLE_TURNS = 200;

/** What is done to a log. `reopen` closes it and opens it again; `disk` is what it is on; `idle` lets a second pass. */
export type LogRun = (
  wal: Wal,
  ledger: LogLedger,
  reopen: () => Promise<Wal>,
  disk: MemoryFiles,
  idle: () => Promise<void>,
) => Promise<void>;

export interface LogSubjectOptions {
  readonly log?: LogOptions;
  /** A duty that the log forgets while the script runs: a mutant. */
  readonly neglect?: Neglect | undefined;
  /** Stands between the log and the disk while the script runs. */
  readonly wrap?: (files: Files) => Files;
  readonly disk?: MemoryFilesOptions;
}

/** A log under a script, in a folder that is new. */
export function logSubject(run: LogRun, options: LogSubjectOptions = {}): CrashSubject<LogMoment> {
  const { log = TINY, neglect, wrap, disk } = options;
  return {
    start: async () => new MemoryFiles(disk),
    script: (files) => {
      const wrapped = wrap?.(files) ?? files;
      const between = neglect === undefined ? wrapped : negligentFiles(wrapped, neglect);
      return logScript(files, log, undefined, run, between);
    },
    recover: async (files) => {
      const env = await envOf(files);
      const wal = await open(env, log);
      try {
        // What backups and the scrubber do: a sealed segment must be whole to its last byte.
        for (const { sealed, path } of wal.segments()) {
          if (sealed) await copySegment({ env, source: path });
        }
        return JSON.stringify(await foundIn(wal));
      } finally {
        await wal.close();
      }
    },
    judge: (found, moment) => judgeLog(JSON.parse(found) as FoundLog, moment),
    proceed: (files, found) => logScript(files, log, JSON.parse(found) as FoundLog, afterRecovery),
  };
}

/** Appends, votes, truncates what was appended, appends again. */
const afterRecovery: LogRun = async (wal, ledger) => {
  await ledger.put(wal, 'body after', 'later');
  const votes = { term: term(wal.hardState.term + 1), votedFor: 'b', commitIndex: logIndex(0) };
  await ledger.saveHardState(wal, votes);
  await ledger.truncate(wal, wal.lastIndex);
  await ledger.put(wal, 'big last');
};

function logScript(
  disk: MemoryFiles,
  log: LogOptions,
  found: FoundLog | undefined,
  run: LogRun,
  files: Files = disk,
): ReturnType<CrashSubject<LogMoment>['script']> {
  const ledger = new LogLedger(found);
  return {
    run: async () => {
      const clock = new ManualClock();
      let wal = await open(await envOf(files, clock), log);
      const reopen = async (): Promise<Wal> => {
        await wal.close();
        wal = await open(await envOf(files, clock), log);
        return wal;
      };
      const idle = async (): Promise<void> => {
        clock.advance(IDLE_MS);
        for (let turn = 0; turn < IDLE_TURNS; turn++) await Promise.resolve();
      };
      await run(wal, ledger, reopen, disk, idle);
      await wal.close();
    },
    moment: () => ledger.moment,
  };
}

/** The environment of a process on that disk; all are alike. What keeps no state is shared: it is slow to make. */
async function envOf(files: Files, clock: ManualClock = new ManualClock()): Promise<Env> {
  return { ...(await shared), files, clock, random: new SeededRandom(1) };
}

const shared = createMemoryEnv();
