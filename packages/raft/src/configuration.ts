/**
 * Who belongs to the cluster (section 6 of the paper). A change of voters goes through a joint configuration, in
 * which both the incoming and the outgoing voters must agree to everything: elections, commits and reads.
 *
 * Invariant: `voters` is never empty. A learner is in neither set of voters. `learnersNext` are outgoing voters
 * that stay as learners once the joint configuration is left.
 */
import type { NodeId } from './node-id.ts';

/** Most members of a cluster, learners too: with more no list of them could be read again. */
export const MEMBER_LIMIT: number = 64;

export interface Configuration {
  /** The incoming voters where the configuration is joint, else all of them. Sorted. */
  readonly voters: readonly NodeId[];
  /** The voters before the change; empty unless the configuration is joint. */
  readonly votersOutgoing: readonly NodeId[];
  /** Get every entry, count for nothing. */
  readonly learners: readonly NodeId[];
  readonly learnersNext: readonly NodeId[];
}

export type MembershipChange =
  | { readonly type: 'addLearner'; readonly nodeId: NodeId }
  /** A learner becomes a voter. */
  | { readonly type: 'promote'; readonly nodeId: NodeId }
  /** A voter becomes a learner. */
  | { readonly type: 'demote'; readonly nodeId: NodeId }
  | { readonly type: 'remove'; readonly nodeId: NodeId };

/** Why a list of changes does not fit the configuration. */
export type ChangeRefusal =
  | 'ALREADY_MEMBER'
  | 'NOT_LEARNER'
  | 'NOT_VOTER'
  | 'NOT_MEMBER'
  | 'NO_VOTERS'
  | 'TOO_MANY_MEMBERS';

/** The configuration of a cluster whose voters are these, with no change going on. */
export function configurationOf(
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): Configuration {
  return {
    voters: sorted(voters),
    votersOutgoing: [],
    learners: sorted(learners),
    learnersNext: [],
  };
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.length > 0;
}

/** True for a voter of either half. */
export function isVoter(configuration: Configuration, nodeId: NodeId): boolean {
  return configuration.voters.includes(nodeId) || configuration.votersOutgoing.includes(nodeId);
}

/** Everybody that gets entries: each node once, sorted. */
export function membersOf(configuration: Configuration): NodeId[] {
  const { voters, votersOutgoing, learners } = configuration;
  return sorted([...voters, ...votersOutgoing, ...learners]);
}

/** The voters of both halves: each node once, sorted. */
export function votersOf(configuration: Configuration): NodeId[] {
  return sorted([...configuration.voters, ...configuration.votersOutgoing]);
}

/**
 * The configuration to append for these changes: a joint one where voters change, else the final one.
 * `configuration` must not be joint. Changes apply in order.
 */
export function applyChanges(
  configuration: Configuration,
  changes: readonly MembershipChange[],
): Configuration | ChangeRefusal {
  const voters = new Set(configuration.voters);
  const learners = new Set(configuration.learners);
  for (const change of changes) {
    const refusal = applyChange(voters, learners, change);
    if (refusal !== undefined) return refusal;
  }
  if (voters.size === 0) return 'NO_VOTERS';
  if (voters.size + learners.size > MEMBER_LIMIT) return 'TOO_MANY_MEMBERS';
  const before = configuration.voters;
  const isSameVoters = before.length === voters.size && before.every((id) => voters.has(id));
  if (isSameVoters) return configurationOf([...voters], [...learners]);
  return {
    voters: sorted(voters),
    votersOutgoing: before,
    learners: sorted([...learners].filter((id) => !before.includes(id))),
    learnersNext: sorted([...learners].filter((id) => before.includes(id))),
  };
}

/** The configuration that follows a joint one. */
export function leaveJoint(configuration: Configuration): Configuration {
  const { voters, learners, learnersNext } = configuration;
  return configurationOf(voters, [...learners, ...learnersNext]);
}

function applyChange(
  voters: Set<NodeId>,
  learners: Set<NodeId>,
  { type, nodeId }: MembershipChange,
): ChangeRefusal | undefined {
  switch (type) {
    case 'addLearner':
      if (voters.has(nodeId) || learners.has(nodeId)) return 'ALREADY_MEMBER';
      learners.add(nodeId);
      return undefined;
    case 'promote':
      if (!learners.delete(nodeId)) return 'NOT_LEARNER';
      voters.add(nodeId);
      return undefined;
    case 'demote':
      if (!voters.delete(nodeId)) return 'NOT_VOTER';
      learners.add(nodeId);
      return undefined;
    case 'remove':
      return voters.delete(nodeId) || learners.delete(nodeId) ? undefined : 'NOT_MEMBER';
  }
}

function sorted(ids: Iterable<NodeId>): NodeId[] {
  return [...new Set(ids)].sort();
}
