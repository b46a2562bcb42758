/** What one node must not do in one step, whatever has led there. */
import type { Entry, Message, NodeId } from '../../src/index.ts';
import type { TestNode } from '../fixtures/test-node.ts';

/** How long ago each node has heard the leader that it has now. */
export class Contact {
  readonly #ticks = new Map<NodeId, { readonly term: number; ticks: number }>();

  heard(node: TestNode, { type, term }: Message): void {
    const isFromLeader =
      type === 'appendEntries' || type === 'heartbeat' || type === 'installSnapshot';
    const { role, term: own } = node.raft.status();
    if (isFromLeader && term === own && role === 'follower') {
      this.#ticks.set(node.id, { term: own, ticks: 0 });
    }
  }

  tick(node: TestNode): void {
    const contact = this.#ticks.get(node.id);
    if (contact !== undefined) contact.ticks++;
  }

  /** It was started again, and has heard nobody. */
  lost(node: TestNode): void {
    this.#ticks.delete(node.id);
  }

  isFresh(node: TestNode, limitTicks: number): boolean {
    const { role, term, leaderId } = node.raft.status();
    const contact = this.#ticks.get(node.id);
    if (role !== 'follower' || leaderId === undefined) return false;
    return contact?.term === term && contact.ticks < limitTicks;
  }
}

/** Why the node must refuse the vote or pre-vote that the message asks for; undefined where it may give it. */
export function mayNotGrant(
  node: TestNode,
  message: Message,
  hearsLeader: boolean,
): string | undefined {
  if (message.type !== 'requestVote' && message.type !== 'requestPreVote') return undefined;
  const isTransfer = message.type === 'requestVote' && message.isTransfer;
  if (hearsLeader && !isTransfer && message.term > node.raft.status().term) {
    return 'it hears a leader';
  }
  const { lastIndex } = node.raft.status();
  const lastTerm = termAt(node, lastIndex);
  const isUpToDate =
    message.lastLogTerm > lastTerm ||
    (message.lastLogTerm === lastTerm && message.lastLogIndex >= lastIndex);
  return isUpToDate ? undefined : 'its own log has more';
}

/** The term of an entry of its log, or of the last one that it let go of. */
export function termAt(node: TestNode, index: number): number {
  const { firstIndex } = node.raft.status();
  return index < firstIndex ? node.disk.base.term : (node.logTerms[index - firstIndex] ?? -1);
}

/** Leader completeness: what was committed in earlier terms is in the log of who begins to lead this one. */
export function mustHold(node: TestNode, term: number, committed: readonly string[]): void {
  const { firstIndex } = node.raft.status();
  const terms = node.logTerms;
  for (const [at, said] of committed.entries()) {
    const committedTerm = Number.parseInt(said, 10);
    const held = terms[at + 1 - firstIndex];
    if (at + 1 < firstIndex || committedTerm >= term || held === committedTerm) continue;
    throw new Error(`leader completeness: ${node.id} leads term ${term} without ${said}`);
  }
}

/**
 * What it calls durable is on its disk. What a hard state calls committed is nothing that is yet to be cut there: the hard
 * state may be durable before that.
 */
export function mayCallDurable(node: TestNode): void {
  const { firstIndex, persistedIndex } = node.raft.status();
  const { base, entries } = node.disk;
  const last = base.index + entries.length;
  if (persistedIndex > last) {
    throw new Error(
      `${node.id} calls entry ${persistedIndex} durable, and its disk ends at ${last}`,
    );
  }
  const terms = node.logTerms;
  for (const { hardState } of node.writes) {
    const stale = entries.find(
      ({ index, term }) =>
        index >= firstIndex &&
        index <= (hardState?.commitIndex ?? 0) &&
        terms[index - firstIndex] !== term,
    );
    if (stale === undefined) continue;
    throw new Error(`${node.id} calls entry ${stale.index} committed, which it is yet to cut`);
  }
}

/** Joint consensus (Raft section 6): who has left a joint configuration had it on the disks of both majorities. */
export function mayLeaveJoint(leader: TestNode, nodes: ReadonlyMap<NodeId, TestNode>): void {
  const inFlight = leader.writes.flatMap(({ entries }) => [...entries]);
  const joint = [...leader.disk.entries, ...inFlight].findLast(
    ({ content }) =>
      content?.type === 'membership' && content.configuration.votersOutgoing.length > 0,
  );
  if (joint?.content?.type !== 'membership') return;
  const { voters, votersOutgoing } = joint.content.configuration;
  for (const group of [voters, votersOutgoing]) {
    const holders = group.filter((id) => isOnDisk(nodes.get(id), joint));
    if (holders.length > group.length / 2) continue;
    throw new Error(
      `${leader.id} leaves a joint configuration that ${holders.length} of ${group.length} have`,
    );
  }
}

/** Who tells another node what it is knows of all that this one knows to be committed: it may be of its being taken in. */
export function maySayWhatItIs(node: TestNode, other: TestNode): void {
  const { lastIndex: index, lastTerm: term, commitIndex } = other.raft.status();
  if (node.raft.status().commitIndex >= commitIndex) return;
  if (node.raft.standingOf(other.id, { index, term }) === undefined) return;
  throw new Error(`${node.id} says what ${other.id} is, which knows more to be committed`);
}

function isOnDisk(node: TestNode | undefined, { index, term }: Entry): boolean {
  if (node === undefined) return false;
  const { base, entries } = node.disk;
  return (
    base.index >= index || entries.some((entry) => entry.index === index && entry.term === term)
  );
}
