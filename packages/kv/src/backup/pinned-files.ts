import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { Wal, WalIdentity } from '@holdfast/wal';
import { KvError } from '../errors.ts';
import { extentsFileName } from '../extent-format.ts';
import type { KvIndex } from '../kv-index.ts';
import { encodeWholeManifest } from '../manifest.ts';
import { tableFileName } from '../table-format.ts';
import { namesIn, unlinkIfThere } from './backup-folder.ts';

/** In the node's folder: second names of the files of a backup that is being made. */
const PIN_NAME = 'backup-pin';

export interface PinnedSegment {
  readonly name: string;
  readonly segmentId: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly createdMs: number;
  readonly sealed: boolean;
}

/** The files of one moment, kept by second names whatever is merged, compacted or removed meanwhile. */
export interface PinnedFiles {
  readonly identity: WalIdentity;
  /** Where the second names are. */
  readonly directory: string;
  readonly index: number;
  readonly oldestIndex: number;
  readonly createdMs: number;
  readonly log: { readonly term: number; readonly firstIndex: number; readonly termBefore: number };
  readonly segments: readonly PinnedSegment[];
  /** Names of tables. */
  readonly tables: readonly string[];
  /** Names of extent files. */
  readonly extents: readonly string[];
  /** The MANIFEST that lists them. */
  readonly indexManifest: Uint8Array;
}

export interface PinRequest {
  readonly env: Env;
  readonly directory: string;
  readonly identity: WalIdentity;
  readonly wal: Wal;
  readonly index: KvIndex;
}

/**
 * Takes hold of the state at the newest durable index, in as many hard links as there are files. Must run while
 * nothing is flushed, merged or removed; appends may go on. `removePins` lets go. KV_INVALID_ARGUMENT where the folder
 * takes no hard links.
 */
export async function pinFiles(request: PinRequest): Promise<PinnedFiles> {
  const { env, directory, identity, wal } = request;
  await removePins(env, directory);
  const pins = `${directory}/${PIN_NAME}`;
  await env.files.makeDirectory(pins);
  // Safety: one turn of the event loop from here to the end of the literal, so all of it is of one moment.
  const { state } = request.index;
  const index = wal.durableIndex;
  const { firstIndex } = wal;
  const pinned: PinnedFiles = {
    identity,
    directory: pins,
    index,
    oldestIndex: state.appliedIndex,
    createdMs: env.clock.nowMs(),
    log: {
      term: Math.max(wal.hardState.term, wal.termAt(index) ?? 0),
      firstIndex,
      termBefore: wal.termAt((firstIndex - 1) as typeof firstIndex) ?? 0,
    },
    segments: wal
      .segments()
      .filter((segment) => segment.firstIndex <= index)
      .map(({ path, segmentId, firstIndex: first, lastIndex, createdMs, sealed }) => ({
        name: path.slice(path.lastIndexOf('/') + 1),
        segmentId,
        firstIndex: first,
        lastIndex: Math.min(lastIndex, index),
        createdMs,
        sealed,
      })),
    tables: state.tables.map(({ tableId }) => tableFileName(tableId)),
    extents: state.extentFiles.map(({ fileId }) => extentsFileName(fileId)),
    indexManifest: encodeWholeManifest(identity, state, env),
  };
  const pin = (path: string, name: string): Promise<void> =>
    env.files.link(`${directory}/${path}/${name}`, `${pins}/${name}`).catch(explainRefusal);
  for (const { name } of pinned.segments) await pin('wal', name);
  for (const name of [...pinned.tables, ...pinned.extents]) await pin('kv', name);
  return pinned;
}

/** Why by these codes: systems differ in what they say of a second name that cannot be had, and none of it names the reason. */
function explainRefusal(cause: unknown): never {
  const { code, message } = cause instanceof FileError ? cause : {};
  if (code !== 'FILE_ACCESS_DENIED' && code !== 'FILE_IO') throw cause;
  throw new KvError(
    'KV_INVALID_ARGUMENT',
    `a backup needs hard links in the data folder, all of it on one volume, and there are none: ${message}. Nothing was changed; for a backup, stop the server and copy the folder`,
  );
}

/** Removes the second names, of a backup that has ended or was cut off. */
export async function removePins(env: Env, directory: string): Promise<void> {
  const pins = `${directory}/${PIN_NAME}`;
  for (const name of await namesIn(env, pins)) await unlinkIfThere(env, `${pins}/${name}`);
  if ((await env.files.stat(pins)) !== undefined) await env.files.removeDirectory(pins);
}
