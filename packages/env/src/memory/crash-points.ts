/**
 * Every moment of a run at which a power cut would leave something else than before. One run gives them all: at
 * each change of the disk a copy of it is kept, which costs nothing but the pages that the run goes on to replace.
 */
import type { ChangeKind, DiskOperation } from './faults.ts';
import type { MemoryFiles } from './memory-files.ts';

/** What runs on a disk, and at every moment knows what must be found after a crash. */
export interface CrashScript<Moment> {
  /** Called once. */
  run(): Promise<void>;
  /** What has been promised so far, and what may be there. Not changed any more once it was given out. */
  moment(): Moment;
}

export interface CrashPoint<Moment> {
  /** From 0, in the order of the run. */
  readonly number: number;
  /** In words: the operation, and whether it had returned. */
  readonly label: string;
  /** The disk, with all that is not durable yet. */
  readonly files: MemoryFiles;
  /**
   * What held when the disk became so, and what held just before it changed again. Why both: an acknowledgement between
   * the two holds for this disk already, and so does what is taken back only by the next change.
   */
  readonly moments: readonly [Moment, Moment];
}

/** Changes that make something durable: what a crash may leave is another when they return. */
const syncs: ReadonlySet<ChangeKind> = new Set(['writeSynced', 'sync', 'syncDirectory']);
/** Those of them that change nothing when they begin. */
const onlySyncs: ReadonlySet<ChangeKind> = new Set(['sync', 'syncDirectory']);

/** Runs a script on a disk that nothing else uses, and gives the points at which it may be cut off, the start included. */
export async function recordCrashPoints<Moment>(
  files: MemoryFiles,
  script: CrashScript<Moment>,
): Promise<CrashPoint<Moment>[]> {
  const points: CrashPoint<Moment>[] = [];
  let label = 'before the first operation';
  let disk = files.clone(0);
  let first = script.moment();
  const endPoint = (): void => {
    const number = points.length;
    points.push({ number, label, files: disk, moments: [first, script.moment()] });
  };
  files.watch((operation, when) => {
    const { kind } = operation as { kind: ChangeKind };
    if (when === 'begun' ? onlySyncs.has(kind) : !syncs.has(kind)) return;
    endPoint();
    label = describe(operation, when);
    disk = files.clone(points.length);
    first = script.moment();
  });
  await script.run();
  endPoint();
  files.watch(() => undefined);
  return points;
}

function describe({ number, kind, path, to }: DiskOperation, when: 'begun' | 'done'): string {
  const what = to === undefined ? `${kind} ${path}` : `${kind} ${path} to ${to}`;
  return `${when === 'begun' ? 'in' : 'after'} operation ${number} (${what})`;
}
