import type { Address, Random } from '@holdfast/env';
import type { CommitterContext, OpenedFolder, StoreSeam } from '@holdfast/kv';
import { KvError, openStore } from '@holdfast/kv';
import { nodeId, Raft } from '@holdfast/raft';
import { ClusterControl } from './cluster-control.ts';
import { readClusterNotes } from './cluster-notes.ts';
import { markDiverged, refuseDiverged } from './divergence-mark.ts';
import type { DriverOptions } from './driver.ts';
import { ReplicaDriver } from './driver.ts';
import type { Member } from './member-file.ts';
import { drawIncarnation, readMember, writeMember } from './member-file.ts';
import { MemberGuard } from './member-guard.ts';
import { PeerLinks } from './peer-links.ts';
import { finishRecovery } from './recover-quorum.ts';
import type { Replica, ReplicaOptions } from './replica.ts';
import { resolveReplicaSettings } from './settings.ts';
import type { FoundMember } from './stored-state.ts';
import { beginLog, identityOf, MEMBER_LOG, readStoredState } from './stored-state.ts';
import { TransferHub } from './transfer/transfer-hub.ts';

const TWO_TO_32 = 0x1_0000_0000;

/**
 * Opens a node's folder and joins its cluster. It serves as soon as a leader is there. Errors as of `openLocalStore`, and
 * LISTEN_FAILED.
 */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { env, network, directory, clusterId, members, settings = {} } = options;
  await refuseDiverged(env.files, directory);
  const member = await readMember(env, directory);
  refuseOtherCluster(member, clusterId, directory);
  const filesClusterId = member?.filesClusterId ?? clusterId;
  const identity = identityOf(env.digests, filesClusterId, network.nodeId);
  const addresses = new Map(Object.entries(members));
  let driver: ReplicaDriver | undefined;
  const links = new PeerLinks({
    network,
    clock: env.clock,
    addressOf: (peerId) => addresses.get(peerId),
    onFrames: (peerId, frames) => driver?.receive(peerId, frames),
    onBroken: (peerId, lane) => driver?.noteBroken(peerId, lane),
    onBulk: (connection) => {
      if (driver === undefined) void connection.close();
      else driver.serve(connection);
    },
    onFault: (peerId, error) => options.onPeerFault?.(peerId, error),
  });
  const seam: StoreSeam = {
    ...MEMBER_LOG,
    prepare: async (folder) => {
      const own = await ownMember(options, folder, member);
      const { raft, incarnations } = await openRaft(options, folder, addresses, own);
      const guard = new MemberGuard({
        own: own.incarnation,
        records: incarnations,
        onRefused: (peerId, error) => options.onPeerFault?.(peerId, error),
      });
      return (context) => {
        driver = openDriver(options, context, { raft, guard, links, addresses });
        return driver;
      };
    },
  };
  const store = await openStore(
    {
      env,
      directory,
      identity,
      ...(settings.store === undefined ? {} : { settings: settings.store }),
      ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
    },
    seam,
  );
  try {
    const address = await links.listen(options.listen);
    const cluster = new ClusterControl({
      driver: driver as unknown as ReplicaDriver,
      links,
      addresses,
      identity: { clusterId, nodeId: identity.nodeId },
      clock: env.clock,
    });
    return { store, cluster, address };
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

/** Safety: a folder keeps its cluster, whatever the command line says. */
function refuseOtherCluster(
  member: Member | undefined,
  clusterId: string,
  directory: string,
): void {
  if (member === undefined || member.clusterId === clusterId) return;
  throw new KvError(
    'KV_INCOMPATIBLE',
    `${directory} is a node's of cluster ${member.clusterId}, not of cluster ${clusterId}; give each node its own folder`,
  );
}

/**
 * Which folder this is. Safety: one whose log has nothing in it may have had one before, so it is another one from now on.
 * Durable before anything is said to anybody.
 */
async function ownMember(
  { env, directory, clusterId }: ReplicaOptions,
  { wal, engine }: OpenedFolder,
  found: Member | undefined,
): Promise<Member> {
  const isNew = wal.lastIndex === 0 && wal.hardState.term === 0 && engine.appliedIndex === 0;
  if (found !== undefined && !isNew) return found;
  const drawn = { incarnation: drawIncarnation(env), clusterId, filesClusterId: clusterId };
  await writeMember(env, directory, drawn);
  return drawn;
}

async function openRaft(
  { network, members, settings = {}, env }: ReplicaOptions,
  folder: OpenedFolder,
  addresses: Map<string, Address>,
  member: Member,
): Promise<Pick<FoundMember, 'incarnations'> & { readonly raft: Raft }> {
  const names = Object.keys(members);
  // A node that joins is not among those that it is told of.
  if (names.includes(network.nodeId)) await beginLog(folder, names);
  await finishRecovery(folder, member, network.nodeId);
  const notes = await readClusterNotes(folder.engine);
  // What the command line says of a member is newer.
  for (const [member, address] of notes.addresses) {
    if (!addresses.has(member)) addresses.set(member, address);
  }
  const { stored, incarnations } = await readStoredState(folder, notes);
  const { raft } = resolveReplicaSettings(settings);
  const random = fractions(env.random);
  return {
    raft: new Raft({ ...raft, nodeId: nodeId(network.nodeId), random }, stored),
    incarnations,
  };
}

function openDriver(
  options: ReplicaOptions,
  context: CommitterContext,
  parts: Pick<DriverOptions, 'raft' | 'guard' | 'links' | 'addresses'>,
): ReplicaDriver {
  const { env, settings = {} } = options;
  return new ReplicaDriver(
    {
      ...parts,
      clock: env.clock,
      random: env.random,
      settings: resolveReplicaSettings(settings),
      afterTurn: options.afterTurn ?? ((run) => void Promise.resolve().then(run)),
      openTransfers: (images, hooks) =>
        new TransferHub({
          env,
          network: options.network,
          images,
          addresses: parts.addresses,
          settings: resolveReplicaSettings(settings),
          hooks,
          onTrouble: options.onPeerFault ?? (() => undefined),
        }),
      onDiverged: ({ message }) =>
        void markDiverged(env.files, options.directory, message).catch(() => undefined),
      onLeadership: options.onLeadership ?? (() => undefined),
      onPeerFault: options.onPeerFault ?? (() => undefined),
    },
    context,
  );
}

function fractions(random: Random): () => number {
  return () => random.below(TWO_TO_32) / TWO_TO_32;
}
