/**
 * Sets the files of a node aside whose start has found damage in them, so that it begins with none, as a node that joins
 * (ADR 0027). Nothing is removed: what was damaged stays in a folder beside the new files.
 *
 * Invariant: `REJOIN` is there from before the first file is moved until the node is a voter again. A crash on the way is gone on
 * with: what is half moved is never opened.
 */
import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Env, Files } from '@holdfast/env';
import { IDENTITY_FILE, KvError, lockStopped, readWholeFile, replaceFile } from '@holdfast/kv';
import { WalError } from '@holdfast/wal';
import { drawIncarnation, writeMember } from './member-file.ts';

const MARK_NAME = 'REJOIN';
/** All that a node keeps of its log, state and name. The rest of the folder is its server's. */
const OWN_NAMES = ['wal', 'kv', IDENTITY_FILE] as const;
const MEMBER_NAME = 'member.json';
const MOVING = /^moving to (damaged-\d+)\n$/;
const MOVED = 'moved\n';

/** Whether what an open failed with is damage of the folder's own files. */
export function isDamage(error: unknown): error is KvError | WalError {
  if (error instanceof WalError) return error.code === 'WAL_CORRUPTION';
  return error instanceof KvError && error.code === 'KV_CORRUPTION';
}

/** Whether the node was taken out and is to come back; finishes what was cut off. KV_CORRUPTION where the mark cannot be read. */
export async function isRejoining(
  env: Env,
  directory: string,
  clusterId: string,
): Promise<boolean> {
  const path = `${directory}/${MARK_NAME}`;
  const content = await readWholeFile(env.files, path);
  if (content === undefined) return false;
  const text = fromUtf8(content);
  if (text === MOVED) return true;
  const aside = MOVING.exec(text)?.[1];
  if (aside === undefined) throw new KvError('KV_CORRUPTION', `${path} cannot be read`, { path });
  await moveAll(env, directory, aside, clusterId);
  return true;
}

/**
 * Moves the node's files to a folder beside them, and gives its path. The node must have been taken out of its cluster
 * before: its log is gone for it. Durable when it resolves. KV_UNAVAILABLE where a process has the folder open.
 */
export async function setAside(env: Env, directory: string, clusterId: string): Promise<string> {
  const { files } = env;
  const lock = await lockStopped(env, directory);
  try {
    let number = 1;
    while ((await files.stat(`${directory}/damaged-${number}`)) !== undefined) number++;
    const aside = `damaged-${number}`;
    await replaceFile(files, directory, MARK_NAME, utf8(`moving to ${aside}\n`));
    await moveAll(env, directory, aside, clusterId);
    return `${directory}/${aside}`;
  } finally {
    await lock?.release();
  }
}

/** The node is a voter: what it is now is all that counts. */
export async function endRejoining(files: Files, directory: string): Promise<void> {
  await files.unlink(`${directory}/${MARK_NAME}`);
  await files.syncDirectory(directory);
}

async function moveAll(
  env: Env,
  directory: string,
  aside: string,
  clusterId: string,
): Promise<void> {
  const { files } = env;
  const to = `${directory}/${aside}`;
  await files.makeDirectory(to);
  // Before anything is in it: a folder that is lost takes with it what was moved there.
  await files.syncDirectory(directory);
  for (const name of OWN_NAMES) {
    const isThere = (await files.stat(`${directory}/${name}`)) !== undefined;
    if (isThere) await files.rename(`${directory}/${name}`, `${to}/${name}`);
  }
  const member = await readWholeFile(files, `${directory}/${MEMBER_NAME}`);
  const isKept = (await files.stat(`${to}/${MEMBER_NAME}`)) !== undefined;
  if (member !== undefined && !isKept) await replaceFile(files, to, MEMBER_NAME, member);
  await files.syncDirectory(to);
  // Why not moved: it is all that says of which cluster the node is.
  const fresh = { incarnation: drawIncarnation(env), clusterId, filesClusterId: clusterId };
  await writeMember(env, directory, fresh);
  await replaceFile(files, directory, MARK_NAME, utf8(MOVED));
}
