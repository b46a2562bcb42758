/**
 * What a power cut may leave, enumerated. Few unsynced changes: every subset of them. Many: every
 * prefix, every single loss, every single survivor. On top, for each write, torn and garbled sectors;
 * and a seeded sample of everything at once.
 */
import { type CrashedNames, Disk, type DiskContent } from './disk.ts';
import type { DiskFingerprints } from './disk-fingerprint.ts';
import {
  type FileNode,
  KEEP_ALL,
  KEEP_NONE,
  type Kept,
  type PendingChange,
  sectorRange,
} from './file-node.ts';
import type { MemoryFiles } from './memory-files.ts';
import type { EntryChange } from './name-tree.ts';
import { PAGE_BYTES } from './page-image.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A disk after a crash, and in words what the crash kept. */
export interface CrashState {
  readonly label: string;
  /** Whether every subset of the changes that were not durable is among the states of this moment. */
  readonly exhaustive: boolean;
  /**
   * Fresh: all that is on it is durable, nothing is open or locked. It is made when it is first asked for, which must be before the
   * disk that it comes from goes on, and is the same one from then on.
   */
  readonly files: MemoryFiles;
  /** Of `files` as they are made, without making them. */
  fingerprint(fingerprints: DiskFingerprints): string;
}

export interface CrashStatesOptions {
  /** All subsets are tried of at most so many unsynced changes. Default 6 (64 subsets). */
  readonly exhaustiveLimit?: number;
  /** Whether single writes are torn at sector boundaries. Default true. */
  readonly torn?: boolean;
  /** Whether sectors that were being written may hold anything at all. Default true. */
  readonly garbled?: boolean;
  /**
   * `ordered`: a crash keeps a prefix of the entry changes, as a journaling filesystem does.
   * `unordered`: any subset, as POSIX allows. Default `ordered`.
   */
  readonly entries?: 'ordered' | 'unordered';
  /** Seeded states on top of the enumerated ones. Default 8. */
  readonly sampleCount?: number;
}

type MakeFiles = (disk: Disk) => MemoryFiles;

interface EntriesPlan {
  readonly label: string;
  readonly exhaustive: boolean;
  readonly entries: readonly EntryChange[];
}

interface NamesPlan extends EntriesPlan {
  readonly names: CrashedNames;
}

interface DataPlan {
  readonly label: string;
  readonly exhaustive: boolean;
  readonly kept: ReadonlyMap<PendingChange, Kept>;
}

export function* enumerateCrashes(
  disk: Disk,
  random: SeededRandom,
  make: MakeFiles,
  options: CrashStatesOptions,
): Generator<CrashState, void, undefined> {
  const limit = options.exhaustiveLimit ?? 6;
  for (const entriesPlan of entriesPlans(disk.journal, options.entries ?? 'ordered', limit)) {
    const names = disk.namesAfter(entriesPlan.entries);
    const changes = pendingChanges(names.files);
    for (const dataPlan of dataPlans(changes, limit, options, random)) {
      yield new State({ ...entriesPlan, names }, dataPlan, disk, make);
    }
  }
  if (disk.journal.length === 0 && pendingChanges(disk.namesAfter([]).files).length === 0) return;
  for (let sample = 0; sample < (options.sampleCount ?? 8); sample++) {
    yield randomCrash(disk, random, make, options);
  }
}

/** One legal state, chosen at random: sectors kept, lost or garbled each for itself. Entries in order. */
export function randomCrash(
  disk: Disk,
  random: SeededRandom,
  make: MakeFiles,
  options: CrashStatesOptions,
): CrashState {
  const count = random.below(disk.journal.length + 1);
  const entries = disk.journal.slice(0, count);
  const kept = new Map<PendingChange, Kept>();
  const names = disk.namesAfter(entries);
  for (const change of pendingChanges(names.files)) {
    kept.set(change, randomKept(change, random, options));
  }
  const label = `${count} of ${disk.journal.length} entry changes`;
  const dataPlan = { label: 'a random part of the writes', exhaustive: true, kept };
  return new State({ label, exhaustive: true, entries, names }, dataPlan, disk, make);
}

function randomKept(
  change: PendingChange,
  random: SeededRandom,
  options: CrashStatesOptions,
): Kept {
  const whole = random.below(2) === 0 ? KEEP_ALL : KEEP_NONE;
  const torn = options.torn ?? true;
  const garbled = options.garbled ?? true;
  if (change.kind === 'truncate' || (!torn && !garbled) || random.below(2) === 0) return whole;
  const sectors: number[] = [];
  for (let sector = 0; sector < sectorCount(change); sector++) {
    if (!torn || random.below(2) === 1) sectors.push(sector);
  }
  const size = random.below(4) !== 0;
  if (!garbled || (torn && random.below(2) === 0)) return { sectors, size };
  return { sectors, size, garble: noise(random) };
}

/** Sectors of random bytes, cut from one block: fresh ones for each would take most of the time. */
function noise(random: SeededRandom): (sectorBytes: number) => Uint8Array {
  const block = random.bytes(2 * PAGE_BYTES);
  return (sectorBytes) => {
    const offset = random.below(block.length - sectorBytes);
    return block.subarray(offset, offset + sectorBytes);
  };
}

/** Why so lazy: of ten disks that may be left, nine are like one that was seen before. */
class State implements CrashState {
  readonly #namesPlan: NamesPlan;
  readonly #dataPlan: DataPlan;
  readonly #content: DiskContent;
  readonly #make: MakeFiles;
  #files: MemoryFiles | undefined;

  constructor(namesPlan: NamesPlan, dataPlan: DataPlan, disk: Disk, make: MakeFiles) {
    this.#namesPlan = namesPlan;
    this.#dataPlan = dataPlan;
    this.#content = disk.crashed(namesPlan.names, dataPlan.kept);
    this.#make = make;
  }

  get label(): string {
    return `${this.#namesPlan.label}; ${this.#dataPlan.label}`;
  }

  get exhaustive(): boolean {
    return this.#namesPlan.exhaustive && this.#dataPlan.exhaustive;
  }

  get files(): MemoryFiles {
    return (this.#files ??= this.#make(Disk.of(this.#content)));
  }

  fingerprint(fingerprints: DiskFingerprints): string {
    return fingerprints.of(this.#content);
  }
}

function* entriesPlans(
  journal: readonly EntryChange[],
  order: 'ordered' | 'unordered',
  limit: number,
): Generator<EntriesPlan, void, undefined> {
  if (order === 'ordered') {
    for (let count = journal.length; count >= 0; count--) {
      const label = `first ${count} of ${journal.length} entry changes`;
      yield { label, exhaustive: true, entries: journal.slice(0, count) };
    }
    return;
  }
  for (const positions of subsets(journal.length, limit)) {
    const chosen = new Set(positions);
    const entries = journal.filter((_, position) => chosen.has(position));
    const label = `entry changes [${positions}] of ${journal.length}`;
    yield { label, exhaustive: journal.length <= limit, entries };
  }
}

function pendingChanges(files: ReadonlySet<FileNode>): PendingChange[] {
  const changes: PendingChange[] = [];
  for (const file of files) changes.push(...file.pending);
  return changes;
}

function* dataPlans(
  changes: readonly PendingChange[],
  limit: number,
  options: CrashStatesOptions,
  random: SeededRandom,
): Generator<DataPlan, void, undefined> {
  const exhaustive = changes.length <= limit;
  for (const positions of subsets(changes.length, limit)) {
    const kept = new Map(positions.map((at) => [changes[at] as PendingChange, KEEP_ALL]));
    yield { label: `changes [${positions}] of ${changes.length}`, exhaustive, kept };
  }
  for (const [position, change] of changes.entries()) {
    if (change.kind !== 'write') continue;
    for (const [word, part] of partsOf(change, options, random)) {
      for (const [others, around] of surroundings(changes, position)) {
        const kept = new Map(around.map((other) => [other, KEEP_ALL]));
        kept.set(change, part);
        const label = `change ${position} of ${changes.length} ${word}, ${others}`;
        yield { label, exhaustive, kept };
      }
    }
  }
}

/** What else may have been kept where one write was torn. */
function* surroundings(
  changes: readonly PendingChange[],
  position: number,
): Generator<readonly [string, PendingChange[]], void, undefined> {
  yield ['earlier ones kept', changes.slice(0, position)];
  if (position > 0) yield ['others lost', []];
  if (position + 1 < changes.length)
    yield ['others kept', changes.filter((_, at) => at !== position)];
}

function* partsOf(
  write: Extract<PendingChange, { kind: 'write' }>,
  options: CrashStatesOptions,
  random: SeededRandom,
): Generator<readonly [string, Kept], void, undefined> {
  const count = sectorCount(write);
  if (write.grows) {
    yield ['with its size alone', { sectors: 'none', size: true }];
  }
  const tears = new Map<string, readonly number[]>();
  if (count > 1) {
    const all = Array.from({ length: count }, (_, sector) => sector);
    const middle = count >> 1;
    tears.set('torn to its first sector', [0]);
    tears.set('torn to its last sector', [count - 1]);
    if (count > 2) {
      tears.set('without its last sector', all.slice(0, -1));
      tears.set('torn to its first half', all.slice(0, middle));
      tears.set('torn to its second half', all.slice(middle));
      tears.set('without its first sector', all.slice(1));
      tears.set(
        'without its middle sector',
        all.filter((sector) => sector !== middle),
      );
    }
  }
  if (options.torn ?? true) {
    for (const [word, sectors] of tears) yield [word, { sectors, size: true }];
  }
  if (options.garbled ?? true) {
    const garble = noise(random);
    yield ['garbled', { sectors: 'all', size: true, garble }];
    if (count > 1)
      yield ['garbled in its first sector alone', { sectors: [0], size: true, garble }];
  }
}

function sectorCount(change: PendingChange): number {
  if (change.kind === 'truncate') return 0;
  const { first, end } = sectorRange(change);
  return end - first;
}

/** Positions of [0, count): all subsets up to the limit; beyond it prefixes, single losses and survivors. */
function* subsets(count: number, limit: number): Generator<number[], void, undefined> {
  const all = Array.from({ length: count }, (_, position) => position);
  if (count <= limit) {
    for (let bits = 2 ** count - 1; bits >= 0; bits--) {
      yield all.filter((position) => (bits >> position) & 1);
    }
    return;
  }
  for (let length = count; length >= 0; length--) yield all.slice(0, length);
  for (const lost of all.slice(0, -1)) yield all.filter((position) => position !== lost);
  for (const survivor of all.slice(1)) yield [survivor];
}
