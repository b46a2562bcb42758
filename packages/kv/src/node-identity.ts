import { fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { WalIdentity } from '@holdfast/wal';
import { corruption, KvError, NewerFormatError } from './errors.ts';
import { readWholeFile, replaceFile } from './file-replacement.ts';

const FILE_NAME = 'node.json';
const FORMAT_VERSION = 1;

/**
 * Whose folder this is. Read from `node.json`; where the folder is new, made once, durably, before anything
 * else is written. KV_INCOMPATIBLE where it is another's than `expected`.
 */
export async function loadIdentity(
  env: Env,
  directory: string,
  expected: WalIdentity | undefined,
): Promise<WalIdentity> {
  const path = `${directory}/${FILE_NAME}`;
  const content = await readWholeFile(env.files, path);
  if (content === undefined) return createIdentity(env, directory, expected);
  const identity = parseIdentity(env, path, content);
  if (
    expected !== undefined &&
    (expected.clusterId !== identity.clusterId || expected.nodeId !== identity.nodeId)
  ) {
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${path} names node ${identity.nodeId} of cluster ${identity.clusterId}, not node ${expected.nodeId} of cluster ${expected.clusterId}; give each node its own folder`,
    );
  }
  return identity;
}

/** Whose folder this is; undefined where it is new, or not there. */
export async function readIdentity(env: Env, directory: string): Promise<WalIdentity | undefined> {
  const path = `${directory}/${FILE_NAME}`;
  const content = await readWholeFile(env.files, path);
  return content === undefined ? undefined : parseIdentity(env, path, content);
}

async function createIdentity(
  env: Env,
  directory: string,
  expected: WalIdentity | undefined,
): Promise<WalIdentity> {
  // Safety: the identity is durable before the log is made, so a log without one has lost it.
  if ((await env.files.stat(`${directory}/wal`)) !== undefined) {
    throw corruption(`${directory}/${FILE_NAME}`, 'it is missing, and a log is there');
  }
  const identity = expected ?? {
    clusterId: toHex(env.random.bytes(16)),
    nodeId: toHex(env.random.bytes(16)),
  };
  await writeIdentity(env, directory, identity);
  return identity;
}

/** Makes the folder the node's. Durable when it resolves. */
export async function writeIdentity(
  env: Env,
  directory: string,
  identity: WalIdentity,
): Promise<void> {
  const { clusterId, nodeId } = identity;
  const checksum = checksumOf(env, clusterId, nodeId);
  const fields = { format: FORMAT_VERSION, clusterId, nodeId, checksum };
  const text = `${JSON.stringify(fields, undefined, 2)}\n`;
  await replaceFile(env.files, directory, FILE_NAME, utf8(text));
}

function parseIdentity(env: Env, path: string, content: Uint8Array): WalIdentity {
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
  const { format, clusterId, nodeId, checksum } = fields;
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
  return { clusterId, nodeId };
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
