import type { Address, Env, Network } from '@holdfast/env';
import type { KvError, LocalStore } from '@holdfast/kv';
import type { NodeId, RaftStatus } from '@holdfast/raft';
import type { WalIdentity } from '@holdfast/wal';
import type { ReplicaSettings } from './settings.ts';

export interface ReplicaOptions {
  readonly env: Env;
  /** As this node: its `nodeId` is the node's name in the cluster. Closed by the replica's store. */
  readonly network: Network;
  /** The node's folder, as of `openLocalStore`. One of a store without a cluster is refused. */
  readonly directory: string;
  /** Of the cluster: 32 hexadecimal digits, the same on every node. See `clusterIdOf`. */
  readonly clusterId: string;
  /** Where peers reach this node. Port 0 is any that is free, for tests. */
  readonly listen: Address;
  /**
   * The first members and where they are, this node among them; the same on every one of them. For a node that joins a
   * cluster which there is: the members that it may hear from, without itself.
   */
  readonly members: Readonly<Record<string, Address>>;
  /** Where the others reach this node. Default: what `members` says of it, or `listen`. */
  readonly address?: Address;
  readonly settings?: ReplicaSettings;
  /**
   * Runs its argument when the inputs of this turn of the event loop are over: `setImmediate`. What comes within a turn
   * shares messages and writes. Default: a microtask.
   */
  readonly afterTurn?: (run: () => void) => void;
  /** Called once, when this node can do nothing more: the process should end. Must not throw. */
  readonly onFailure?: (error: KvError) => void;
  /** With `repairsFromPeers`: the node's files are damaged, and a leader is asked to take it out. */
  readonly onDamage?: (damage: unknown) => void;
  /**
   * With `repairsFromPeers`: the node's files were damaged, and are in the folder `aside` now. It has begun with none, and is
   * taken in by its cluster as one that joins.
   */
  readonly onSetAside?: (damage: unknown, aside: string) => void;
  /** This node began or ceased to lead. */
  readonly onLeadership?: (isLeader: boolean) => void;
  /** A peer broke the rules, or what it needs cannot be read. Its link was closed, and is made again. */
  readonly onPeerFault?: (peerId: string, error: unknown) => void;
}

/** A member as the status shows it. */
export interface MemberInfo {
  readonly nodeId: NodeId;
  readonly role: 'voter' | 'learner';
  /** Where it says that it is, or is known to be. */
  readonly address: Address | undefined;
  /** Whether this node has its ways to it. true for itself. */
  readonly isConnected: boolean;
  /** On the leader: entries that the member is known to have; undefined elsewhere. */
  readonly matchIndex: number | undefined;
}

export interface ClusterStatus
  extends Pick<
    RaftStatus,
    | 'nodeId'
    | 'role'
    | 'term'
    | 'leaderId'
    | 'firstIndex'
    | 'lastIndex'
    | 'commitIndex'
    | 'appliedIndex'
    | 'persistedIndex'
    | 'configuration'
    | 'transferringTo'
  > {
  readonly identity: WalIdentity;
  readonly members: readonly MemberInfo[];
  /**
   * Whether this node was taken out, as its log says or a member that it has asked: with no leader for five seconds it asks what
   * it is, since the members do not speak to one that is none (ADR 0039). It knows no leader then.
   */
  readonly isRemoved: boolean;
  /** Transactions of this node that are not answered. */
  readonly waitingBytes: number;
}

/** Who belongs to the cluster, and who leads it. What changes something is refused off the leader: REPLICA_NOT_LEADER. */
export interface Cluster {
  status(): ClusterStatus;
  /** Hands leadership to a voter, by default the one that has most. Resolves when this node leads no more. */
  transferLeader(to?: string): Promise<void>;
  /** Takes a node in as a learner: it gets everything, and counts for nothing. Resolves when that is agreed on. */
  add(nodeId: string, address: Address): Promise<void>;
  /** Makes a learner that has nearly everything a voter. */
  promote(nodeId: string): Promise<void>;
  /** Makes a voter a learner. */
  demote(nodeId: string): Promise<void>;
  /** Takes a node out. It is not taken in again by itself (ADR 0027) until it was added; a name that is out already is only barred. */
  remove(nodeId: string): Promise<void>;
}

/** One node of a cluster. */
export interface Replica {
  /** Every read is linearizable, every write agreed on by a majority. Closing it closes the node. */
  readonly store: LocalStore;
  readonly cluster: Cluster;
  /** Where it listens, with the port that was chosen. */
  readonly address: Address;
}
