import type { IncomingSettings, LocalStoreSettings } from '@holdfast/kv';
import type { RaftSettings } from '@holdfast/raft';

const MIB = 1024 * 1024;

/** All have defaults that suit nodes on one network of a site. */
export interface ReplicaSettings {
  readonly store?: LocalStoreSettings;
  /** Raft's unit of time. Default 50 ms. */
  readonly tickMs?: number;
  /**
   * Raft's own settings. Default: a heartbeat each tick, and an election after 14 to 28 ticks (0.7 to 1.4 s) without
   * one.
   */
  readonly raft?: Partial<Omit<RaftSettings, 'nodeId' | 'random'>>;
  /**
   * How long a read or a transaction waits while nothing is agreed on (no leader, no majority) before it is refused
   * with KV_UNAVAILABLE. Default 2 s.
   */
  readonly waitLimitMs?: number;
  /** How long one waits in all, though others go on. Default 15 s. */
  readonly waitTotalMs?: number;
  /** Bytes of log that are kept behind the newest table, for members that are behind. Default 256 MiB. */
  readonly retainedLogBytes?: number;
  /** Bytes in a second that this node sends of its state to others, all together. Default 64 MiB. */
  readonly transferBytesPerSecond?: number;
  /**
   * Whether a value that is damaged here is had from other nodes, and a node whose files are damaged at the start sets them
   * aside and is taken in anew (`repair-from-peers`). Default false: it is refused.
   */
  readonly repairsFromPeers?: boolean;
  /** How the state of another node is received. */
  readonly transfer?: IncomingSettings;
  /** How long a node whose state is received may take for an answer, before it is asked again. Default 5 s. */
  readonly transferAnswerLimitMs?: number;
  /** After so long without a question an image of this node's state is let go of. Default 60 s. */
  readonly transferLeaseMs?: number;
  /** Entries after each of which the nodes compare the hashes of their states. Default 4096. */
  readonly checkpointEntries?: number;
  /** A leader whose disk takes longer for a write hands leadership over. Default 3 s. */
  readonly slowDiskMs?: number;
}

export interface ResolvedReplicaSettings {
  readonly tickMs: number;
  readonly raft: Partial<Omit<RaftSettings, 'nodeId' | 'random'>>;
  readonly waitLimitMs: number;
  readonly waitTotalMs: number;
  readonly retainedLogBytes: number;
  readonly transferBytesPerSecond: number;
  readonly repairsFromPeers: boolean;
  readonly transfer: IncomingSettings;
  readonly transferAnswerLimitMs: number;
  readonly transferLeaseMs: number;
  readonly checkpointEntries: number;
  readonly slowDiskMs: number;
}

export function resolveReplicaSettings(settings: ReplicaSettings): ResolvedReplicaSettings {
  return {
    tickMs: settings.tickMs ?? 50,
    raft: { electionTimeoutTicks: 14, ...settings.raft },
    waitLimitMs: settings.waitLimitMs ?? 2000,
    waitTotalMs: settings.waitTotalMs ?? 15_000,
    retainedLogBytes: settings.retainedLogBytes ?? 256 * MIB,
    transferBytesPerSecond: settings.transferBytesPerSecond ?? 64 * MIB,
    repairsFromPeers: settings.repairsFromPeers ?? false,
    transfer: settings.transfer ?? {},
    transferAnswerLimitMs: settings.transferAnswerLimitMs ?? 5000,
    transferLeaseMs: settings.transferLeaseMs ?? 60_000,
    checkpointEntries: settings.checkpointEntries ?? 4096,
    slowDiskMs: settings.slowDiskMs ?? 3000,
  };
}
