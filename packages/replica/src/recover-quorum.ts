/**
 * Makes a cluster of one node that is left, when no quorum will ever come back (ADR 0024). What the others had
 * acknowledged and this node does not have is lost, so this is never done by itself.
 *
 * Durability: replacing `member.json` is the one commit point. Before it the folder is what it was; after it the node is of
 * the new cluster, and whatever opens the folder next writes into the log what is missing there (`finishRecovery`).
 */
import { invariant, logIndex, term, toHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { ClosableFolder, LocalStoreSettings, OpenedFolder } from '@holdfast/kv';
import { KvError, openFolder, readIdentity, viewFolder } from '@holdfast/kv';
import type { Configuration } from '@holdfast/raft';
import { configurationOf, isVoter, membersOf, nodeId } from '@holdfast/raft';
import type { WalIdentity } from '@holdfast/wal';
import { encodeAddress, readClusterNotes } from './cluster-notes.ts';
import { refuseDiverged } from './divergence-mark.ts';
import {
  ADDRESS_KIND,
  CLUSTER_KIND,
  encodeClusterId,
  encodeConfiguration,
  INCARNATION_KIND,
  MEMBERSHIP_KIND,
} from './entry-format.ts';
import type { Member } from './member-file.ts';
import { drawIncarnation, readMember, writeMember } from './member-file.ts';
import { encodeIncarnation } from './member-guard.ts';
import { identityOf, MEMBER_LOG, readStoredState } from './stored-state.ts';

export const CLUSTER_ID_BYTES = 16;

/** What a stopped node knows. */
export interface Survivor {
  /** Of the cluster that has lost its quorum. */
  readonly clusterId: string;
  /** A recovery had taken effect and was cut off before its end: `clusterId` is the new one's, and nothing is lost by going on. */
  readonly isUnfinished: boolean;
  readonly nodeId: string;
  readonly isVoter: boolean;
  /** Those of both halves while members are being changed; this node among them if it is one. */
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** Of the last entry of its log. Of several survivors the one with the highest term, then index, has most. */
  readonly lastTerm: number;
  readonly lastIndex: number;
  /** What it knows to be agreed on: no other node can have agreed on something else up to there. */
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

export interface RecoveredQuorum {
  readonly clusterId: string;
  readonly nodeId: string;
  /** Everything up to here is part of the new cluster. */
  readonly lastIndex: number;
}

export interface RecoverQuorumRequest {
  readonly env: Env;
  /** The folder of a node that is stopped. */
  readonly directory: string;
  readonly settings?: LocalStoreSettings;
}

/**
 * Looks at a stopped node's folder and changes nothing. Rejects with what keeps the node from being made a cluster:
 * KV_INVALID_ARGUMENT (no store, no member, or the only voter already), KV_INCOMPATIBLE (a store without a cluster),
 * KV_UNAVAILABLE (a process has it open), KV_CORRUPTION (damaged, or stopped for good).
 */
export async function examineSurvivor(request: RecoverQuorumRequest): Promise<Survivor> {
  return withSurvivor(request, viewFolder, async ({ survivor }) => survivor);
}

/**
 * Makes the node the one voter of a new cluster. `confirmed` is the id of the cluster that it is taken from:
 * KV_INVALID_ARGUMENT where it is another's. Durable when it resolves. Otherwise rejects as `examineSurvivor`, with the
 * folder as it was; after a crash, or a failed write, the folder is as it was or the next open finishes it.
 */
export async function recoverQuorum(
  request: RecoverQuorumRequest,
  confirmed: string,
): Promise<RecoveredQuorum> {
  // Safety: all that may be refused is refused by the look, before anything is written.
  const { clusterId: lost, isUnfinished } = await examineSurvivor(request);
  if (lost !== confirmed && !isUnfinished) {
    throw refused(`the node is of cluster ${lost}, not of ${confirmed}`);
  }
  return withSurvivor(request, openFolder, async ({ survivor, folder, member }) => {
    const { env, directory } = request;
    const drawn = toHex(env.random.bytes(CLUSTER_ID_BYTES));
    const clusterId = survivor.isUnfinished ? member.clusterId : drawn;
    const recovered = { ...member, clusterId };
    if (!survivor.isUnfinished) await writeMember(env, directory, recovered);
    await finishRecovery(folder, recovered, survivor.nodeId);
    return { clusterId, nodeId: survivor.nodeId, lastIndex: survivor.lastIndex };
  });
}

/**
 * Writes what a recovery still has to: that this node is the only voter, and what the cluster is called. Does nothing where
 * the log says so already. KV_INCOMPATIBLE where the log is of a cluster that `member` does not know of.
 */
export async function finishRecovery(
  folder: OpenedFolder,
  { clusterId, filesClusterId, incarnation }: Member,
  name: string,
): Promise<void> {
  const found = await readStoredState(folder, await readClusterNotes(folder.engine));
  if (found.clusterId === clusterId) return;
  if (filesClusterId === clusterId) {
    if (found.clusterId === undefined) return;
    throw new KvError(
      'KV_INCOMPATIBLE',
      `the log is of cluster ${found.clusterId}, not of ${clusterId}: the folder's member.json is lost or another one's; put it back, or begin with an empty folder`,
    );
  }
  const counted = found.incarnations.findLast(({ nodeId: counts }) => counts === name);
  const others = [...found.addresses.keys()].filter((other) => other !== name);
  await appendAll(folder, [
    [MEMBERSHIP_KIND, encodeConfiguration(configurationOf([nodeId(name)]))],
    ...others.map((other) => [ADDRESS_KIND, encodeAddress(other, undefined)] as const),
    // Of a backup: another folder had the name in the cluster that it was taken of.
    ...(counted === undefined || counted.incarnation === incarnation
      ? []
      : [[INCARNATION_KIND, encodeIncarnation(name, incarnation)] as const]),
    // Why last: it says that all before it is there.
    [CLUSTER_KIND, encodeClusterId(clusterId)],
  ]);
}

/** Durable when it resolves. */
async function appendAll(
  { wal }: OpenedFolder,
  entries: readonly (readonly [kind: number, head: Uint8Array])[],
): Promise<void> {
  const { hardState } = wal;
  const next = term(hardState.term + 1);
  // Durability: the term first, so that the log never holds an entry of a term that the state does not know.
  await wal.saveHardState({ ...hardState, term: next, votedFor: undefined });
  for (const [kind, head] of entries) {
    wal.append({ term: next, kind, head, index: logIndex(wal.lastIndex + 1) });
  }
  await wal.whenDurable(wal.lastIndex);
}

interface OpenedSurvivor {
  readonly survivor: Survivor;
  readonly folder: ClosableFolder;
  readonly member: Member;
}

async function withSurvivor<Result>(
  { env, directory, settings }: RecoverQuorumRequest,
  open: typeof openFolder,
  use: (opened: OpenedSurvivor) => Promise<Result>,
): Promise<Result> {
  await refuseDiverged(env.files, directory);
  const identity = await readIdentity(env, directory);
  if (identity === undefined) throw refused(`there is no store in ${directory}`);
  const known = await readMember(env, directory);
  const member = known ?? {
    incarnation: drawIncarnation(env),
    clusterId: identity.clusterId,
    filesClusterId: identity.clusterId,
  };
  const options = { env, directory, identity, ...(settings === undefined ? {} : { settings }) };
  const folder = await open(options, MEMBER_LOG);
  try {
    const survivor = await survivorOf(env, folder, identity, member, known !== undefined);
    return await use({ survivor, folder, member });
  } finally {
    await folder.close();
  }
}

async function survivorOf(
  env: Env,
  folder: OpenedFolder,
  identity: WalIdentity,
  { clusterId, filesClusterId }: Member,
  isMember: boolean,
): Promise<Survivor> {
  const { wal, engine } = folder;
  const found = await readStoredState(folder, await readClusterNotes(engine));
  const { stored } = found;
  const configuration = stored.memberships.at(-1)?.configuration ?? stored.configuration;
  if (!isMember && membersOf(configuration).length === 0) throw foreign();
  const name = nameOf(env, configuration, identity);
  if (name === undefined) {
    throw refused('this node is no member of its cluster: take the folder of one that is');
  }
  const voters = [...new Set([...configuration.voters, ...configuration.votersOutgoing])].sort();
  const isUnfinished = clusterId !== filesClusterId && clusterId !== found.clusterId;
  if (voters.length === 1 && voters[0] === name && !isUnfinished) {
    throw refused(
      `${name} is the only voter of cluster ${clusterId}, so it needs nobody: start it, and add nodes`,
    );
  }
  const lastTerm = wal.termAt(wal.lastIndex);
  invariant(lastTerm !== undefined, 'a log knows the term of its last entry');
  return {
    clusterId,
    isUnfinished,
    nodeId: name,
    isVoter: isVoter(configuration, nodeId(name)),
    voters,
    learners: configuration.learners,
    lastTerm,
    lastIndex: wal.lastIndex,
    commitIndex: Math.max(stored.hardState.commitIndex, engine.appliedIndex),
    appliedIndex: engine.appliedIndex,
  };
}

/** Files name a node by a digest: the member that has it. */
function nameOf(
  env: Env,
  configuration: Configuration,
  { clusterId, nodeId: id }: WalIdentity,
): string | undefined {
  return membersOf(configuration).find(
    (member) => identityOf(env.digests, clusterId, member).nodeId === id,
  );
}

function foreign(): KvError {
  return new KvError(
    'KV_INCOMPATIBLE',
    'the folder is that of a store without a cluster; a node of a cluster begins with an empty one, or with "holdfast restore --node"',
  );
}

function refused(message: string): KvError {
  return new KvError('KV_INVALID_ARGUMENT', message);
}
