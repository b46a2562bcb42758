import { OperatingError } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { SegmentInfo } from '@holdfast/wal';
import { inspectSegment } from '@holdfast/wal';
import { KvError } from './errors.ts';
import { ExtentFiles } from './extent-files.ts';
import type { ExtentListing } from './extent-format.ts';
import { extentsFileName } from './extent-format.ts';
import type { StoreDamage } from './inspect-damage.ts';
import { damageOf } from './inspect-damage.ts';
import { inspectManifest } from './inspect-manifest.ts';
import { inspectTable } from './inspect-table.ts';
import { pacedFiles, ReadPace } from './paced-files.ts';
import type { TableListing } from './sorted-table.ts';
import { tableFileName } from './table-format.ts';

export interface ScrubberOptions {
  readonly env: Env;
  /** The data folder of a store that is open. */
  readonly directory: string;
  /** The segments that the store has now. Those that are not sealed are in motion and left alone. */
  readonly segments: () => readonly SegmentInfo[];
  /** Most bytes read in a second, on average. */
  readonly bytesPerSecond: number;
  /** Before the first pass. */
  readonly firstPassAfterMs: number;
  /** Between the end of a pass and the start of the next. */
  readonly pauseMs: number;
  /** Called once for each damage, however often a pass meets it. Must not throw. */
  readonly onDamage: (damage: StoreDamage) => void;
  readonly onPass?: (report: ScrubReport) => void;
}

export interface ScrubReport {
  readonly files: number;
  readonly bytes: number;
  /** Found in this pass, those that were known included. */
  readonly damages: number;
  readonly durationMs: number;
}

interface Listed {
  readonly tables: readonly TableListing[];
  readonly extentFiles: readonly ExtentListing[];
}

/** Damages remembered as reported; beyond it the oldest may be reported again. */
const REPORTED_LIMIT = 10_000;

/**
 * Reads what does not change any more, sealed segments and tables, again and again, slowly, so that bytes that rot are
 * found while a copy may still be had. It changes nothing and stops nothing: what is damaged is said, not judged.
 */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #pace: ReadPace;
  readonly #env: Env;
  readonly #reported = new Set<string>();
  #running: Promise<void> | undefined;
  #passes = 0;

  constructor(options: ScrubberOptions) {
    const { env } = options;
    this.#options = options;
    this.#pace = new ReadPace(env.clock, options.bytesPerSecond);
    this.#env = { ...env, files: pacedFiles(env.files, this.#pace) };
  }

  /** Passes ended, and bytes read, since the start. */
  get counters(): { readonly passes: number; readonly bytes: number } {
    return { passes: this.#passes, bytes: this.#pace.readBytes };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** No further read; resolves when the one that runs has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#pace.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    await this.#pace.pause(this.#options.firstPassAfterMs);
    while (!this.#pace.isStopped) {
      try {
        this.#options.onPass?.(await this.#pass());
      } catch (error) {
        if (!(error instanceof KvError) || error.code !== 'KV_CLOSED') throw error;
      }
      await this.#pace.pause(this.#options.pauseMs);
    }
  }

  async #pass(): Promise<ScrubReport> {
    const { clock } = this.#env;
    const startMs = clock.monotonicMs();
    const startBytes = this.#pace.readBytes;
    const report = { files: 0, damages: 0 };
    for (const { segmentId, path } of this.#options.segments().filter(isAtRest)) {
      report.files++;
      const isListed = (): boolean =>
        this.#options.segments().some((segment) => segment.segmentId === segmentId);
      report.damages += await this.#scrub(() => this.#segmentDamages(path), isListed);
    }
    const { tables, extentFiles } = await this.#listed();
    for (const { tableId } of tables) {
      report.files++;
      const file = tableFileName(tableId);
      const isListed = async (): Promise<boolean> =>
        (await this.#listed()).tables.some((table) => table.tableId === tableId);
      report.damages += await this.#scrub(() => this.#tableDamages(file), isListed);
    }
    for (const listing of extentFiles) {
      report.files++;
      const isListed = async (): Promise<boolean> =>
        (await this.#listed()).extentFiles.some(({ fileId }) => fileId === listing.fileId);
      report.damages += await this.#scrub(() => this.#extentDamages(listing), isListed);
    }
    this.#passes++;
    const bytes = this.#pace.readBytes - startBytes;
    return { ...report, bytes, durationMs: clock.monotonicMs() - startMs };
  }

  /**
   * Reads a file, and once more where something is wrong: what both readings say is damage, unless the store has done
   * with the file meanwhile.
   */
  async #scrub(
    read: () => Promise<StoreDamage[]>,
    isListed: () => boolean | Promise<boolean>,
  ): Promise<number> {
    const first = await read();
    if (first.length === 0) return 0;
    const second = new Set((await read()).map(textOf));
    if (!(await isListed())) return 0;
    const damages = first.filter((damage) => second.has(textOf(damage)));
    for (const damage of damages) this.#report(damage);
    return damages.length;
  }

  #report(damage: StoreDamage): void {
    const text = textOf(damage);
    if (this.#reported.has(text)) return;
    if (this.#reported.size >= REPORTED_LIMIT) this.#reported.clear();
    this.#reported.add(text);
    this.#options.onDamage(damage);
  }

  async #segmentDamages(path: string): Promise<StoreDamage[]> {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return this.#collect(`wal/${name}`, async (found) => {
      for await (const finding of inspectSegment(
        this.#env,
        `${this.#options.directory}/wal`,
        name,
      )) {
        if (finding.kind === 'segment' && typeof finding.header === 'string') {
          found(damageOf('segment', `wal/${name}`, 0, `its header is ${finding.header}`));
        } else if (finding.kind === 'end' && (finding.problem !== undefined || !finding.sealed)) {
          const problem = finding.problem ?? 'its seal is damaged';
          found(damageOf('segment', `wal/${name}`, finding.offset, problem));
        }
      }
    });
  }

  async #tableDamages(name: string): Promise<StoreDamage[]> {
    return this.#collect(`kv/${name}`, async (found) => {
      for await (const finding of inspectTable(
        this.#env,
        `${this.#options.directory}/kv/${name}`,
      )) {
        if (finding.kind !== 'damage') continue;
        found(damageOf('table', `kv/${name}`, finding.offset, finding.problem));
      }
    });
  }

  async #extentDamages(listing: ExtentListing): Promise<StoreDamage[]> {
    const name = `kv/${extentsFileName(listing.fileId)}`;
    return this.#collect(name, async (found) => {
      const directory = `${this.#options.directory}/kv`;
      const files = await ExtentFiles.open(this.#env, directory, [listing]);
      try {
        for (const file of files.all()) {
          for (const { offset, length, crc } of await files.directoryOf(file)) {
            await files
              .read({ segmentId: file.id, offset, length, crc })
              .catch((error: unknown) => {
                if (!(error instanceof KvError) || error.code !== 'KV_CORRUPTION') throw error;
                found(damageOf('segment', name, offset, error.message));
              });
          }
        }
      } finally {
        await files.close();
      }
    });
  }

  async #collect(
    file: string,
    read: (found: (damage: StoreDamage) => void) => Promise<void>,
  ): Promise<StoreDamage[]> {
    const damages: StoreDamage[] = [];
    try {
      await read((damage) => damages.push(damage));
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      if (error instanceof KvError && error.code === 'KV_CLOSED') throw error;
      const isGone = error instanceof FileError && error.code === 'FILE_NOT_FOUND';
      damages.push(damageOf('folder', file, 0, isGone ? 'the file is missing' : error.message));
    }
    return damages;
  }

  /** What the MANIFEST lists now. */
  async #listed(): Promise<Listed> {
    let listed: Listed = { tables: [], extentFiles: [] };
    for await (const finding of inspectManifest(this.#env, `${this.#options.directory}/kv`)) {
      if (finding.kind === 'state') listed = finding;
    }
    return listed;
  }
}

function isAtRest({ sealed }: SegmentInfo): boolean {
  return sealed;
}

function textOf({ file, offset, problem }: StoreDamage): string {
  return `${file} ${offset} ${problem}`;
}
