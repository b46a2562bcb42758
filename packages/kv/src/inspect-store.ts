import { toHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { NewestSegment, WalFinding } from '@holdfast/wal';
import { inspectWal, parseSegmentName, segmentName } from '@holdfast/wal';
import { isAboutContent, isAccessDenied, NewerFormatError } from './errors.ts';
import type { ExtentFile } from './extent-files.ts';
import { extentReader } from './extent-files.ts';
import type { ExtentRecord } from './index-record.ts';
import { isSame } from './index-record.ts';
import type { StoreDamage } from './inspect-damage.ts';
import { damageOf } from './inspect-damage.ts';
import { inspectManifest } from './inspect-manifest.ts';
import { inspectTable } from './inspect-table.ts';
import type { Recovered } from './local-recovery.ts';
import { recover } from './local-recovery.ts';
import { OverlayFiles } from './overlay-files.ts';
import { holdMoment } from './overlay-store.ts';
import type { SortedTable, TableListing } from './sorted-table.ts';
import type { DecodedEntries } from './table-block.ts';
import { decodeBlock } from './table-block.ts';
import { tableFileName } from './table-format.ts';

/** What a verification has read. */
export interface StoreCounts {
  segments: number;
  batches: number;
  records: number;
  tables: number;
  /** Files of values that compaction moved. */
  extentFiles: number;
  blocks: number;
  entries: number;
  /** Values that are not in the index, each read where the newest entry of its key says. */
  extents: number;
  extentBytes: number;
}

/** One thing that a verification has to say. Plain data: JSON as it is. */
export type StoreFinding =
  | StoreDamage
  /** No damage: what a start would tidy up, or what could not be checked. */
  | { readonly kind: 'notice'; readonly file: string; readonly text: string }
  | ({ readonly kind: 'end'; readonly damages: number } & Readonly<StoreCounts>);

const ATTEMPTS = 5;
const PARALLEL_READS = 16;

/**
 * Reads and checks all of a data folder: state slots, segments, MANIFEST, tables, and every value that the index refers
 * to. Changes nothing and takes no lock, so it may run beside a server. Yields nothing where there is no store. Rejects with
 * KV_INCOMPATIBLE where a newer Holdfast has written it: whether it is whole only that one can tell. Rejects with FILE_ACCESS_DENIED,
 * or an error that has it as its cause, where this user may not read a file.
 *
 * Why again: beside a server files change while they are read. What two readings agree on is damage.
 */
export async function* verifyStore(env: Env, directory: string): AsyncGenerator<StoreFinding> {
  if ((await env.files.stat(`${directory}/wal`)) === undefined) return;
  let before: string | undefined;
  for (let attempt = 1; ; attempt++) {
    const findings = await new StoreInspector(env, directory).run();
    const damages = JSON.stringify(findings.filter(({ kind }) => kind === 'damage'));
    if (damages === '[]' || damages === before || attempt === ATTEMPTS) {
      yield* findings;
      return;
    }
    before = damages;
  }
}

/** A finding as lines for people. */
export function describeStoreFinding(finding: StoreFinding): string {
  if (finding.kind === 'notice') return `${finding.file}: ${finding.text}`;
  if (finding.kind === 'damage') {
    const { file, offset, problem, meaning, advice } = finding;
    return `DAMAGE in ${file} at ${offset}: ${problem}\n  ${meaning}\n  ${advice}`;
  }
  const { segments, batches, records, tables, blocks, entries, extents, extentBytes } = finding;
  const { extentFiles } = finding;
  return (
    `Read ${segments} segments (${batches} batches, ${records} records), ${tables} tables ` +
    `(${blocks} blocks, ${entries} entries), ${extents} values in the log and in ${extentFiles} ` +
    `extent files (${extentBytes} bytes).\n` +
    (finding.damages === 0 ? 'Everything is whole.' : `${finding.damages} damages.`)
  );
}

class StoreInspector {
  readonly #env: Env;
  readonly #directory: string;
  readonly #findings: StoreFinding[] = [];
  readonly #counts: StoreCounts = {
    segments: 0,
    batches: 0,
    records: 0,
    tables: 0,
    extentFiles: 0,
    blocks: 0,
    entries: 0,
    extents: 0,
    extentBytes: 0,
  };

  constructor(env: Env, directory: string) {
    this.#env = env;
    this.#directory = directory;
  }

  async run(): Promise<StoreFinding[]> {
    await this.#reading('wal', () => this.#inspectLog());
    const listed = await this.#reading('kv/MANIFEST', () => this.#inspectManifest());
    for (const listing of listed ?? []) {
      const file = `kv/${tableFileName(listing.tableId)}`;
      await this.#reading(file, () => this.#inspectTable(file, listing));
    }
    await this.#inspectContent();
    const damages = this.#findings.filter(({ kind }) => kind === 'damage').length;
    this.#findings.push({ kind: 'end', damages, ...this.#counts });
    return this.#findings;
  }

  /** A file that the system cannot read is a damage, and what comes after it is still looked at. */
  async #reading<T>(file: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.#findings.push(damageOf('folder', file, 0, error.message));
      return undefined;
    }
  }

  async #inspectLog(): Promise<void> {
    let slots = 0;
    let named: NewestSegment | undefined;
    const ends: Extract<WalFinding, { kind: 'end' }>[] = [];
    for await (const finding of inspectWal(this.#env, `${this.#directory}/wal`)) {
      const file = `wal/${finding.file}`;
      if (finding.kind === 'state') {
        if (typeof finding.slot !== 'string') {
          slots++;
          const { newest } = finding.slot.state;
          if ((newest?.segmentId ?? 0) > (named?.segmentId ?? 0)) named = newest;
        } else {
          const text = `one of two copies of the state is ${finding.slot}; a start makes it anew`;
          this.#findings.push({ kind: 'notice', file, text });
        }
      } else if (finding.kind === 'segment') {
        this.#counts.segments++;
        if (typeof finding.header !== 'string') continue;
        this.#findings.push(damageOf('segment', file, 0, `its header is ${finding.header}`));
      } else if (finding.kind === 'batch') {
        this.#counts.batches++;
        this.#counts.records += finding.header.count;
      } else if (finding.kind === 'end') {
        ends.push(finding);
      }
    }
    if (slots === 0 && this.#counts.segments > 0) {
      this.#findings.push(damageOf('state', 'wal', 0, 'no whole copy of the state'));
    } else if (slots === 0) {
      const text =
        'its first start was cut off before there was anything in it; the next one goes on';
      this.#findings.push({ kind: 'notice', file: 'wal', text });
    }
    // Why not the last: its end may be torn by a crash, or in motion. Opening it tells which.
    for (const { file, offset, problem } of ends.slice(0, -1)) {
      if (problem !== undefined) {
        this.#findings.push(damageOf('segment', `wal/${file}`, offset, problem));
      }
    }
    const newestId = parseSegmentName(ends.at(-1)?.file ?? '')?.segmentId ?? 0;
    if (named === undefined || named.segmentId <= newestId) return;
    const file = `wal/${segmentName(named.baseIndex, named.segmentId)}`;
    this.#findings.push(damageOf('segment', file, 0, 'the newest segment of the log is missing'));
  }

  async #inspectManifest(): Promise<readonly TableListing[]> {
    let tables: readonly TableListing[] = [];
    const file = 'kv/MANIFEST';
    for await (const finding of inspectManifest(this.#env, `${this.#directory}/kv`)) {
      if (finding.kind === 'damage') {
        this.#findings.push(damageOf('manifest', file, finding.offset, finding.problem));
      } else if (finding.kind === 'torn') {
        const text = 'an edit at its end was never committed; a start cuts it';
        this.#findings.push({ kind: 'notice', file, text });
      } else if (finding.kind === 'state') tables = finding.tables;
    }
    return tables;
  }

  async #inspectTable(file: string, listing: TableListing): Promise<void> {
    this.#counts.tables++;
    for await (const finding of inspectTable(this.#env, `${this.#directory}/${file}`)) {
      if (finding.kind === 'damage') {
        this.#findings.push(damageOf('table', file, finding.offset, finding.problem));
      } else if (finding.kind === 'table' && finding.sizeBytes !== listing.sizeBytes) {
        const problem = `${finding.sizeBytes} bytes long, and the MANIFEST says ${listing.sizeBytes}`;
        this.#findings.push(damageOf('table', file, 0, problem));
      } else if (finding.kind === 'end') {
        this.#counts.blocks += finding.blocks;
        this.#counts.entries += finding.entries;
      }
    }
  }

  /** Opens the store as a start would, on a view that changes nothing, and reads every value. */
  async #inspectContent(): Promise<void> {
    const files = new OverlayFiles(this.#env.files);
    let opened: Recovered | undefined;
    try {
      await holdMoment(files, this.#directory);
      opened = await recover({
        env: { ...this.#env, files },
        directory: this.#directory,
        identity: undefined,
        wal: { preallocate: false, cacheSizeBytes: 0 },
        engine: { blockCacheSizeBytes: 1 << 24, tableCountLimit: 4, sessionLimit: 10_000 },
        memtableSizeBytes: 1 << 25,
        acceptMissing: true,
      });
      this.#noteRecovery(opened);
      // Then all of the index is in tables, also what a start would replay from the log.
      opened.engine.freeze();
      await opened.engine.index.flush();
      for (const table of opened.engine.index.tables) await this.#inspectExtents(opened, table);
      for (const file of opened.engine.extents.all()) await this.#inspectDirectory(opened, file);
    } catch (error) {
      // What a newer Holdfast wrote looks damaged to this one, and need not be.
      if (error instanceof NewerFormatError) throw error;
      // Whatever else it is, a start fails by it too; that of another user need not.
      if (!(error instanceof Error) || isAccessDenied(error)) throw error;
      this.#findings.push(damageOf('start', '.', 0, error.message));
      const text = 'the values in the log were not all checked, since the index cannot be opened';
      this.#findings.push({ kind: 'notice', file: '.', text });
    } finally {
      await opened?.engine.close();
      await opened?.wal.close();
      await files.close();
    }
  }

  /** Compaction needs the directory; reads do not. */
  async #inspectDirectory({ engine }: Recovered, file: ExtentFile): Promise<void> {
    this.#counts.extentFiles++;
    const name = file.path.slice(this.#directory.length + 1);
    await this.#reading(name, () => engine.extents.directoryOf(file));
  }

  #noteRecovery({ report }: Recovered): void {
    const { tornTail, removedFiles } = report.wal;
    if (tornTail !== undefined) {
      const text = `${tornTail.sizeBytes} bytes at ${tornTail.offset} of segment ${tornTail.segmentId} were never acknowledged; a start sets them aside`;
      this.#findings.push({ kind: 'notice', file: 'wal', text });
    }
    for (const { path } of report.healed) {
      const text = 'the log has its content still; a start makes it again';
      this.#findings.push({ kind: 'notice', file: path.slice(this.#directory.length + 1), text });
    }
    for (const name of removedFiles) {
      this.#findings.push({ kind: 'notice', file: `wal/${name}`, text: 'a start removes it' });
    }
    for (const name of report.removedFiles) {
      this.#findings.push({ kind: 'notice', file: `kv/${name}`, text: 'a start removes it' });
    }
  }

  async #inspectExtents(opened: Recovered, table: SortedTable): Promise<void> {
    for (let block = 0; block < table.blockCount; block++) {
      const decoded = await decodedBlock(table, block);
      let reading: Promise<void>[] = [];
      for (const [at, key] of (decoded?.keys ?? []).entries()) {
        const record = decoded?.recordAt(at);
        if (record?.kind !== 'extent') continue;
        reading.push(this.#inspectExtent(opened, key, record));
        if (reading.length < PARALLEL_READS) continue;
        await Promise.all(reading);
        reading = [];
      }
      await Promise.all(reading);
    }
  }

  /** Reads the value of an entry, where it is the newest of its key. */
  async #inspectExtent(
    { engine, wal }: Recovered,
    key: Uint8Array,
    listed: ExtentRecord,
  ): Promise<void> {
    try {
      const record = await engine.index.get(key);
      if (record?.kind !== 'extent' || !isSame(record, listed)) return;
      const { segmentId, offset, length } = record.extent;
      try {
        await extentReader(wal, engine.extents)(record.extent);
        this.#counts.extents++;
        this.#counts.extentBytes += length;
      } catch (error) {
        if (!isAboutContent(error)) throw error;
        const problem = `the value (${length} bytes) of key ${keyText(key)}: ${error.message}`;
        const path =
          engine.extents.get(segmentId)?.path ??
          wal.segments().find((segment) => segment.segmentId === segmentId)?.path;
        const file = path?.slice(this.#directory.length + 1) ?? `wal (segment ${segmentId})`;
        this.#findings.push(damageOf('extent', file, offset, problem));
      }
    } catch (error) {
      // A newer table that is damaged hides which entry is the newest; that damage is named already.
      if (!isAboutContent(error)) throw error;
    }
  }
}

/** undefined where the block is damaged: that was found before. */
async function decodedBlock(
  table: SortedTable,
  block: number,
): Promise<DecodedEntries | undefined> {
  try {
    const [bytes] = await table.readBlocks(block, block + 1);
    return decodeBlock(bytes as Uint8Array);
  } catch (error) {
    if (isAboutContent(error)) return undefined;
    throw error;
  }
}

/** Without the byte of the key space; readable where it is text. */
export function keyText(internal: Uint8Array): string {
  const key = internal.subarray(1);
  const readable = key.every((byte) => byte >= 0x20 && byte < 0x7f);
  return readable ? `"${String.fromCharCode(...key)}"` : toHex(key);
}
