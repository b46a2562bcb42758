/**
 * Makes a node of a new cluster from a backup, of a single server or of a node of another cluster: it is the only voter, with
 * the state of the backup, and other nodes are added to it (ADR 0042).
 */
import { type LogIndex, toHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type {
  LocalStoreOptions,
  LocalStoreSettings,
  OpenedFolder,
  RestoreReport,
  RestoreRequest,
} from '@holdfast/kv';
import { openFolder, restoreBackup } from '@holdfast/kv';
import type { Wal } from '@holdfast/wal';
import { drawIncarnation, writeMember } from './member-file.ts';
import { CLUSTER_ID_BYTES, finishRecovery } from './recover-quorum.ts';
import { identityOf, MEMBER_LOG } from './stored-state.ts';

export interface RestoreMemberRequest extends Omit<RestoreRequest, 'owner'> {
  /** The name of the node, as of `NodeId`. */
  readonly nodeId: string;
  readonly settings?: LocalStoreSettings;
}

export interface RestoredMember extends RestoreReport {
  /** Of the new cluster; other nodes are told it when they join. */
  readonly clusterId: string;
}

/**
 * As `restoreBackup`. Durability: once `node.json` is there the folder is the node's, and what is not in its log by then is written
 * there by whoever opens it next: so where this is cut off, or rejects, behind that, the node can be started.
 *
 * Why the cluster has another name than the files: it is what a recovery from the loss of a quorum leaves (ADR 0024), and is finished
 * as one.
 */
export async function restoreMember(
  env: Env,
  { nodeId, settings, ...request }: RestoreMemberRequest,
): Promise<RestoredMember> {
  const { directory } = request;
  const [clusterId, filesClusterId] = [drawClusterId(env), drawClusterId(env)];
  const identity = identityOf(env.digests, filesClusterId, nodeId);
  const member = { incarnation: drawIncarnation(env), clusterId, filesClusterId };
  const write = (): Promise<void> => writeMember(env, directory, member);
  const report = await restoreBackup(env, { ...request, owner: { identity, write } });
  const options = { env, directory, identity, ...(settings === undefined ? {} : { settings }) };
  await withFolder(options, (folder) => finishRecovery(folder, member, nodeId));
  await withFolder(options, beginBehind);
  return { ...report, clusterId };
}

/** All that a backup has is agreed on: the new cluster begins with it. */
const AGREED = { ...MEMBER_LOG, committedIndex: ({ lastIndex }: Wal): LogIndex => lastIndex };

async function withFolder(
  options: LocalStoreOptions,
  use: (folder: OpenedFolder) => Promise<void>,
): Promise<void> {
  const folder = await openFolder(options, AGREED);
  try {
    await use(folder);
  } finally {
    await folder.close();
  }
}

/**
 * Puts all of the log into the tables, and lets it begin behind that. Why: a node that joins would otherwise replay entries of the
 * old cluster, and take its members for those of the new one until it comes to the last of them.
 */
async function beginBehind({ engine, wal }: OpenedFolder): Promise<void> {
  // Where an earlier flush found no room, it goes first.
  while (!engine.freeze()) await engine.index.flush();
  await engine.index.flush();
  await wal.releasePrefix(wal.lastIndex);
}

function drawClusterId({ random }: Env): string {
  return toHex(random.bytes(CLUSTER_ID_BYTES));
}
