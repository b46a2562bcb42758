/**
 * The search for a crash that an engine does not survive: every point of a script, every disk that a power cut may
 * leave there, and on each of them recovery, cut off in the same way, and the first writes after it, cut off too.
 *
 * Disks that are alike are examined once; what recovery finds on them is then compared with what had been promised at
 * every point that leads to them.
 */
import { type CrashPoint, type CrashScript, recordCrashPoints } from './crash-points.ts';
import type { CrashState, CrashStatesOptions } from './crash-states.ts';
import { DiskFingerprints } from './disk-fingerprint.ts';
import type { MemoryFiles } from './memory-files.ts';

/** An engine under search. What it does must follow from the disk alone: seeds and clocks are always the same. */
export interface CrashSubject<Moment> {
  /** The disk before the script. */
  start(): Promise<MemoryFiles>;
  script(files: MemoryFiles): CrashScript<Moment>;
  /** Opens what a crash has left, reads all of it, closes it, and gives what was found. Rejects where it cannot. */
  recover(files: MemoryFiles): Promise<string>;
  /** Whether a later recovery may find `again` where an earlier one found `found`. Default: the same alone. */
  agrees?(found: string, again: string): boolean;
  /** What is wrong with what was found, given what had been promised; undefined where nothing is. */
  judge(found: string, moment: Moment): string | undefined;
  /** The first writes after a recovery that had found `found`. */
  proceed(files: MemoryFiles, found: string): CrashScript<Moment>;
}

export interface CrashSearchOptions {
  /** Of a crash of the script. */
  readonly crash?: CrashStatesOptions;
  /** Of a crash of the recovery from it; not searched where it is left out. */
  readonly recovery?: CrashStatesOptions;
  /** Of a crash of the first writes after the recovery; not searched where it is left out. */
  readonly proceeding?: CrashStatesOptions | undefined;
  /** Of so many disks that a recovery has left, the first writes on one are cut off; on the others they end. Default: 1. */
  readonly proceedingEvery?: number;
  /** The points of the script that are searched. Default: all. */
  readonly choose?: <Point extends Pick<CrashPoint<unknown>, 'label'>>(
    points: readonly Point[],
  ) => readonly Point[];
  /** Where the chance of sampled states begins. Default: 0. */
  readonly seed?: number;
}

/**
 * What `npm run prove:crash` searches. Of up to six changes that are not durable every subset is kept, beyond that every
 * prefix, single loss and single survivor; each write torn and garbled; and seeded samples. Of a second crash, up to two.
 */
export const THOROUGH: CrashSearchOptions = {
  crash: { exhaustiveLimit: 6, sampleCount: 8 },
  recovery: { exhaustiveLimit: 2, sampleCount: 1 },
  proceeding: { exhaustiveLimit: 2, sampleCount: 1 },
};

/** What CI searches: the same, with a third of the second crashes that fall into the first writes after a recovery. */
export const ENOUGH: CrashSearchOptions = { ...THOROUGH, proceedingEvery: 3 };

/** What the tests of a package search: the same points, fewer subsets, and second crashes that lose whole writes. */
export const QUICK: CrashSearchOptions = {
  crash: { exhaustiveLimit: 4, sampleCount: 2 },
  recovery: { exhaustiveLimit: 1, torn: false, garbled: false, sampleCount: 0 },
};

/** Chance alone, of one crash: some of the states of each point, other ones for every seed; half the seeds tear what was being written. */
export function sampled(seed: number): CrashSearchOptions {
  const torn = seed % 2 === 0;
  const crash = { exhaustiveLimit: 0, torn, garbled: torn, sampleCount: 8 };
  return { crash, seed: seed * 1_000_003 };
}

/** What was searched. A state is a disk unlike all others, on which recovery was run, twice, and written after. */
export interface CrashSearchCounts {
  /** Moments of the script at which it was cut off. */
  points: number;
  /** Those at which every subset of whole writes was kept; at the others a sample of them. */
  exhaustivePoints: number;
  /** Disks made, alike or not. */
  disks: number;
  /** States after a crash of the script. */
  states: number;
  /** Further states after a crash of a recovery. */
  recoveryStates: number;
  /** Further states after a crash of the first writes after a recovery. */
  proceedingStates: number;
}

/** Something that no crash may do. */
export class CrashViolation extends Error {
  override readonly name = 'CrashViolation';
}

/** Which crashes lead to a disk, in words that are put together when something is wrong with it. */
type Where = () => string;

type Level = 'states' | 'recoveryStates' | 'proceedingStates';

/** What recovery made of a disk. */
interface Outcome {
  readonly found: string;
  /** Whether the crashes of that recovery were searched. */
  searched: boolean;
}

/** Searches one subject. */
export class CrashSearch<Moment> {
  readonly counts: CrashSearchCounts = {
    points: 0,
    exhaustivePoints: 0,
    disks: 0,
    states: 0,
    recoveryStates: 0,
    proceedingStates: 0,
  };
  readonly #subject: CrashSubject<Moment>;
  readonly #options: CrashSearchOptions;
  readonly #fingerprints = new DiskFingerprints();
  /** Fingerprints of what crashes of the script leave. */
  readonly #first = new Set<string>();
  /** By fingerprint of the disk before recovery. */
  readonly #outcomes = new Map<string, Outcome>();
  /** By fingerprint of the disk after recovery. */
  readonly #settled = new Map<string, Outcome>();
  /** What was found on disks after the first writes on them, by fingerprint. */
  readonly #ended = new Map<string, string>();
  /** Disks whose first writes might have been cut off, so far. */
  #proceeded = 0;

  constructor(subject: CrashSubject<Moment>, options: CrashSearchOptions = {}) {
    this.#subject = subject;
    this.#options = options;
  }

  /** Fingerprints of all states. */
  states(): Iterable<string> {
    return this.#outcomes.keys();
  }

  /** Ends with the counts, or with the first CrashViolation. */
  async run(): Promise<CrashSearchCounts> {
    const files = await this.#subject.start();
    const all = await recordCrashPoints(files, this.#subject.script(files));
    const points = this.#options.choose?.(all) ?? all;
    // Why first: a state of the script counts as one, though a crash of a recovery may lead to it as well.
    for (const point of points) {
      for (const state of this.#statesAt(point)) {
        this.#first.add(state.fingerprint(this.#fingerprints));
      }
    }
    for (const point of points) {
      this.counts.points++;
      if (await this.#searchPoint(point)) this.counts.exhaustivePoints++;
    }
    return this.counts;
  }

  /** Whether every subset was tried. */
  async #searchPoint(point: CrashPoint<Moment>): Promise<boolean> {
    let exhaustive = true;
    const judged = new Set<string>();
    for (const state of this.#statesAt(point)) {
      if (!state.exhaustive) exhaustive = false;
      const where = (): string => `${point.label}, ${state.label}`;
      const found = await this.#examine(state, 'states', where);
      if (!judged.has(found)) this.#judge(found, point.moments, where);
      judged.add(found);
    }
    return exhaustive;
  }

  /** The same with every call: chance begins anew. */
  #statesAt({ files, number }: CrashPoint<Moment>): Generator<CrashState, void, undefined> {
    return files.clone(number + (this.#options.seed ?? 0)).crashStates(this.#options.crash);
  }

  #judge(found: string, moments: readonly Moment[], where: Where): void {
    for (const moment of moments) {
      const problem = this.#subject.judge(found, moment);
      if (problem !== undefined) throw new CrashViolation(`${where()}: ${problem}`);
    }
  }

  /** What recovery finds on the disk. Searches its crashes too, where the script left the disk so. */
  async #examine(state: CrashState, level: Level, where: Where): Promise<string> {
    this.counts.disks++;
    const fingerprint = state.fingerprint(this.#fingerprints);
    const known = this.#outcomes.get(fingerprint);
    const searches = level === 'states';
    if (known !== undefined && (known.searched || !searches)) return known.found;
    if (known === undefined) this.counts[this.#first.has(fingerprint) ? 'states' : level]++;
    const { files } = state;
    const found = searches
      ? await this.#searchRecovery(files, where)
      : await this.#recover(files, where);
    this.#outcomes.set(fingerprint, { found, searched: searches });
    await this.#settle(files, found, searches, where);
    return found;
  }

  async #recover(files: MemoryFiles, where: Where): Promise<string> {
    try {
      return await this.#subject.recover(files);
    } catch (cause) {
      throw new CrashViolation(`${where()}: ${describe(cause)}`, { cause });
    }
  }

  /** The same, but not again where nothing else is done with a disk that is like one before. */
  async #recoverOnce(files: MemoryFiles, where: Where): Promise<string> {
    const fingerprint = files.fingerprint(this.#fingerprints);
    const known = this.#ended.get(fingerprint) ?? this.#outcomes.get(fingerprint)?.found;
    const found = known ?? (await this.#recover(files, where));
    this.#ended.set(fingerprint, found);
    return found;
  }

  /** Recovers, and again from every crash of that recovery: each must find the same. */
  async #searchRecovery(files: MemoryFiles, where: Where): Promise<string> {
    const { recovery } = this.#options;
    if (recovery === undefined) return await this.#recover(files, where);
    let found = '';
    const run = async (): Promise<void> => {
      found = await this.#recover(files, where);
    };
    const points = await recordCrashPoints(files, { run, moment: () => undefined });
    // The first point is the disk itself.
    for (const { label, files: disk } of points.slice(1)) {
      for (const state of disk.crashStates(recovery)) {
        const both = (): string => `${where()}; recovery cut off ${label}, ${state.label}`;
        const again = await this.#examine(state, 'recoveryStates', both);
        this.#mustAgree(found, again, both);
      }
    }
    return found;
  }

  /** What recovery has left is recovered again, to the same, and takes writes, cut off or not. */
  async #settle(files: MemoryFiles, found: string, searches: boolean, where: Where): Promise<void> {
    const fingerprint = files.fingerprint(this.#fingerprints);
    const known = this.#settled.get(fingerprint);
    const twice = (): string => `${where()}; recovered again`;
    if (known !== undefined) this.#mustAgree(found, known.found, twice);
    if (known !== undefined && (known.searched || !searches)) return;
    const again = await this.#recover(files, twice);
    this.#mustAgree(found, again, twice);
    this.#settled.set(fingerprint, { found: again, searched: searches });
    await this.#proceed(files, again, searches, where);
  }

  #mustAgree(found: string, again: string, where: Where): void {
    const agrees = this.#subject.agrees?.(found, again) ?? found === again;
    if (!agrees) throw new CrashViolation(`${where()}: found ${again}, after ${found}`);
  }

  async #proceed(
    files: MemoryFiles,
    found: string,
    searches: boolean,
    where: Where,
  ): Promise<void> {
    const script = this.#subject.proceed(files, found);
    const after = (): string => `${where()}; written after recovery`;
    const { proceeding, proceedingEvery = 1 } = this.#options;
    const isCut = searches && proceeding !== undefined && this.#proceeded++ % proceedingEvery === 0;
    const points = await this.#run(files, script, isCut, after);
    this.#judge(await this.#recoverOnce(files, after), [script.moment()], after);
    for (const point of points.slice(1)) {
      for (const state of point.files.crashStates(proceeding)) {
        const both = (): string => `${after()}, cut off ${point.label}, ${state.label}`;
        this.#judge(await this.#examine(state, 'proceedingStates', both), point.moments, both);
      }
    }
  }

  async #run(
    files: MemoryFiles,
    script: CrashScript<Moment>,
    searches: boolean,
    where: Where,
  ): Promise<CrashPoint<Moment>[]> {
    try {
      if (searches) return await recordCrashPoints(files, script);
      await script.run();
      return [];
    } catch (cause) {
      throw new CrashViolation(`${where()}: ${describe(cause)}`, { cause });
    }
  }
}

function describe(cause: unknown): string {
  const { code } = cause as { code?: unknown };
  return typeof code === 'string' ? `${code} ${String(cause)}` : String(cause);
}
