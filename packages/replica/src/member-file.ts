/**
 * `member.json` in a node's folder: which cluster the folder belongs to, and which of all folders that ever had the node's
 * name it is. Beside `node.json`, which says whose the files are: after a recovery from the loss of a quorum the node is
 * of another cluster than the one its files were made in.
 */
import { fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { KvError, readIdentity, readWholeFile, replaceFile } from '@holdfast/kv';

const FILE_NAME = 'member.json';
const FORMAT_VERSION = 1;
const INCARNATION_BYTES = 8;

/** Ids in hexadecimal digits. */
export interface Member {
  /** 16 digits, random, drawn when the folder's log was begun: another folder of the same name has others. */
  readonly incarnation: string;
  /** 32 digits: with whom the node speaks. */
  readonly clusterId: string;
  /** 32 digits: the cluster that the folder's files name. Another one only after a recovery from the loss of a quorum, or from a backup. */
  readonly filesClusterId: string;
}

/** undefined where the folder has none. KV_CORRUPTION, KV_INCOMPATIBLE. */
export async function readMember(env: Env, directory: string): Promise<Member | undefined> {
  const path = `${directory}/${FILE_NAME}`;
  const content = await readWholeFile(env.files, path);
  return content === undefined ? undefined : parseMember(env, path, content);
}

/** Durable when it resolves; a crash leaves the old content or the new one. */
export async function writeMember(env: Env, directory: string, member: Member): Promise<void> {
  const { incarnation, clusterId, filesClusterId } = member;
  const checksum = checksumOf(env, member);
  const fields = { format: FORMAT_VERSION, incarnation, clusterId, filesClusterId, checksum };
  const text = `${JSON.stringify(fields, undefined, 2)}\n`;
  await replaceFile(env.files, directory, FILE_NAME, utf8(text));
}

export function drawIncarnation({ random }: Env): string {
  return toHex(random.bytes(INCARNATION_BYTES));
}

/** The cluster that the folder belongs to; undefined where the folder is new, or not there. */
export async function readClusterId(env: Env, directory: string): Promise<string | undefined> {
  const member = await readMember(env, directory);
  return member?.clusterId ?? (await readIdentity(env, directory))?.clusterId;
}

/**
 * KV_INCOMPATIBLE where the folder is that of a node of a cluster, or KV_CORRUPTION. Nothing is changed.
 *
 * Safety: whoever opened its log as one of its own would apply what is not agreed on, and append entries with indexes and terms under
 * which the other nodes have others. Nobody could tell these apart again: the node would lack for ever what they acknowledged.
 */
export async function refuseMember(env: Env, directory: string): Promise<void> {
  const member = await readMember(env, directory);
  if (member === undefined) return;
  throw new KvError(
    'KV_INCOMPATIBLE',
    `${directory} is a node's of cluster ${member.clusterId}, and its log is the others' too: start it as that node, with --node ` +
      'and --cluster. While it runs it can be backed up and collected.',
    { path: directory },
  );
}

function parseMember(env: Env, path: string, content: Uint8Array): Member {
  let parsed: unknown;
  try {
    parsed = JSON.parse(fromUtf8(content));
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause);
  }
  const fields = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<
    string,
    unknown
  >;
  const { format, incarnation, clusterId, filesClusterId, checksum } = fields;
  if (typeof format === 'number' && format > FORMAT_VERSION) {
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${path} has format ${format}; this Holdfast reads ${FORMAT_VERSION}: use the newer one`,
      { path, offset: 0 },
    );
  }
  if (!isId(incarnation, 16) || !isId(clusterId, 32) || !isId(filesClusterId, 32)) {
    throw damaged(path, 'it does not name an incarnation and two clusters');
  }
  const member = { incarnation, clusterId, filesClusterId };
  if (format !== FORMAT_VERSION || checksum !== checksumOf(env, member)) {
    throw damaged(path, 'its ids do not match their checksum');
  }
  return member;
}

/** Without it a changed digit would look like another folder. */
function checksumOf(env: Env, { incarnation, clusterId, filesClusterId }: Member): string {
  const crc = env.crc32c(utf8(incarnation + clusterId + filesClusterId));
  return crc.toString(16).padStart(8, '0');
}

function isId(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value);
}

function damaged(path: string, what: string, cause?: unknown): KvError {
  return new KvError(
    'KV_CORRUPTION',
    `${path} is damaged: ${what}. Without it nobody knows which folder this is, so it must not vote: copy the folder ` +
      'aside, remove this node from its cluster, and add it with an empty folder',
    { path, ...(cause === undefined ? {} : { cause }) },
  );
}
