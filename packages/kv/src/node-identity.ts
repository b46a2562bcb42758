import { fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { WalIdentity } from '@holdfast/wal';
import { corruption, KvError, NewerFormatError } from './errors.ts';
import { readWholeFile, replaceFile } from './file-replacement.ts';

/** In the data folder of a store: whose it is. */
export const IDENTITY_FILE = 'node.json';
const FORMAT_VERSION = 1;

export interface FolderIdentity {
  readonly identity: WalIdentity;
  /** The first start, which makes the log, has not come to its end. */
  readonly isNew: boolean;
}

/**
 * Whose folder this is. Read from `node.json`; where the folder is new, made once, durably, before anything
 * else is written. KV_INCOMPATIBLE where it is another's than `expected`.
 */
export async function loadIdentity(
  env: Env,
  directory: string,
  expected: WalIdentity | undefined,
): Promise<FolderIdentity> {
  const path = `${directory}/${IDENTITY_FILE}`;
  const content = await readWholeFile(env.files, path);
  if (content === undefined) return createIdentity(env, directory, expected);
  const found = parseIdentity(env, path, content);
  const { identity } = found;
  if (
    expected !== undefined &&
    (expected.clusterId !== identity.clusterId || expected.nodeId !== identity.nodeId)
  ) {
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${path} names node ${identity.nodeId} of cluster ${identity.clusterId}, not node ${expected.nodeId} of cluster ${expected.clusterId}; give each node its own folder`,
    );
  }
  return found;
}

/** Whose folder this is; undefined where it is new, or not there. */
export async function readIdentity(env: Env, directory: string): Promise<WalIdentity | undefined> {
  const path = `${directory}/${IDENTITY_FILE}`;
  const content = await readWholeFile(env.files, path);
  return content === undefined ? undefined : parseIdentity(env, path, content).identity;
}

/**
 * Refuses a folder whose log was there and is not: a volume that is not mounted, a copy that is half done. KV_CORRUPTION. The log
 * has a file at all times from the first start on.
 */
export async function refuseLostLog(
  env: Env,
  directory: string,
  { isNew }: FolderIdentity,
): Promise<void> {
  if (isNew) return;
  const path = `${directory}/wal`;
  const names = (await env.files.stat(path)) === undefined ? [] : await env.files.list(path);
  if (names.some((name) => /^state-|\.wal$/.test(name))) return;
  throw corruption(
    path,
    `no log is there, and ${directory}/${IDENTITY_FILE} says that there was one: mount or copy what is missing. Where nothing was ever stored, remove ${IDENTITY_FILE}`,
  );
}

/** From now on the log must be there. Durable when it resolves. */
export async function noteLogMade(
  env: Env,
  directory: string,
  { identity, isNew }: FolderIdentity,
): Promise<void> {
  if (isNew) await writeIdentity(env, directory, identity);
}

async function createIdentity(
  env: Env,
  directory: string,
  expected: WalIdentity | undefined,
): Promise<FolderIdentity> {
  // Safety: the identity is durable before the log is made, so a log without one has lost it.
  if ((await env.files.stat(`${directory}/wal`)) !== undefined) {
    throw corruption(`${directory}/${IDENTITY_FILE}`, 'it is missing, and a log is there');
  }
  const identity = expected ?? {
    clusterId: toHex(env.random.bytes(16)),
    nodeId: toHex(env.random.bytes(16)),
  };
  await writeIdentity(env, directory, identity, true);
  return { identity, isNew: true };
}

/** Makes the folder the node's. Durable when it resolves. `isNew`: its log is yet to be made; default false. */
export async function writeIdentity(
  env: Env,
  directory: string,
  identity: WalIdentity,
  isNew = false,
): Promise<void> {
  const { clusterId, nodeId } = identity;
  const checksum = checksumOf(env, clusterId, nodeId);
  const ids = { format: FORMAT_VERSION, clusterId, nodeId, checksum };
  const fields = isNew ? { ...ids, isNew } : ids;
  const text = `${JSON.stringify(fields, undefined, 2)}\n`;
  await replaceFile(env.files, directory, IDENTITY_FILE, utf8(text));
}

function parseIdentity(env: Env, path: string, content: Uint8Array): FolderIdentity {
  let parsed: unknown;
  try {
    parsed = JSON.parse(fromUtf8(content));
  } catch (cause) {
    throw corruption(path, 'it is not JSON', cause);
  }
  const fields = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<
    string,
    unknown
  >;
  const { format, clusterId, nodeId, checksum, isNew } = fields;
  if (typeof format === 'number' && format > FORMAT_VERSION) {
    throw new NewerFormatError(
      `${path} has format ${format}; this Holdfast reads ${FORMAT_VERSION}: use the newer one`,
      { path, offset: 0 },
    );
  }
  if (format !== FORMAT_VERSION || !isId(clusterId) || !isId(nodeId)) {
    throw corruption(path, 'it does not name a node and a cluster by 32 hexadecimal digits each');
  }
  // Why it may be missing: files of the first versions have none.
  if (checksum !== undefined && checksum !== checksumOf(env, clusterId, nodeId)) {
    throw corruption(path, 'its ids do not match their checksum; the MANIFEST has them too');
  }
  return { identity: { clusterId, nodeId }, isNew: isNew === true };
}

/** Without it a changed digit would look like the folder of another node. */
function checksumOf(env: Env, clusterId: string, nodeId: string): string {
  return env
    .crc32c(utf8(clusterId + nodeId))
    .toString(16)
    .padStart(8, '0');
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}
