import type { Address, Random } from '@holdfast/env';
import type { CommitterContext, OpenedFolder, StoreSeam } from '@holdfast/kv';
import { KvError, openStore } from '@holdfast/kv';
import { nodeId, Raft } from '@holdfast/raft';
import type { WalError } from '@holdfast/wal';
import { ClusterControl } from './cluster-control.ts';
import { readClusterNotes } from './cluster-notes.ts';
import { endRejoining, isDamage, isRejoining, setAside } from './damaged-folder.ts';
import { markDiverged, refuseDiverged } from './divergence-mark.ts';
import type { DriverOptions } from './driver.ts';
import { ReplicaDriver } from './driver.ts';
import type { Member } from './member-file.ts';
import { drawIncarnation, readMember, writeMember } from './member-file.ts';
import { MemberGuard } from './member-guard.ts';
import { PeerLinks } from './peer-links.ts';
import { changeMember } from './readmission.ts';
import { finishRecovery } from './recover-quorum.ts';
import type { Replica, ReplicaOptions } from './replica.ts';
import { resolveReplicaSettings } from './settings.ts';
import { standingFor } from './standing.ts';
import type { FoundMember } from './stored-state.ts';
import { beginLog, identityOf, MEMBER_LOG, readStoredState } from './stored-state.ts';
import { noteToldAddress } from './told-address.ts';
import type { AskingOptions } from './transfer/rejoining.ts';
import { beTakenOut, Rejoining } from './transfer/rejoining.ts';
import { StandingWatch } from './transfer/standing-watch.ts';
import { Telling } from './transfer/telling.ts';
import { TransferHub } from './transfer/transfer-hub.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** How long a node whose files are damaged waits for a leader that takes it out. */
const LEAVE_LIMIT_MS = 20_000;

/**
 * Opens a node's folder and joins its cluster. It serves as soon as a leader is there. Errors as of `openLocalStore`, and
 * LISTEN_FAILED. With `repairsFromPeers` damaged files are set aside (ADR 0027): where no leader takes the node out within
 * 20 s, nothing is changed and it rejects with the damage.
 */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { env, directory, clusterId, settings = {} } = options;
  await refuseDiverged(env.files, directory);
  refuseOtherCluster(await readMember(env, directory), clusterId, directory);
  const rejoins = await isRejoining(env, directory, clusterId);
  try {
    return await openMember(options, rejoins);
  } catch (damage) {
    if (settings.repairsFromPeers !== true || !isDamage(damage)) throw damage;
    options.onDamage?.(damage);
    await leaveCluster(options, damage);
    const aside = await setAside(env, directory, clusterId);
    options.onSetAside?.(damage, aside);
    return await openMember(options, true);
  }
}

async function openMember(options: ReplicaOptions, rejoins: boolean): Promise<Replica> {
  const { env, network, directory, clusterId, settings = {} } = options;
  // A node that is to be taken in begins as any that joins.
  const members = rejoins ? Object.fromEntries(othersOf(options)) : options.members;
  const member = await readMember(env, directory);
  const filesClusterId = member?.filesClusterId ?? clusterId;
  const identity = identityOf(env.digests, filesClusterId, network.nodeId);
  const addresses = new Map(Object.entries(members));
  const parts: OpenParts = {};
  const links = linksOf(options, addresses, parts);
  const seam: StoreSeam = {
    ...MEMBER_LOG,
    prepare: async (folder) => {
      const own = await ownMember(options, folder, member);
      const { raft, incarnations } = await openRaft(
        { ...options, members },
        folder,
        addresses,
        own,
      );
      const guard = new MemberGuard({
        own: own.incarnation,
        records: incarnations,
        onRefused: (peerId, error) => options.onPeerFault?.(peerId, error),
      });
      parts.guard = guard;
      if (rejoins) parts.rejoining = rejoiningOf(options, own.incarnation);
      const sources = sourcesOf(addresses, links, network.nodeId);
      parts.standing = standingOf(options, own.incarnation, sources, parts);
      return (context) => {
        parts.driver = openDriver(options, context, { raft, guard, links, addresses }, parts);
        return parts.driver;
      };
    },
  };
  const { store: storeSettings } = settings;
  const store = await openStore(
    {
      env,
      directory,
      identity,
      ...(storeSettings === undefined ? {} : { settings: storeSettings }),
      ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
    },
    seam,
  );
  try {
    const address = await links.listen(options.listen);
    const cluster = new ClusterControl({
      driver: parts.driver as unknown as ReplicaDriver,
      links,
      guard: parts.guard as unknown as MemberGuard,
      addresses,
      identity: { clusterId, nodeId: identity.nodeId },
      clock: env.clock,
    });
    parts.control = cluster;
    parts.rejoining?.start();
    parts.standing?.start();
    return { store, cluster, address };
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

/** What is made on the way. */
interface OpenParts {
  driver?: ReplicaDriver;
  guard?: MemberGuard;
  control?: ClusterControl;
  rejoining?: Rejoining;
  standing?: StandingWatch;
  telling?: Telling;
}

function linksOf(
  { network, env, onPeerFault }: ReplicaOptions,
  addresses: ReadonlyMap<string, Address>,
  parts: OpenParts,
): PeerLinks {
  const links = new PeerLinks({
    network,
    clock: env.clock,
    addressOf: (peerId) => addresses.get(peerId),
    onFrames: (peerId, frames) => {
      // Why: what is said to a node before its cluster has heard of its new folder is said to the old one.
      if (parts.rejoining?.isAdmitted !== false) parts.driver?.receive(peerId, frames);
    },
    onBroken: (peerId, lane) => parts.driver?.noteBroken(peerId, lane),
    onGone: (peerId) => parts.driver?.noteGone(peerId),
    onSilent: (peerId) => parts.telling?.tell(peerId),
    onBulk: (connection) => {
      if (parts.driver === undefined) void connection.close();
      else parts.driver.serve(connection);
    },
    onFault: (peerId, error) => onPeerFault?.(peerId, error),
  });
  parts.telling = new Telling({
    network,
    clock: env.clock,
    addressesOf: (peerId) => links.addressesOf(peerId),
    ownAddress: () => addresses.get(network.nodeId),
  });
  return links;
}

/** All other nodes, and where they may be. */
function sourcesOf(
  addresses: ReadonlyMap<string, Address>,
  links: PeerLinks,
  self: string,
): AskingOptions['sources'] {
  return () =>
    [...addresses.keys()]
      .filter((name) => name !== self)
      .flatMap((name) => links.addressesOf(name).map((address) => ({ nodeId: name, address })));
}

function othersOf({ members, network }: ReplicaOptions): (readonly [string, Address])[] {
  return Object.entries(members).filter(([name]) => name !== network.nodeId);
}

function askingOf(options: ReplicaOptions): AskingOptions {
  const sources = othersOf(options).map(([nodeId, address]) => ({ nodeId, address }));
  return { network: options.network, clock: options.env.clock, sources: () => sources };
}

/** Safety: the folder is touched only when the cluster does without it. */
async function leaveCluster(options: ReplicaOptions, damage: KvError | WalError): Promise<void> {
  try {
    await beTakenOut(askingOf(options), LEAVE_LIMIT_MS);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KvError(
      'KV_CORRUPTION',
      `${damage.message} It was to be repaired from its peers, but none of them could take it out of the cluster ` +
        `(${reason}), so nothing was changed.`,
      { cause: damage, ...(damage.path === undefined ? {} : { path: damage.path }) },
    );
  }
}

function rejoiningOf(options: ReplicaOptions, incarnation: string): Rejoining {
  const { env, directory, network, members, listen } = options;
  const address = options.address ?? members[network.nodeId] ?? listen;
  return new Rejoining({
    ...askingOf(options),
    question: { type: 'enter', incarnation, address },
    onVoter: () => endRejoining(env.files, directory),
  });
}

function standingOf(
  options: ReplicaOptions,
  incarnation: string,
  sources: AskingOptions['sources'],
  parts: OpenParts,
): StandingWatch {
  return new StandingWatch({
    ...askingOf(options),
    sources,
    incarnation,
    status: () => parts.driver?.status,
    onAnswer: ({ lastIndex: index, lastTerm: term }, role) =>
      parts.driver?.act((raft) => raft.noteStanding({ index, term }, role)),
  });
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
  const { stored, incarnations, addresses: stated } = await readStoredState(folder, notes);
  // What the command line says of a member is newer.
  for (const [member, address] of stated) {
    if (!addresses.has(member)) addresses.set(member, address);
  }
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
  later: OpenParts,
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
          sources: sourcesOf(parts.addresses, parts.links, options.network.nodeId),
          settings: resolveReplicaSettings(settings),
          hooks,
          answerMember: async (peerId, question) => {
            const { control, driver } = later;
            if (control === undefined || driver === undefined) {
              throw new KvError('KV_UNAVAILABLE', 'not open yet');
            }
            if (question.type === 'standing') {
              return standingFor(driver, parts.guard, peerId, question);
            }
            if (question.type === 'address') {
              return noteToldAddress({ ...parts, driver }, peerId, question.address);
            }
            return changeMember(control, parts.guard, peerId, question);
          },
          asking: [later.rejoining, later.standing, later.telling].filter(
            (one) => one !== undefined,
          ),
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
