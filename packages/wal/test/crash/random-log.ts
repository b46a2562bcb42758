import { logIndex, term } from '@holdfast/bytes';
import {
  type CrashSubject,
  type MemoryFiles,
  type Neglect,
  SeededRandom,
} from '@holdfast/env/memory';
import type { Wal } from '../../src/index.ts';
import type { LogLedger, LogMoment } from './log-ledger.ts';
import { type LogRun, logSubject, SPARE_SEGMENTS, TINY, TWO_IN_FLIGHT } from './log-subject.ts';

const LOGS = [TINY, TWO_IN_FLIGHT, SPARE_SEGMENTS];
const STEPS = 14;

/** A log under a script of its own for each seed. */
export function randomLog(seed: number, neglect?: Neglect): CrashSubject<LogMoment> {
  const log = LOGS[new SeededRandom(seed).below(LOGS.length)] ?? TINY;
  return logSubject(randomly(seed), { log, neglect });
}

/** Whatever the seed says, of everything that a log does. */
function randomly(seed: number): LogRun {
  return async (opened, ledger, reopen, disk) => {
    const random = new SeededRandom(seed);
    let wal = opened;
    let votes = 0;
    let committed = 0;
    for (let step = 0; step < STEPS; step++) {
      const choice = random.below(15);
      const retained = wal.lastIndex - wal.firstIndex + 1;
      if (choice === 0) wal = await reopen();
      else if (choice <= 2) {
        const votedFor = random.below(2) === 0 ? undefined : 'a';
        if (random.below(3) === 0) committed = wal.lastIndex;
        const commitIndex = logIndex(committed);
        await ledger.saveHardState(wal, { term: term(++votes), votedFor, commitIndex });
        await mustRefuse(wal, committed);
      } else if (choice === 3 && wal.lastIndex > committed && retained > 1) {
        await cut(wal, ledger, random, committed);
      } else if (choice === 4 && retained > 2) {
        await ledger.release(wal, wal.firstIndex + random.below(2));
        const released = wal.segments().filter((segment) => segment.released);
        await wal.removeSegments(released.map(({ segmentId }) => segmentId));
      } else if (choice === 5 || choice === 6) {
        await fill(wal, ledger, random, disk);
      } else {
        await ledger.put(wal, ...someTexts(random));
      }
    }
  };
}

function someTexts(
  random: SeededRandom,
  kinds: readonly string[] = ['', 'body ', 'big '],
): string[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    return `${kinds[random.below(kinds.length)]}${random.below(1000)}`;
  });
}

/** Cuts off the last records, or one of those that are on their way to the disk. */
async function cut(
  wal: Wal,
  ledger: LogLedger,
  random: SeededRandom,
  committed: number,
): Promise<void> {
  const texts = random.below(2) === 0 ? [] : someTexts(random);
  const last = wal.lastIndex + texts.length;
  const retained = last - wal.firstIndex + 1;
  const from = last - random.below(Math.min(3, retained - 1));
  await ledger.truncateBehind(wal, texts, random.below(8), Math.max(from, committed + 1));
}

/** A disk that is full for a moment; then what had no room is written again, all of it or only the first. */
async function fill(
  wal: Wal,
  ledger: LogLedger,
  random: SeededRandom,
  disk: MemoryFiles,
): Promise<void> {
  const full = disk.failWhen({
    when: ({ kind }) => kind === 'writeSynced',
    code: 'NO_SPACE',
    times: 1 + random.below(2),
  });
  // Why large ones: each is a batch of its own, and two are on their way at once.
  const refused = await ledger.putSome(wal, ...someTexts(random, ['body ', 'big ', 'big ']));
  full.cancel();
  const again = random.below(2) === 0 ? refused.slice(0, 1) : refused;
  await ledger.put(wal, ...again);
}

/** What is committed is not truncated. */
async function mustRefuse(wal: Wal, committed: number): Promise<void> {
  if (committed < wal.firstIndex) return;
  const refused = await wal.truncateSuffix(logIndex(committed)).then(
    () => false,
    ({ code }: { readonly code?: string }) => code === 'WAL_TRUNCATES_COMMITTED',
  );
  if (!refused) throw new Error(`record ${committed} was committed, and is truncated`);
}
