import type { Wal } from '@holdfast/wal';
import { corruption, KvError } from './errors.ts';
import { fileIdOfSegment } from './extent-format.ts';
import { readWholeFile } from './file-replacement.ts';
import type { KvEngineOptions } from './kv-engine.ts';
import { KvEngine } from './kv-engine.ts';
import { MANIFEST_NAME } from './manifest.ts';
import { decodeManifest } from './manifest-codec.ts';
import { LogTooShortError } from './older-state.ts';
import { tableIdOf } from './table-format.ts';

/** A file of the index that was damaged, and is whole again: its content was in the log still. */
export interface HealedFile {
  readonly path: string;
  /** What was wrong with it, and where. */
  readonly problem: string;
}

export interface OpenedIndex {
  readonly engine: KvEngine;
  /** Damaged tables that were left out. Nothing on disk has changed yet. */
  readonly damaged: readonly HealedFile[];
}

/**
 * Opens the index as the MANIFEST lists it. Where a table is missing or damaged, as it was before that table,
 * if the log still has every record since then: `KvIndex.settle` commits what their replay makes.
 *
 * Safety: a start refuses with the first damage (KV_CORRUPTION) where the log does not reach back so far. No
 * table is passed over otherwise: an older record of a key may never be taken for the newest.
 */
export async function openIndex(options: KvEngineOptions, wal: Wal): Promise<OpenedIndex> {
  const damaged: HealedFile[] = [];
  let first: KvError | undefined;
  let skipTables = 0;
  for (;;) {
    const older = skipTables === 0 ? {} : { older: { skipTables, logFrom: wal.retainedIndex } };
    try {
      return { engine: await KvEngine.open({ ...options, ...older }), damaged };
    } catch (cause) {
      if (first !== undefined && cause instanceof LogTooShortError) throw unhealable(first, cause);
      const table = await damagedTable(options, cause);
      if (table === undefined || table.position < skipTables) throw cause;
      first ??= table.error;
      damaged.push({ path: table.error.path ?? '', problem: table.error.message });
      skipTables = table.position + 1;
    }
  }
}

/**
 * Safety: a value that the index refers to and no file has is lost. The start says so, rather than the first
 * reader of it.
 */
export function refuseMissingSegments(
  wal: Wal,
  engine: KvEngine,
  walDirectory: string,
  damaged: readonly HealedFile[],
): void {
  const segments = new Set(wal.segments().map(({ segmentId }) => segmentId));
  for (const [segmentId, liveBytes] of engine.space.all()) {
    const fileId = fileIdOfSegment(segmentId);
    const isThere =
      fileId === undefined ? segments.has(segmentId) : engine.extents.get(segmentId) !== undefined;
    if (isThere) continue;
    const path =
      fileId === undefined
        ? `${walDirectory}/*-${segmentId.toString(16).padStart(8, '0')}.wal`
        : engine.extents.pathOf(fileId);
    const lost = `it is missing, and ${liveBytes} bytes of values are in it`;
    const [first] = damaged;
    throw corruption(path, first === undefined ? lost : `${lost} (${first.problem})`);
  }
}

/** The damaged table that an open failed with, and its place in the MANIFEST. */
async function damagedTable(
  { env, directory }: KvEngineOptions,
  error: unknown,
): Promise<{ readonly error: KvError; readonly position: number } | undefined> {
  if (!(error instanceof KvError) || error.code !== 'KV_CORRUPTION') return undefined;
  const tableId = tableIdOf(error.path?.slice(directory.length + 1) ?? '');
  if (tableId === undefined) return undefined;
  const bytes = await readWholeFile(env.files, `${directory}/${MANIFEST_NAME}`);
  if (bytes === undefined) return undefined;
  const { tables } = decodeManifest(bytes, env.crc32c).state;
  const position = tables.findIndex((table) => table.tableId === tableId);
  return position < 0 ? undefined : { error, position };
}

function unhealable(damage: KvError, cause: LogTooShortError): KvError {
  const { path, offset } = damage;
  return new KvError(
    'KV_CORRUPTION',
    `${damage.message} Its content cannot be made again from the log: ${cause.message}. ` +
      '`holdfast salvage` copies what still verifies into a new store.',
    { cause: damage, ...(path === undefined ? {} : { path }), offset: offset ?? 0 },
  );
}
