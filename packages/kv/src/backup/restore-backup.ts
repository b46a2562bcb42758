import { logIndex, term, toHex, utf8 } from '@holdfast/bytes';
import type { Env, FileLock } from '@holdfast/env';
import { FileError, makeDurableDirectory } from '@holdfast/env';
import type { SegmentEnd, WalIdentity } from '@holdfast/wal';
import { copySegment, openWal, writeRestoredState } from '@holdfast/wal';
import { KvError } from '../errors.ts';
import { replaceFile } from '../file-replacement.ts';
import { encodeWholeManifest } from '../manifest.ts';
import { IDENTITY_FILE, writeIdentity } from '../node-identity.ts';
import { copyFile, namesIn, requireBackups, storedPath } from './backup-folder.ts';
import { damaged } from './backup-manifest.ts';
import type { RestoreAim, RestorePoint } from './restore-point.ts';
import { chooseRestorePoint } from './restore-point.ts';
import { readIndexManifest } from './verify-backup.ts';

/** In the new folder while it is not whole. */
const MARKER_NAME = 'restore-unfinished';
/** What an owner writes beside it: that of a node of a cluster. */
const OWNER_NAMES: readonly string[] = ['member.json', 'member.json.tmp'];
/** What may be in a folder that a restore was cut off in. */
const OWN_NAMES: readonly string[] = [
  'wal',
  'kv',
  'LOCK',
  MARKER_NAME,
  `${MARKER_NAME}.tmp`,
  'node.json.tmp',
  ...OWNER_NAMES,
];

export interface RestoreRequest extends RestoreAim {
  /** A folder of backups. */
  readonly from: string;
  /** The node's folder to make: empty, not there yet, or what a restore that was cut off has left. */
  readonly directory: string;
  /** Whose the folder will be. Default: a new node's, which is alone. */
  readonly owner?: RestoredOwner;
}

export interface RestoredOwner {
  /** A new one. */
  readonly identity: WalIdentity;
  /** Writes `member.json`, durably. Called before the folder becomes the owner's by `node.json`. */
  readonly write: () => Promise<void>;
}

export interface RestoreReport {
  /** The new node of a new cluster. */
  readonly identity: WalIdentity;
  /** The restored state is that after this record of the log. */
  readonly index: number;
  /** A time at which the store was at that index, in wall-clock milliseconds, where one is known. */
  readonly knownMs: number | undefined;
  readonly sizeBytes: number;
  readonly durationMs: number;
}

/**
 * Makes a node's folder from a backup, under a new cluster id and node id: a node that came back under its old id
 * with an older state would deny what it had acknowledged. Keys, values and versions are those at the index.
 * Durability: `node.json` comes last; a folder without it does not open, and the restore can be run again.
 */
export async function restoreBackup(env: Env, request: RestoreRequest): Promise<RestoreReport> {
  const startMs = env.clock.monotonicMs();
  const point = chooseRestorePoint(await requireBackups(env, request.from), request);
  await makeDurableDirectory(env.files, request.directory);
  const lock = await lockFolder(env, request.directory);
  try {
    await prepareFolder(env, request.directory);
    const { owner } = request;
    const identity = owner?.identity ?? {
      clusterId: toHex(env.random.bytes(16)),
      nodeId: toHex(env.random.bytes(16)),
    };
    const sizeBytes =
      (await restoreLog(env, request, point, identity)) +
      (await restoreIndex(env, request, point, identity));
    await owner?.write();
    await writeIdentity(env, request.directory, identity);
    await env.files.unlink(`${request.directory}/${MARKER_NAME}`);
    const { index, knownMs } = point;
    const durationMs = env.clock.monotonicMs() - startMs;
    return { identity, index, knownMs, sizeBytes, durationMs };
  } finally {
    await lock.release();
  }
}

async function lockFolder(env: Env, directory: string): Promise<FileLock> {
  try {
    return await env.files.lock(`${directory}/LOCK`);
  } catch (cause) {
    if (!(cause instanceof FileError) || cause.code !== 'FILE_LOCKED') throw cause;
    throw new KvError('KV_UNAVAILABLE', `another process has ${directory} open`, { cause });
  }
}

/**
 * Refuses a folder with anything in it that is not of an unfinished restore; removes what one has left.
 * Safety: the marker is durable before any other file, and a folder with a `node.json` is never touched.
 */
async function prepareFolder(env: Env, directory: string): Promise<void> {
  const { files } = env;
  const names = await files.list(directory);
  if (names.includes(IDENTITY_FILE)) {
    throw new KvError('KV_INVALID_ARGUMENT', `${directory} holds a store already`);
  }
  const marked = names.includes(MARKER_NAME);
  const foreign = names.find((name) =>
    marked ? !OWN_NAMES.includes(name) : !/^(LOCK.*|restore-unfinished\.tmp)$/.test(name),
  );
  if (foreign !== undefined) {
    throw new KvError(
      'KV_INVALID_ARGUMENT',
      `${directory} is not empty: ${foreign} is in it. A backup is restored to a new folder`,
    );
  }
  if (!marked) {
    const text = 'A restore to this folder was begun. Run it again, or remove the folder.\n';
    await replaceFile(files, directory, MARKER_NAME, utf8(text));
  }
  for (const name of OWNER_NAMES.filter((each) => names.includes(each))) {
    await files.unlink(`${directory}/${name}`);
  }
  for (const part of ['wal', 'kv']) {
    const path = `${directory}/${part}`;
    for (const name of await namesIn(env, path)) await files.unlink(`${path}/${name}`);
    await makeDurableDirectory(files, path);
    await files.syncDirectory(path);
  }
}

/** Copies the log up to the index, under the new identity. Returns its bytes. */
async function restoreLog(
  env: Env,
  request: RestoreRequest,
  { manifest, segments, index }: RestorePoint,
  identity: WalIdentity,
): Promise<number> {
  const directory = `${request.directory}/wal`;
  const { log } = manifest;
  let previous: SegmentEnd | undefined;
  let lastIndex = 0;
  let sizeBytes = 0;
  for (const segment of segments) {
    if (segment.firstIndex > index) break;
    const source = storedPath(request.from, segment);
    const target = `${directory}/${segment.path.slice('wal/'.length)}`;
    const copy = await copySegment({ env, source, target, identity, previous });
    sizeBytes += copy.sizeBytes;
    previous = copy;
    lastIndex = copy.lastIndex;
  }
  // Of a node that was sent its state, before it took anything more: its log begins behind all records that there are.
  const beginsAnew = lastIndex < log.firstIndex - 1;
  const begin = beginsAnew ? { ...log, firstIndex: lastIndex + 1, termBefore: 0 } : log;
  await writeRestoredState(env, directory, identity, begin);
  await env.files.syncDirectory(directory);
  const wal = await openWal({ env, directory, identity, preallocate: false });
  try {
    if (beginsAnew) await wal.restartAfter(logIndex(log.firstIndex - 1), term(log.termBefore));
    // Safety: what was written after the index is cut by the log's own means, durably.
    await wal.truncateSuffix((index + 1) as typeof wal.lastIndex);
    if (wal.lastIndex === index) return sizeBytes;
    throw damaged(request.from, `the log ends at record ${wal.lastIndex}, not at ${index}`);
  } finally {
    await wal.close();
  }
}

/** Copies tables and extent files, each compared with its SHA-256, and lists them under the new identity. Returns their bytes. */
async function restoreIndex(
  env: Env,
  request: RestoreRequest,
  { manifest }: RestorePoint,
  identity: WalIdentity,
): Promise<number> {
  const directory = `${request.directory}/kv`;
  let sizeBytes = 0;
  for (const file of [...manifest.tables, ...manifest.extents]) {
    const source = storedPath(request.from, file);
    const target = `${directory}/${file.path.slice('kv/'.length)}`;
    const copied = await copyFile(env, source, target);
    if (copied.sha256 !== file.sha256) throw damaged(source, 'it does not match its SHA-256');
    sizeBytes += copied.sizeBytes;
  }
  await env.files.syncDirectory(directory);
  const state = await readIndexManifest(env, request.from, manifest);
  const content = encodeWholeManifest(identity, state, env);
  await replaceFile(env.files, directory, 'MANIFEST', content);
  return sizeBytes;
}
