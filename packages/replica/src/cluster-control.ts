import type { Address, Clock } from '@holdfast/env';
import { KvError } from '@holdfast/kv';
import type {
  MembershipChange,
  MembershipResult,
  NodeId,
  ProposeResult,
  RaftStatus,
} from '@holdfast/raft';
import { isVoter, MEMBER_LIMIT, membersOf, nodeId } from '@holdfast/raft';
import type { WalIdentity } from '@holdfast/wal';
import { encodeAddress } from './cluster-notes.ts';
import type { ReplicaDriver } from './driver.ts';
import { ADDRESS_KIND, INCARNATION_KIND } from './entry-format.ts';
import { ReplicaError } from './errors.ts';
import type { MemberGuard } from './member-guard.ts';
import { encodeIncarnation, NO_FOLDER } from './member-guard.ts';
import type { PeerLinks } from './peer-links.ts';
import type { Cluster, ClusterStatus, MemberInfo } from './replica.ts';

/** A change of members is agreed on twice, and a transfer may have to wait for a member that is behind. */
const CHANGE_LIMIT_MS = 10_000;
/** How long, and how often, a change is tried again that comes too early: a learner is new, or the change before it. */
const RETRY_FOR_MS = 3000;
const RETRY_MS = 50;

export interface ClusterControlOptions {
  readonly driver: ReplicaDriver;
  readonly links: PeerLinks;
  readonly guard: MemberGuard;
  readonly addresses: ReadonlyMap<string, Address>;
  readonly identity: WalIdentity;
  readonly clock: Clock;
}

export class ClusterControl implements Cluster {
  readonly #options: ClusterControlOptions;

  constructor(options: ClusterControlOptions) {
    this.#options = options;
  }

  status(): ClusterStatus {
    const { driver, identity } = this.#options;
    const {
      votedFor: _vote,
      uncommittedBytes: _bytes,
      fault: _fault,
      progress: _,
      toldStanding: _told,
      lastTerm: _term,
      ...status
    } = driver.status;
    const members = membersOf(status.configuration).map((member) => this.#memberInfo(member));
    const { waitingBytes } = driver;
    return { ...status, identity, members, isRemoved: isRemoved(driver.status), waitingBytes };
  }

  async transferLeader(to?: string): Promise<void> {
    const { driver } = this.#options;
    const { configuration, progress, nodeId: self } = driver.status;
    const matchOf = (member: NodeId): number => progress.get(member)?.matchIndex ?? 0;
    const others = configuration.voters.filter((member) => member !== self);
    const [best] = others.toSorted((left, right) => matchOf(right) - matchOf(left));
    const target = to === undefined ? best : nodeId(to);
    if (target === undefined) throw refused('there is no other voter');
    const result = driver.act((raft) => raft.transferLeadership(target));
    if (!result.accepted) {
      if (result.code === 'ALREADY_LEADER') return;
      throw refusalOf(result.code, result.leaderId);
    }
    await driver.watch(
      `the transfer of leadership to ${target}`,
      CHANGE_LIMIT_MS,
      ({ role, leaderId, transferringTo }) =>
        (role !== 'leader' && leaderId !== undefined) || transferringTo === undefined,
    );
    if (driver.status.role === 'leader') {
      throw new ReplicaError('REPLICA_CHANGE_REFUSED', `${target} did not take over in time`, {
        retryable: true,
      });
    }
  }

  async add(name: string, address: Address): Promise<void> {
    const member = nodeId(name);
    await this.#noteFolder(member, undefined);
    await this.#agree((raft) =>
      raft.propose({ kind: ADDRESS_KIND, head: encodeAddress(name, address) }),
    );
    await this.#change([{ type: 'addLearner', nodeId: member }]);
  }

  promote(name: string): Promise<void> {
    return this.#change([{ type: 'promote', nodeId: nodeId(name) }]);
  }

  demote(name: string): Promise<void> {
    return this.#change([{ type: 'demote', nodeId: nodeId(name) }]);
  }

  async remove(name: string): Promise<void> {
    const { driver, guard } = this.#options;
    const member = nodeId(name);
    if (member === driver.status.nodeId && driver.status.role === 'leader') {
      return await this.#removeSelf(member);
    }
    // A node that repairs itself is no member for a moment, and a removal may have been cut off before the name was barred.
    const isOut = !membersOf(driver.status.configuration).includes(member);
    const isOnlyBarred = isOut && guard.incarnationOf(member) !== undefined;
    if (!isOnlyBarred) await this.takeOut(name);
    if (isOnlyBarred || driver.status.role === 'leader') await this.#noteFolder(member, NO_FOLDER);
  }

  /**
   * Why nothing is waited for but the end of leading, which is when the others have agreed: of what comes behind its removal this
   * node hears no more. It is sent right behind it, so it is in their logs before one of them leads. And why its address is not
   * taken back as that of others: who does not know it cannot tell it that the removal is agreed on.
   */
  async #removeSelf(member: NodeId): Promise<void> {
    const { driver } = this.#options;
    await this.#begin([{ type: 'remove', nodeId: member }]);
    driver.act((raft) =>
      raft.propose({ kind: INCARNATION_KIND, head: encodeIncarnation(member, NO_FOLDER) }),
    );
    await driver.watch('the removal', CHANGE_LIMIT_MS, ({ role }) => role !== 'leader');
  }

  /** Takes a node out that may come back with another folder by itself (ADR 0027). */
  async takeOut(name: string): Promise<void> {
    await this.#change([{ type: 'remove', nodeId: nodeId(name) }]);
    const { driver } = this.#options;
    if (driver.status.role !== 'leader' || !this.#options.addresses.has(name)) return;
    await this.#agree((raft) =>
      raft.propose({ kind: ADDRESS_KIND, head: encodeAddress(name, undefined) }),
    );
  }

  /**
   * Resolves when all that the leader had in its log when this was called is agreed on, who belongs to the cluster among it, and
   * it leads still. KV_UNAVAILABLE. Why both: members count from their entry on, which may be lost yet; and who was paused,
   * and does not know that another one leads, has nothing that is not agreed on.
   */
  async confirm(): Promise<void> {
    const { driver } = this.#options;
    const { lastIndex, term } = driver.status;
    await driver.whenCurrent();
    await driver.watch(
      'what is to be agreed on before',
      CHANGE_LIMIT_MS,
      (status) => status.appliedIndex >= lastIndex || status.term !== term,
    );
    if (driver.status.term !== term) throw new KvError('KV_UNAVAILABLE', 'the leader changed');
  }

  /** Safety: which folder counts is open only for a name that is no member's. */
  #noteFolder(member: NodeId, incarnation: string | undefined): Promise<void> {
    return this.#agree((raft) => {
      const members = membersOf(raft.status().configuration);
      const isFull = incarnation === undefined && members.length >= MEMBER_LIMIT;
      const isMember = members.includes(member);
      if (isMember || isFull) {
        const code = isMember ? 'ALREADY_MEMBER' : 'TOO_MANY_MEMBERS';
        return { accepted: false, code, leaderId: undefined };
      }
      const head = encodeIncarnation(member, incarnation);
      return raft.propose({ kind: INCARNATION_KIND, head });
    });
  }

  /**
   * Resolves when the change is committed, and if it was joint its end too: until then a majority of the voters before it is
   * needed, and this leader may be one that they cannot do without.
   */
  async #change(changes: readonly MembershipChange[]): Promise<void> {
    await this.#begin(changes);
    const { driver } = this.#options;
    const { lastIndex } = driver.status;
    await driver.watch('the end of the change of members', CHANGE_LIMIT_MS, (status) => {
      return status.appliedIndex >= lastIndex || status.role !== 'leader';
    });
  }

  /**
   * Resolves when the change is committed, and its end in this leader's log if it was joint. What only comes too early is tried again
   * for a while.
   */
  async #begin(changes: readonly MembershipChange[]): Promise<void> {
    const { driver, clock } = this.#options;
    const untilMs = clock.monotonicMs() + RETRY_FOR_MS;
    for (;;) {
      try {
        await this.#agree((raft) => raft.proposeMembership(changes));
        break;
      } catch (error) {
        const isEarly = error instanceof ReplicaError && error.code === 'REPLICA_CHANGE_REFUSED';
        if (!isEarly || !error.retryable || clock.monotonicMs() >= untilMs) throw error;
        await clock.sleep(RETRY_MS);
      }
    }
    await driver.watch('the change of members', CHANGE_LIMIT_MS, ({ configuration, role }) => {
      return configuration.votersOutgoing.length === 0 || role !== 'leader';
    });
  }

  /** Resolves when the entry is applied here. */
  async #agree(
    propose: (
      raft: Parameters<Parameters<ReplicaDriver['act']>[0]>[0],
    ) => ProposeResult | MembershipResult,
  ): Promise<void> {
    const { driver } = this.#options;
    const result = driver.act(propose);
    if (!result.accepted) throw refusalOf(result.code, result.leaderId);
    const { index, term } = result;
    await driver.watch(
      'the change of members',
      CHANGE_LIMIT_MS,
      (status) => status.appliedIndex >= index || status.term !== term,
    );
    // Why: another leader's entry may stand there by now.
    if (driver.status.appliedIndex < index) {
      throw new KvError('KV_UNAVAILABLE', 'the leader changed: look at the status, and try again');
    }
  }

  #memberInfo(member: NodeId): MemberInfo {
    const { driver, links } = this.#options;
    const { configuration, nodeId: self, progress } = driver.status;
    return {
      nodeId: member,
      role: isVoter(configuration, member) ? 'voter' : 'learner',
      address: links.addressesOf(member)[0],
      isConnected: member === self || links.isConnected(member),
      matchIndex: progress.get(member)?.matchIndex,
    };
  }
}

function refusalOf(code: string, leaderId: NodeId | undefined): ReplicaError {
  if (code === 'NOT_LEADER') {
    const who = leaderId === undefined ? 'no node leads now' : `${leaderId} leads`;
    return new ReplicaError('REPLICA_NOT_LEADER', `this node does not lead: ${who}`, {
      retryable: true,
    });
  }
  return refused(REASONS[code] ?? code, RETRYABLE.has(code));
}

function refused(reason: string, retryable: boolean = false): ReplicaError {
  return new ReplicaError('REPLICA_CHANGE_REFUSED', reason, { retryable });
}

const RETRYABLE: ReadonlySet<string> = new Set([
  'TRANSFERRING',
  'CHANGE_IN_PROGRESS',
  'TERM_NOT_COMMITTED',
  'LEARNER_BEHIND',
  'UNCOMMITTED_LIMIT',
]);

const REASONS: Readonly<Record<string, string>> = {
  TRANSFERRING: 'leadership is being handed over',
  CHANGE_IN_PROGRESS: 'another change of members is not finished',
  TERM_NOT_COMMITTED: 'the leader is too new; try again in a moment',
  LEARNER_BEHIND: 'the learner lacks too much still, or was not heard of lately',
  UNCOMMITTED_LIMIT: 'too much waits to be agreed on',
  ALREADY_MEMBER: 'the node is a member already',
  NOT_LEARNER: 'the node is no learner: it is a voter already, or has to be added first',
  NOT_VOTER: 'the node is no voter',
  NOT_MEMBER: 'the node is no member',
  NO_VOTERS: 'the last voter cannot go',
  TOO_MANY_MEMBERS: `a cluster has at most ${MEMBER_LIMIT} members: remove those that are gone`,
};

/**
 * Why only with a log: a node that joins knows of the others alone until they have taken it in. And only without a leader: one
 * that is taken in has what was before, until it has all.
 */
function isRemoved({
  nodeId: self,
  leaderId,
  lastIndex,
  toldStanding,
  configuration: { voters, learners, learnersNext },
}: RaftStatus): boolean {
  if (leaderId !== undefined) return false;
  if (toldStanding !== undefined) return toldStanding === 'none';
  const isIn = [voters, learners, learnersNext].some((members) => members.includes(self));
  return lastIndex > 0 && !isIn;
}
