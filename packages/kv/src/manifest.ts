import { concatBytes, MalformedBytesError } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { WalIdentity } from '@holdfast/wal';
import { corruption, KvError, NewerFormatError } from './errors.ts';
import { readWholeFile, replaceFile } from './file-replacement.ts';
import type { ManifestEdit, ManifestState } from './manifest-codec.ts';
import {
  applyEdit,
  decodeManifest,
  EMPTY_MANIFEST_STATE,
  editOf,
  encodeEdit,
  encodeIdentity,
  MANIFEST_FORMAT_VERSION,
} from './manifest-codec.ts';

export const MANIFEST_NAME = 'MANIFEST';
/** Above this, and twice its size after the last rewriting, the file is rewritten. */
const REWRITE_SIZE_BYTES: number = 256 * 1024;

/**
 * The list of the index's files, and the one commit point of every change to it: an edit that is synced
 * here has happened, one that is not has not.
 */
export class Manifest {
  readonly #env: Env;
  readonly #directory: string;
  readonly #identity: WalIdentity;
  /** Whether all of the file is known to be durable: it was written since it was opened. */
  #isProven = false;
  #state: ManifestState;
  /** Not there, or with an edit at its end that was cut short: then the next change writes the file anew. */
  #file: FileHandle | undefined;
  #sequence: number;
  #sizeBytes: number;
  #rewrittenSizeBytes: number;
  /** Index of the state on disk, while commits are held back. */
  #stagedOver: number | undefined;

  private constructor(
    env: Env,
    directory: string,
    identity: WalIdentity,
    opened: {
      state: ManifestState;
      file: FileHandle | undefined;
      sequence: number;
      sizeBytes: number;
    },
  ) {
    this.#env = env;
    this.#directory = directory;
    this.#identity = identity;
    this.#state = opened.state;
    this.#file = opened.file;
    this.#sequence = opened.sequence;
    this.#sizeBytes = opened.sizeBytes;
    this.#rewrittenSizeBytes = opened.sizeBytes;
  }

  /**
   * Opens the MANIFEST of a folder. Nothing is written: whoever opens may find reason to refuse, and then all is to be as it
   * was found. `complete` writes what is missing. KV_CORRUPTION, KV_INCOMPATIBLE.
   */
  static async open(env: Env, directory: string, identity: WalIdentity): Promise<Manifest> {
    const path = `${directory}/${MANIFEST_NAME}`;
    const bytes = await readWholeFile(env.files, path);
    let state = EMPTY_MANIFEST_STATE;
    let intact = false;
    let sequence = 2;
    if (bytes === undefined) await refuseOrphanTables(env, directory);
    else {
      const decoded = decodeChecked(bytes, env, path, identity);
      state = decoded.state;
      sequence = decoded.nextSequence;
      intact = decoded.validBytes === bytes.length;
    }
    const file = intact ? await env.files.open(path, 'write') : undefined;
    const sizeBytes = bytes?.length ?? 0;
    return new Manifest(env, directory, identity, { state, file, sequence, sizeBytes });
  }

  get state(): ManifestState {
    return this.#state;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The state up to this log index is in what the file on disk lists. */
  get durableIndex(): number {
    return this.#stagedOver ?? this.#state.appliedIndex;
  }

  /** Goes on from an older state. Nothing is written until `settle`, which commits all at once. */
  stage(state: ManifestState): void {
    this.#stagedOver = this.#state.appliedIndex;
    this.#state = state;
  }

  /** Commits what was staged, and all edits since. Durability: it has happened when this resolves. */
  async settle(): Promise<void> {
    if (this.#stagedOver === undefined) return;
    await this.#rewrite(this.#state);
    this.#stagedOver = undefined;
  }

  /**
   * Commits an edit. Durability: it has happened when this resolves, and has not where it rejects with NO_SPACE. Calls must
   * not overlap.
   */
  async commit(edit: ManifestEdit): Promise<void> {
    const next = applyEdit(this.#state, edit);
    const limitBytes = Math.max(REWRITE_SIZE_BYTES, this.#rewrittenSizeBytes * 2);
    if (this.#stagedOver !== undefined) {
      this.#state = next;
      return;
    }
    const file = this.#file;
    if (file === undefined || this.#sizeBytes > limitBytes) await this.#rewrite(next);
    else {
      const bytes = encodeEdit(this.#sequence, edit, this.#env.crc32c);
      await this.#append(file, bytes);
      this.#sequence++;
      this.#sizeBytes += bytes.length;
    }
    this.#state = next;
  }

  /**
   * Writes the whole file anew, once for each opening, so that files may be removed because of it.
   *
   * Durability: what a killed process wrote last may be in a cache only; and what it failed to write the cache may
   * show as written, which no sync puts right. An edit that was cut short is never cut in place.
   */
  async complete(): Promise<void> {
    if (this.#isProven || this.#stagedOver !== undefined) return;
    await this.#rewrite(this.#state);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #append(file: FileHandle, bytes: Uint8Array): Promise<void> {
    try {
      await file.write(bytes, this.#sizeBytes);
      await file.sync();
    } catch (error) {
      if (!(error instanceof FileError) || error.code !== 'NO_SPACE') throw error;
      // Safety: what the edit lists is removed now. It may be in the file all the same, whole, where a sync found no room.
      await this.#cutBack(file);
      throw error;
    }
  }

  /** Safety: where that finds no room either, the edit is perhaps listed: it must not pass for one that is not. */
  async #cutBack(file: FileHandle): Promise<void> {
    try {
      await file.truncate(this.#sizeBytes);
      await file.sync();
    } catch (cause) {
      throw new KvError('KV_UNAVAILABLE', 'the MANIFEST cannot be written', { cause });
    }
  }

  async #rewrite(state: ManifestState): Promise<void> {
    const content = encodeWholeManifest(this.#identity, state, this.#env);
    await this.#file?.close();
    this.#file = undefined;
    await replaceFile(this.#env.files, this.#directory, MANIFEST_NAME, content);
    this.#file = await this.#env.files.open(`${this.#directory}/${MANIFEST_NAME}`, 'write');
    this.#isProven = true;
    this.#sequence = 2;
    this.#sizeBytes = content.length;
    this.#rewrittenSizeBytes = content.length;
  }
}

/** A MANIFEST that says all in one edit. */
export function encodeWholeManifest(
  identity: WalIdentity,
  state: ManifestState,
  env: Env,
): Uint8Array {
  return concatBytes([
    encodeIdentity(identity, env.crc32c),
    encodeEdit(1, editOf(state), env.crc32c),
  ]);
}

function decodeChecked(
  bytes: Uint8Array,
  env: Env,
  path: string,
  identity: WalIdentity,
): ReturnType<typeof decodeManifest> {
  let decoded: ReturnType<typeof decodeManifest>;
  try {
    decoded = decodeManifest(bytes, env.crc32c);
  } catch (cause) {
    if (cause instanceof MalformedBytesError) throw corruption(path, cause.message, cause);
    throw cause;
  }
  if (decoded.formatVersion !== MANIFEST_FORMAT_VERSION) {
    throw new NewerFormatError(
      `${path} has format ${decoded.formatVersion}; this Holdfast reads ${MANIFEST_FORMAT_VERSION}: use the newer one`,
      { path, offset: 0 },
    );
  }
  const { clusterId, nodeId } = decoded.identity;
  if (clusterId !== identity.clusterId || nodeId !== identity.nodeId) {
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${path} belongs to node ${nodeId} of cluster ${clusterId}, not to node ${identity.nodeId} of cluster ${identity.clusterId}; give each node its own folder`,
      { path, offset: 0 },
    );
  }
  return decoded;
}

/** Safety: tables without a MANIFEST are a lost MANIFEST, not an empty store. */
async function refuseOrphanTables(env: Env, directory: string): Promise<void> {
  const names = await env.files.list(directory);
  const table = names.find((name) => name.endsWith('.table'));
  if (table === undefined) return;
  throw corruption(`${directory}/${MANIFEST_NAME}`, `it is missing, and ${table} is there`);
}
