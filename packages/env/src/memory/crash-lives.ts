/**
 * Several lives of one engine on one disk, by seed: each opens what the one before has left, looks whether that is what must be
 * there, goes on by chance, and ends in order, by a power cut or by a kill at any operation (of its opening too), with or without a
 * disk that failed, could not read or was full before. What `CrashSearch` does wholly for a short script, this does by samples for
 * long ones.
 */
import type { Env } from '../env.ts';
import type { DiskOperation, Fault } from './faults.ts';
import { ManualClock } from './manual-clock.ts';
import { createMemoryEnv } from './memory-env.ts';
import { MemoryFiles } from './memory-files.ts';
import { SeededRandom } from './seeded-random.ts';

/** One life. */
export interface Life {
  /** Of `files` and `clock`. */
  readonly env: Env;
  readonly files: MemoryFiles;
  readonly clock: ManualClock;
  readonly random: SeededRandom;
  /** Whether what fails now may fail by what the disk has done: it was stopped, or a fault has come. */
  readonly isDoomed: () => boolean;
  /** Whether it is not to go on: the disk was stopped, or a change of it failed. Where a read failed it goes on. */
  readonly isOver: () => boolean;
  /** Whether the disk was full, which nothing may end by. */
  readonly wasFull: () => boolean;
}

/** What may end a life. `full` and `unread` end none by themselves. */
type Fate = 'none' | 'stop' | 'fail' | 'full' | 'unread';

const FATES: readonly Fate[] = [
  'none',
  'stop',
  'stop',
  'stop',
  'fail',
  'full',
  'full',
  'unread',
  'unread',
];
/** A life whose end is not seen after so many turns waits for ever. */
const TURNS = 400_000;
const TURNS_A_STEP = 500;
const STEP_MS = 50;
/** Operations of the first life, about. */
const FIRST_LENGTH = 80;

/** Three to six of them; resolves with how many. Rejects with what a life has rejected with, and with an Error where it does not end. */
export async function runLives(live: (life: Life) => Promise<void>, seed: number): Promise<number> {
  const random = new SeededRandom(seed);
  const lives = 3 + random.below(4);
  const parts = await createMemoryEnv();
  let files = new MemoryFiles({ seed, direct: random.below(4) > 0 });
  let length = FIRST_LENGTH;
  for (let number = 1; number <= lives; number++) {
    const fate = number === lives ? 'none' : (FATES[random.below(FATES.length)] as Fate);
    // Of long lives half are cut off near their beginning, where they recover.
    const span = random.below(3) === 0 ? 30 : length;
    const at = 1 + random.below(span);
    const clock = new ManualClock(1_700_000_000_000 + random.below(1_000_000_000));
    const plan = planFate(files, fate, at, random);
    const words = `life ${number} of ${lives} (${fate} at ${at})`;
    try {
      const env = { ...parts, files, clock, random: new SeededRandom(seed) };
      await bounded(live({ env, files, clock, random, ...plan }), clock);
    } catch (cause) {
      throw new Error(`${words}: ${describe(cause)}`, { cause });
    }
    length = Math.max(FIRST_LENGTH, files.operationCount);
    files.stop();
    files = nextDisk(files, random);
  }
  return lives;
}

function planFate(
  files: MemoryFiles,
  fate: Fate,
  at: number,
  random: SeededRandom,
): Pick<Life, 'isDoomed' | 'isOver' | 'wasFull'> {
  let failed = false;
  let unread = false;
  let full = false;
  if (fate === 'stop') files.stopAt(at);
  if (fate === 'fail') {
    files.failWhen({
      when: ({ number, kind }) => number >= at && isChange(kind) && (failed = true),
      code: 'FILE_IO',
      applied: (['none', 'part', 'all'] as const)[random.below(3)] as NonNullable<Fault['applied']>,
    });
  }
  if (fate === 'full') {
    files.failWhen({
      when: ({ number, kind }) => number >= at && TAKES_ROOM.has(kind) && (full = true),
      code: 'NO_SPACE',
      times: 1 + random.below(3),
    });
    if (random.below(2) === 0) files.stopAt(at + 1 + random.below(30));
  }
  if (fate === 'unread') {
    let reads = 0;
    let bad: string | undefined;
    files.failWhen({
      when: ({ kind, path }) => {
        if (bad === undefined && READS.has(kind) && ++reads >= at) bad = path;
        return path === bad && READS.has(kind) && (unread = true);
      },
      code: 'FILE_IO',
      // For a moment, or as long as it lives.
      times: random.below(2) === 0 ? 1 + random.below(3) : Number.POSITIVE_INFINITY,
    });
  }
  const isOver = (): boolean => failed || files.stopped;
  return { isDoomed: () => isOver() || unread, isOver, wasFull: () => full };
}

const READS: ReadonlySet<DiskOperation['kind']> = new Set(['open', 'read', 'list', 'stat']);

/** Reads have no number of their own. */
function isChange(kind: DiskOperation['kind']): boolean {
  return !READS.has(kind) && kind !== 'lock' && kind !== 'freeBytes';
}

const TAKES_ROOM: ReadonlySet<DiskOperation['kind']> = new Set([
  'create',
  'write',
  'writeSynced',
  'rename',
  'link',
  'makeDirectory',
]);

function nextDisk(files: MemoryFiles, random: SeededRandom): MemoryFiles {
  const seed = 1 + random.below(1_000_000_000);
  if (random.below(4) === 0) return files.killed(seed);
  const whole = random.below(3) === 0;
  return files.clone(seed).crash(whole ? { torn: false, garbled: false } : {}).files;
}

async function bounded(life: Promise<void>, clock: ManualClock): Promise<void> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  life.then(end, end);
  for (let turn = 0; !over; turn++) {
    if (turn > TURNS) throw new Error('it waits for ever');
    if (turn % TURNS_A_STEP === TURNS_A_STEP - 1) clock.advance(STEP_MS);
    await Promise.resolve();
  }
  await life;
}

function describe(cause: unknown): string {
  const { code } = cause as { readonly code?: unknown };
  return typeof code === 'string' ? `${code} ${String(cause)}` : String(cause);
}
