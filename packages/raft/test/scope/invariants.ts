/** What must hold in every state of a scope, each with its name in the paper. */
import type { Message } from '../../src/index.ts';
import { durableLogOf, type LocalNode, logOf } from './local-node.ts';

/** An entry that some node has ever known to be committed, and the term in which it first did. */
export interface Committed {
  readonly entry: string;
  readonly knownInTerm: number;
}

/** What is looked at in a node, worked out once for each distinct one. */
export interface NodeFacts {
  readonly name: string;
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly log: readonly string[];
  readonly durableLog: readonly string[];
}

export function factsOf(node: LocalNode): NodeFacts {
  const { state } = node;
  return {
    name: state.settings.nodeId,
    role: state.role,
    term: state.term,
    commitIndex: state.commitIndex,
    log: logOf(node),
    durableLog: durableLogOf(node),
  };
}

/** What was committed before, and what this node knows beyond it. */
export function learned(committed: readonly Committed[], node: NodeFacts): readonly Committed[] {
  if (node.commitIndex <= committed.length) return committed;
  const more = node.log.slice(committed.length, node.commitIndex);
  return [...committed, ...more.map((entry) => ({ entry, knownInTerm: node.term }))];
}

/** What one node's log breaks, given what is committed. */
export function violationOfNode(
  { name, log, role, term, commitIndex }: NodeFacts,
  committed: readonly Committed[],
): string | undefined {
  for (const [position, { entry, knownInTerm }] of committed.entries()) {
    if (log[position] === entry) continue;
    const place = `${name} has ${log[position]} at ${position + 1}, not ${entry}`;
    if (position < commitIndex) return `state machine safety: ${place}`;
    if (role === 'leader' && knownInTerm < term) return `leader completeness: ${place}`;
  }
  return undefined;
}

/** Bit n is set where the disk holds the committed entry n + 1. What is committed is on the disks of a majority. */
export function durableBits({ durableLog }: NodeFacts, committed: readonly Committed[]): number {
  let bits = 0;
  for (const [position, { entry }] of committed.entries()) {
    if (durableLog[position] === entry) bits |= 1 << position;
  }
  return bits;
}

/** If two logs have an entry with the same index and term, they are the same up to there. */
export function logMatching(one: readonly string[], other: readonly string[]): string | undefined {
  const termOf = (entry: string | undefined): string | undefined => entry?.split(' ')[0];
  let last = Math.min(one.length, other.length) - 1;
  while (last >= 0 && termOf(one[last]) !== termOf(other[last])) last--;
  for (let position = 0; position <= last; position++) {
    if (one[position] === other[position]) continue;
    return `log matching: two logs agree at ${last + 1} and not at ${position + 1}`;
  }
  return undefined;
}

/** Election safety and one vote a term: nobody ever says two things that cannot both be so. */
export function contradiction(said: readonly Message[], message: Message): string | undefined {
  const own = claimOf(message);
  if (own === undefined) return undefined;
  for (const other of said) {
    const claim = claimOf(other);
    if (claim === undefined || claim.subject !== own.subject || claim.says === own.says) continue;
    return `${own.rule}: ${own.subject} is ${claim.says} and ${own.says}`;
  }
  return undefined;
}

interface Claim {
  readonly rule: string;
  readonly subject: string;
  readonly says: string;
}

function claimOf(message: Message): Claim | undefined {
  const { from, to, term } = message;
  if (message.type === 'appendEntries') {
    return { rule: 'election safety', subject: `the leader of term ${term}`, says: from };
  }
  const vote = { rule: 'one vote a term', subject: `the vote of ${from} in term ${term}` };
  if (message.type === 'requestVote') return { ...vote, says: from };
  if (message.type === 'voteReply' && message.granted) return { ...vote, says: to };
  return undefined;
}
