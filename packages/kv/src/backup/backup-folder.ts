import { toHex } from '@holdfast/bytes';
import type { Env, FileHandle } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { KvError } from '../errors.ts';
import { readWholeFile } from '../file-replacement.ts';
import type { BackupFile, BackupManifest } from './backup-manifest.ts';
import { damaged, decodeManifest, isManifestName } from './backup-manifest.ts';

const PIECE_BYTES: number = 1024 * 1024;
const SEAL_BYTES = 4096;

/** Where a backup folder keeps a file. */
export function storedPath(directory: string, file: { readonly sha256: string }): string {
  return `${directory}/files/${file.sha256}`;
}

/** Whether `storedPath` makes such a name; what has another one in that folder is not a backup's. */
export function isStoredName(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** The whole backups of a folder, the oldest first. One without a manifest is none. */
export async function listBackups(env: Env, directory: string): Promise<BackupManifest[]> {
  const manifests: BackupManifest[] = [];
  for (const name of await namesIn(env, directory)) {
    if (!isManifestName(name)) continue;
    const path = `${directory}/${name}`;
    const bytes = await readWholeFile(env.files, path);
    if (bytes !== undefined) manifests.push(decodeManifest(env, path, bytes));
  }
  return manifests;
}

/** As `listBackups`, where there must be one. */
export async function requireBackups(env: Env, directory: string): Promise<BackupManifest[]> {
  const manifests = await listBackups(env, directory);
  if (manifests.length > 0) return manifests;
  throw new KvError(
    'KV_INVALID_ARGUMENT',
    `${directory} holds no finished backup: there is no manifest in it. A backup that was cut off is made whole by running it again.`,
  );
}

/** Names in the folder; none where it is not there. */
export async function namesIn(env: Env, directory: string): Promise<string[]> {
  if ((await env.files.stat(directory)) === undefined) return [];
  return env.files.list(directory);
}

export interface FingerprintOptions {
  /** Takes a copy of what is read. */
  readonly target?: FileHandle;
  /** Called before each piece; what it throws ends the reading. */
  readonly check?: () => void;
  /** Of so many bytes from its beginning. Default: all. */
  readonly sizeBytes?: number;
}

/** SHA-256 and seal of a file, as they stand in a manifest. */
export async function fingerprint(
  env: Env,
  path: string,
  options: FingerprintOptions = {},
): Promise<Omit<BackupFile, 'path'>> {
  const file = await env.files.open(path, 'read');
  const stream = env.digests.stream(['sha256']);
  try {
    const sizeBytes = options.sizeBytes ?? (await file.sizeBytes());
    const buffer = env.digests.allocate(PIECE_BYTES);
    for (let at = 0; at < sizeBytes; at += buffer.length) {
      options.check?.();
      const piece = buffer.subarray(0, Math.min(buffer.length, sizeBytes - at));
      if ((await file.read(piece, at)) < piece.length) throw damaged(path, 'it became shorter');
      await Promise.all([stream.update(piece), options.target?.write(piece, at)]);
    }
    const sha256 = toHex((await stream.finish()).get('sha256') ?? new Uint8Array());
    return { sizeBytes, sha256, seal: await sealOf(env, file, sizeBytes) };
  } finally {
    stream.abort();
    await file.close();
  }
}

/** CRC-32C of the last bytes of a file: of a sealed segment or a table they cover all the rest by checksums. */
export async function sealAt(env: Env, path: string): Promise<number> {
  const file = await env.files.open(path, 'read');
  try {
    return await sealOf(env, file, await file.sizeBytes());
  } finally {
    await file.close();
  }
}

async function sealOf(env: Env, file: FileHandle, sizeBytes: number): Promise<number> {
  const length = Math.min(SEAL_BYTES, sizeBytes);
  const bytes = new Uint8Array(length);
  await file.read(bytes, sizeBytes - length);
  return env.crc32c(bytes);
}

/** Copies a file and syncs the copy, whose name is not durable yet. Gives what was copied. */
export async function copyFile(
  env: Env,
  from: string,
  to: string,
  check?: () => void,
): Promise<Omit<BackupFile, 'path'>> {
  const target = await env.files.open(to, 'create');
  try {
    const copied = await fingerprint(
      env,
      from,
      check === undefined ? { target } : { target, check },
    );
    await target.sync();
    return copied;
  } finally {
    await target.close();
  }
}

/** False where the two are not on one volume, or it has no hard links. */
export async function tryLink(env: Env, from: string, to: string): Promise<boolean> {
  try {
    await env.files.link(from, to);
    return true;
  } catch (error) {
    if (error instanceof FileError && error.code !== 'NO_SPACE') return false;
    throw error;
  }
}

export async function unlinkIfThere(env: Env, path: string): Promise<void> {
  if ((await env.files.stat(path)) !== undefined) await env.files.unlink(path);
}
