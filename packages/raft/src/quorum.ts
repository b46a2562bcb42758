/** The arithmetic of majorities, over one set of voters or the two of a joint configuration. */
import type { Configuration } from './configuration.ts';
import type { NodeId } from './node-id.ts';

export type VoteOutcome = 'won' | 'lost' | 'pending';

/**
 * The highest value that a majority of the voters has reached; in a joint configuration, of both sets.
 * `valueOf` is asked once for each voter.
 */
export function quorumValue(
  configuration: Configuration,
  valueOf: (nodeId: NodeId) => number,
): number {
  const { voters, votersOutgoing } = configuration;
  return Math.min(majorityValue(voters, valueOf), majorityValue(votersOutgoing, valueOf));
}

/** `granted` maps those who answered to their answer. */
export function voteOutcome(
  configuration: Configuration,
  granted: ReadonlyMap<NodeId, boolean>,
): VoteOutcome {
  const incoming = majorityOutcome(configuration.voters, granted);
  const outgoing = majorityOutcome(configuration.votersOutgoing, granted);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
}

/** No voters (the outgoing half of a configuration that is not joint) limit nothing. */
function majorityValue(voters: readonly NodeId[], valueOf: (nodeId: NodeId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const values = voters.map(valueOf).sort((a, b) => b - a);
  return values[Math.floor(voters.length / 2)] ?? 0;
}

function majorityOutcome(
  voters: readonly NodeId[],
  granted: ReadonlyMap<NodeId, boolean>,
): VoteOutcome {
  const needed = Math.floor(voters.length / 2) + 1;
  const yes = voters.filter((id) => granted.get(id) === true).length;
  const no = voters.filter((id) => granted.get(id) === false).length;
  if (voters.length === 0 || yes >= needed) return 'won';
  return voters.length - no < needed ? 'lost' : 'pending';
}
