import { OperatingError } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { Extent } from '@holdfast/wal';
import { isAboutContent, KvError, NewerFormatError } from './errors.ts';
import { extentReader } from './extent-files.ts';
import { fileIdOfSegment } from './extent-format.ts';
import type { LiveRecord } from './index-record.ts';
import { isSame, liveRecord } from './index-record.ts';
import { keyText } from './inspect-store.ts';
import { isUserKey, publicKey } from './key-space.ts';
import { KvEngine } from './kv-engine.ts';
import type { Operation } from './kv-store.ts';
import { recover } from './local-recovery.ts';
import type { LocalStore } from './local-store.ts';
import { openLocalStore } from './local-store.ts';
import { loadIdentity } from './node-identity.ts';
import { lockStopped } from './open-folder.ts';
import { OverlayFiles } from './overlay-files.ts';
import type { SortedTable } from './sorted-table.ts';
import { decodeBlock } from './table-block.ts';
import type { ReadExtent } from './value-reader.ts';

/** One thing that a salvage has to say. Plain data: JSON as it is. */
export type SalvageFinding =
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'lost'; readonly key: string; readonly reason: string }
  /** Keys that are not even known by name. */
  | { readonly kind: 'lostKeys'; readonly file: string; readonly reason: string }
  | {
      readonly kind: 'end';
      readonly entries: number;
      readonly bytes: number;
      readonly losses: number;
      readonly clusterId: string;
      readonly nodeId: string;
    };

const ENGINE = { blockCacheSizeBytes: 1 << 24, tableCountLimit: 4, sessionLimit: 10_000 };
const BATCH_SIZE_BYTES: number = 1024 * 1024;
const BATCH_OPERATIONS = 256;

/** The damaged store, opened on a view that changes nothing. */
interface Source {
  readonly engine: KvEngine;
  readonly readExtent: ReadExtent;
  readonly close: () => Promise<void>;
}

/**
 * Copies every entry of a damaged store that still verifies into a new folder, as the store of a new node of a new
 * cluster, and says what is lost. The source must be stopped, and is locked meanwhile; nothing in it is changed.
 *
 * Safety: an entry is copied only if it is known to be the newest of its key: where a damaged block may hold a newer one,
 * it is lost, and never an older value taken for it. Where the log cannot be opened, that is so up to the last record of
 * the index, which is named: what was written after it is lost. The new ids keep what forgot acknowledged writes from being taken for
 * the node that has them. Answers to sessions are not copied.
 *
 * KV_INVALID_ARGUMENT where the target is not empty; KV_CORRUPTION where the index itself cannot be opened; KV_INCOMPATIBLE where
 * a newer Holdfast has written the source.
 */
export async function* salvageStore(
  env: Env,
  directory: string,
  target: string,
): AsyncGenerator<SalvageFinding> {
  await checkTarget(env, directory, target);
  const lock = await lockStopped(env, directory);
  const files = new OverlayFiles(env.files);
  try {
    const notices: SalvageFinding[] = [];
    const source = await openSource({ ...env, files }, directory, notices);
    try {
      yield* notices;
      const settings = { reserveSizeBytes: 0 };
      const store = await openLocalStore({ env, directory: target, settings });
      try {
        yield* new Salvage(source, store).run();
      } finally {
        await store.close();
      }
    } finally {
      await source.close();
    }
  } finally {
    await files.close();
    await lock?.release();
  }
}

/** A finding as a line for people. */
export function describeSalvageFinding(finding: SalvageFinding): string {
  switch (finding.kind) {
    case 'notice':
      return finding.text;
    case 'lost':
      return `LOST key ${finding.key}: ${finding.reason}`;
    case 'lostKeys':
      return `LOST keys in ${finding.file}: ${finding.reason}`;
    case 'end':
      return (
        `${finding.entries} entries (${finding.bytes} bytes) copied, ${finding.losses} losses. ` +
        `The copy is node ${finding.nodeId} of cluster ${finding.clusterId}.`
      );
  }
}

async function checkTarget(env: Env, directory: string, target: string): Promise<void> {
  const refuse = (message: string): never => {
    throw new KvError('KV_INVALID_ARGUMENT', message);
  };
  if (`${target}/`.startsWith(`${directory}/`)) refuse(`${target} is inside ${directory}`);
  if ((await env.files.stat(target)) === undefined) return;
  if ((await env.files.list(target)).length > 0) refuse(`${target} is not empty`);
}

async function openSource(env: Env, directory: string, notices: SalvageFinding[]): Promise<Source> {
  try {
    const opened = await recover({
      env,
      directory,
      identity: undefined,
      wal: { preallocate: false, cacheSizeBytes: 0 },
      engine: ENGINE,
      memtableSizeBytes: 1 << 25,
      acceptMissing: true,
    });
    const { engine, wal } = opened;
    // Then all of the index is in tables, also what was to be replayed from the log.
    engine.freeze();
    await engine.index.flush();
    const close = async (): Promise<void> => {
      await engine.close();
      await wal.close();
    };
    return { engine, readExtent: extentReader(wal, engine.extents), close };
  } catch (error) {
    // Safety: what is whole for a newer Holdfast, or not for this user to read, is not taken for lost.
    if (!isAboutContent(error) || error instanceof NewerFormatError) throw error;
    const source = await openIndexOnly(env, directory);
    const { flushedIndex } = source.engine;
    const text = `The log cannot be opened (${error.message}). LOST: everything that was written after record ${flushedIndex}, the last that the index holds.`;
    notices.push({ kind: 'notice', text });
    return source;
  }
}

/** The index as it was flushed last, with values read straight from the segments. */
async function openIndexOnly(env: Env, directory: string): Promise<Source> {
  const { identity } = await loadIdentity(env, directory, undefined);
  const engine = await KvEngine.open({ ...ENGINE, env, directory: `${directory}/kv`, identity });
  const paths = new Map<number, string>();
  for (const name of await env.files.list(`${directory}/wal`)) {
    const id = /^[0-9a-f]{16}-([0-9a-f]{8})\.wal$/.exec(name)?.[1];
    if (id !== undefined) paths.set(Number.parseInt(id, 16), `${directory}/wal/${name}`);
  }
  const readExtent: ReadExtent = (extent) =>
    fileIdOfSegment(extent.segmentId) === undefined
      ? readFromSegment(env, paths.get(extent.segmentId), extent)
      : engine.extents.read(extent);
  return { engine, readExtent, close: () => engine.close() };
}

async function readFromSegment(
  env: Env,
  path: string | undefined,
  { segmentId, offset, length, crc }: Extent,
): Promise<Uint8Array> {
  if (path === undefined) throw new KvError('KV_CORRUPTION', `segment ${segmentId} is missing`);
  const handle = await env.files.open(path, 'read');
  try {
    const bytes = new Uint8Array(length);
    const got = await handle.read(bytes, offset);
    if (got === length && env.bodyChecksum.holds([bytes], crc)) return bytes;
    throw new KvError('KV_CORRUPTION', `${path} is damaged at ${offset}`);
  } finally {
    await handle.close();
  }
}

class Salvage {
  readonly #source: Source;
  readonly #store: LocalStore;
  #pending: Operation[] = [];
  #pendingBytes = 0;
  #entries = 0;
  #bytes = 0;
  #losses = 0;

  constructor(source: Source, store: LocalStore) {
    this.#source = source;
    this.#store = store;
  }

  async *run(): AsyncGenerator<SalvageFinding> {
    for (const table of this.#source.engine.index.tables) {
      for (let block = 0; block < table.blockCount; block++) {
        yield* this.#copyBlock(table, block);
      }
    }
    await this.#write();
    await this.#store.flush();
    const { clusterId, nodeId } = this.#store.identity;
    const [entries, bytes, losses] = [this.#entries, this.#bytes, this.#losses];
    yield { kind: 'end', entries, bytes, losses, clusterId, nodeId };
  }

  async *#copyBlock(table: SortedTable, block: number): AsyncGenerator<SalvageFinding> {
    let decoded: ReturnType<typeof decodeBlock>;
    try {
      const [bytes] = await table.readBlocks(block, block + 1);
      decoded = decodeBlock(bytes as Uint8Array);
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.#losses++;
      yield { kind: 'lostKeys', file: table.path, reason: error.message };
      return;
    }
    for (const [at, key] of decoded.keys.entries()) {
      const record = liveRecord(decoded.recordAt(at));
      if (record === undefined || !isUserKey(key)) continue;
      try {
        await this.#copy(key, record);
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        this.#losses++;
        yield { kind: 'lost', key: keyText(key), reason: error.message };
      }
    }
  }

  async #copy(key: Uint8Array, record: LiveRecord): Promise<void> {
    const { engine, readExtent } = this.#source;
    const newest = await reading(async () => engine.index.get(key));
    if (newest === undefined || !isSame(newest, record)) return;
    const value =
      record.kind === 'inline'
        ? record.value
        : await reading(async () => readExtent(record.extent));
    const sizeBytes = key.length + value.length;
    // Why before it is added: two of the largest values are more than a transaction takes.
    if (this.#pendingBytes + sizeBytes > BATCH_SIZE_BYTES) await this.#write();
    this.#entries++;
    this.#bytes += value.length;
    this.#pending.push({ kind: 'put', key: publicKey(key), value });
    this.#pendingBytes += sizeBytes;
    if (this.#pending.length >= BATCH_OPERATIONS) await this.#write();
  }

  async #write(): Promise<void> {
    const operations = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (operations.length > 0) await this.#store.transact({ operations });
  }
}

/** What cannot be read of the source; a failure of the target is another thing. */
class Unreadable extends OperatingError {
  override readonly code = 'UNREADABLE';
}

async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isAboutContent(error)) throw new Unreadable(error.message, { cause: error });
    throw error;
  }
}
