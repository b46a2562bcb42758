import { fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { KvError } from '../errors.ts';

/** `docs/formats/backup.md` has the fields. */
export const BACKUP_FORMAT_VERSION = 1;

/** A file of the node, as it was at the backup. */
export interface BackupFile {
  /** In the node's folder. */
  readonly path: string;
  readonly sizeBytes: number;
  /** 64 hexadecimal digits; it is also the name under which the backup keeps the file. */
  readonly sha256: string;
  /** CRC-32C of the last 4096 bytes: tells whether a file of the same name and size is the same file. */
  readonly seal: number;
}

export interface BackupSegment extends BackupFile {
  readonly segmentId: number;
  readonly firstIndex: number;
  /** `firstIndex - 1` where it holds no record. */
  readonly lastIndex: number;
  /** Whether it is whole: the next segment goes on where it ends. */
  readonly sealed: boolean;
  /** Wall-clock milliseconds at which the segment was begun. */
  readonly createdMs: number;
}

/** One backup: every file that is needed to have the store back as it was. */
export interface BackupManifest {
  readonly format: number;
  readonly clusterId: string;
  readonly nodeId: string;
  /** Last record of the log that it holds. */
  readonly index: number;
  /** The tables hold the state up to here: the oldest index that can be restored. */
  readonly oldestIndex: number;
  /** Wall-clock milliseconds of `index`. */
  readonly createdMs: number;
  readonly log: { readonly term: number; readonly firstIndex: number; readonly termBefore: number };
  /** In the order of their ids. */
  readonly segments: readonly BackupSegment[];
  /** The index's MANIFEST. */
  readonly indexManifest: BackupFile;
  readonly tables: readonly BackupFile[];
  /** Files of values that compaction has moved. */
  readonly extents: readonly BackupFile[];
}

/** All files of a backup. */
export function filesOf(manifest: BackupManifest): readonly BackupFile[] {
  return [...manifest.segments, manifest.indexManifest, ...manifest.tables, ...manifest.extents];
}

/** `manifest-` and the index in 16 digits: names sort as backups were made. */
export function manifestName(index: number): string {
  return `manifest-${index.toString().padStart(16, '0')}.json`;
}

export function isManifestName(name: string): boolean {
  return /^manifest-\d{16}\.json$/.test(name);
}

export function encodeManifest(env: Env, manifest: BackupManifest): Uint8Array {
  const checksum = checksumOf(env, manifest);
  return utf8(`${JSON.stringify({ ...manifest, checksum }, undefined, 2)}\n`);
}

/** KV_CORRUPTION, KV_INCOMPATIBLE. */
export function decodeManifest(env: Env, path: string, bytes: Uint8Array): BackupManifest {
  const parsed = parse(path, bytes);
  const { checksum, ...manifest } = parsed;
  const format = manifest['format'];
  if (typeof format === 'number' && format > BACKUP_FORMAT_VERSION) {
    const what = `${path} has format ${format}; this Holdfast reads ${BACKUP_FORMAT_VERSION}`;
    throw new KvError('KV_INCOMPATIBLE', `${what}: use the newer one`);
  }
  // Safety: what the checksum holds for was written by `encodeManifest`, so its fields have their types.
  if (format !== BACKUP_FORMAT_VERSION || checksum !== checksumOf(env, manifest)) {
    throw damaged(path, 'it does not match its checksum');
  }
  return manifest as unknown as BackupManifest;
}

function parse(path: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(fromUtf8(bytes));
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause);
  }
  throw damaged(path, 'it is not a JSON object');
}

function checksumOf(env: Env, content: object): string {
  const digests = env.digests.compute(['sha256'], utf8(JSON.stringify(content)));
  return toHex(digests.get('sha256') ?? new Uint8Array());
}

/** KV_CORRUPTION of a file of a backup. */
export function damaged(path: string, what: string, cause?: unknown): KvError {
  const advice =
    'Restore from another backup; if the node still runs, remove this file and back it up again';
  return new KvError('KV_CORRUPTION', `${path}: ${what}. ${advice}.`, { cause });
}
