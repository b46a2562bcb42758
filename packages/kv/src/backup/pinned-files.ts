import type { Env } from '@holdfast/env';
import type { Wal, WalIdentity } from '@holdfast/wal';
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
 * nothing is flushed, merged or removed; appends may go on. `removePins` lets go.
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
  for (const { name } of pinned.segments) {
    await env.files.link(`${directory}/wal/${name}`, `${pins}/${name}`);
  }
  for (const name of [...pinned.tables, ...pinned.extents])
    await env.files.link(`${directory}/kv/${name}`, `${pins}/${name}`);
  return pinned;
}

/** Removes the second names, of a backup that has ended or was cut off. */
export async function removePins(env: Env, directory: string): Promise<void> {
  const pins = `${directory}/${PIN_NAME}`;
  for (const name of await namesIn(env, pins)) await unlinkIfThere(env, `${pins}/${name}`);
  if ((await env.files.stat(pins)) !== undefined) await env.files.removeDirectory(pins);
}
