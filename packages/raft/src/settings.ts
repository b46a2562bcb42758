import { invariant, type LogIndex, type Term } from '@holdfast/bytes';
import type { Configuration } from './configuration.ts';
import type { NodeId } from './node-id.ts';
import type { LogPosition, StoredEntry } from './raft-log.ts';

const MIB = 1024 * 1024;

export interface RaftSettings {
  readonly nodeId: NodeId;
  /** In [0, 1). Must differ between nodes and between two starts of one node; the only source of chance. */
  readonly random: () => number;
  /** Ticks without a leader after which an election begins: chosen anew each time from [this, 2 x this). Default 10. */
  readonly electionTimeoutTicks: number;
  /** Ticks between two heartbeats. At most half of the election timeout. Default 1. */
  readonly heartbeatTicks: number;
  /** Ask whether an election could be won before disturbing anybody with a new term. Default true. */
  readonly preVote: boolean;
  /**
   * A leader that has not heard of a majority for an election timeout steps down, and a node that has heard of a
   * leader within one gives no vote. Default true.
   */
  readonly checkQuorum: boolean;
  /** Most bytes of entries in one message; a single larger entry still goes alone. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** Bytes sent to one member and not yet answered beyond which nothing more is sent. Default 16 MiB. */
  readonly maxInFlightBytes: number;
  /** Same, in messages. Default 256. */
  readonly maxInFlightMessages: number;
  /** Bytes proposed and not yet committed beyond which proposals are refused. Default 64 MiB. */
  readonly maxUncommittedBytes: number;
  /**
   * Bytes handed out to be applied and not yet reported as applied beyond which no more are, and what is durable behind them is
   * not held in memory. Default 64 MiB.
   */
  readonly maxApplyingBytes: number;
  /** Reads waiting on one node beyond which more are refused. Default 65,536. */
  readonly maxPendingReads: number;
  /** A learner that lacks more bytes than this is not promoted. Default 4 MiB. */
  readonly promotionGapBytes: number;
}

/** What must be durable before messages of the new term or vote leave. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: NodeId | undefined;
  /** A hint that spares work after a start. Of what is durable in the log as it is now; it need not be synced. */
  readonly commitIndex: LogIndex;
}

/** What the driver found on its disk. */
export interface StoredState {
  readonly hardState: HardState;
  /** The last released entry; (0, 0) for a log from the beginning. */
  readonly base: LogPosition;
  /** The snapshot that this node can offer; at `base.index` or above. Must be there where `base` is not (0, 0). */
  readonly snapshotIndex?: LogIndex;
  /** The configuration in force at `base.index`; at (0, 0) the one that the cluster begins with. */
  readonly configuration: Configuration;
  /** Every entry of the log, in order from `base.index + 1`; all of them durable. */
  readonly entries: Iterable<StoredEntry>;
  /** The membership entries among them, in order. */
  readonly memberships: readonly {
    readonly index: LogIndex;
    readonly configuration: Configuration;
  }[];
  /** The state machine holds the effect of every entry up to this one. */
  readonly appliedIndex: LogIndex;
}

export type RaftOptions = Partial<RaftSettings> & Pick<RaftSettings, 'nodeId' | 'random'>;

/** Fills in the defaults and refuses what cannot work. */
export function settingsOf(options: RaftOptions): RaftSettings {
  const settings: RaftSettings = {
    electionTimeoutTicks: 10,
    heartbeatTicks: 1,
    preVote: true,
    checkQuorum: true,
    maxMessageBytes: 4 * MIB,
    maxInFlightBytes: 16 * MIB,
    maxInFlightMessages: 256,
    maxUncommittedBytes: 64 * MIB,
    maxApplyingBytes: 64 * MIB,
    maxPendingReads: 65_536,
    promotionGapBytes: 4 * MIB,
    ...options,
  };
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'number') continue;
    invariant(
      Number.isSafeInteger(value) && value > 0,
      `${name} is not a positive integer: ${value}`,
    );
  }
  const { electionTimeoutTicks, heartbeatTicks } = settings;
  invariant(electionTimeoutTicks >= 2 * heartbeatTicks, 'the election timeout is too short');
  return settings;
}
