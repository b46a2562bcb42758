/** Rules of safety, each broken in one place of the source, and what finds it out. */
import type { Scope } from '../scope/search.ts';

/** A small scope that is searched, clusters to which anything happens from seed 1 on, or a story that goes otherwise. */
type Killer =
  | { readonly scope: Scope; readonly limit: number }
  | { readonly chaosSeeds: number }
  | { readonly story: string };

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly from: string;
  readonly to: string;
  readonly killedBy: Killer;
}

const OTHER_LEADER: Scope = {
  candidates: [[0], [1]],
  proposals: 1,
  crashes: 1,
  startsElected: true,
};
const FROM_NOTHING: Scope = { candidates: [[0, 1]], proposals: 1, crashes: 1 };

export const mutants: readonly Mutant[] = [
  {
    name: 'a vote leaves before it is durable',
    file: 'election.ts',
    from: "sendWhenDurable(state, from, { type: 'voteReply', granted })",
    to: "state.outbox.push({ type: 'voteReply', granted, from: state.settings.nodeId, to: from, term: state.term })",
    killedBy: { scope: FROM_NOTHING, limit: 400_000 },
  },
  {
    name: 'a candidate counts its own vote before it is durable, and asks for others',
    file: 'election.ts',
    from: "sendWhenDurable(state, to, { type: 'requestVote', ...logEnd(state), isTransfer })",
    to: "state.outbox.push({ type: 'requestVote', ...logEnd(state), isTransfer, from: state.settings.nodeId, to, term: state.term })",
    killedBy: { scope: FROM_NOTHING, limit: 400_000 },
  },
  {
    name: 'a second vote is given in one term',
    file: 'election.ts',
    from: '(isFree || state.votedFor === from)',
    to: 'true',
    killedBy: { scope: FROM_NOTHING, limit: 400_000 },
  },
  {
    name: 'a vote is given without a look at the log',
    file: 'election.ts',
    from: 'state.votedFor === from) && isUpToDate(state.log, candidate)',
    to: 'state.votedFor === from)',
    killedBy: { scope: OTHER_LEADER, limit: 400_000 },
  },
  {
    name: 'a leader counts itself before its own disk has the entry',
    file: 'disk.ts',
    from: 'own.matchIndex = disk.persistedIndex;',
    to: 'own.matchIndex = lastIndex(state.log);',
    killedBy: { scope: OTHER_LEADER, limit: 400_000 },
  },
  {
    name: 'entries are acknowledged before they are durable',
    file: 'follower.ts',
    from: 'commitTo(state, logIndex(Math.min(message.leaderCommit, matchIndex)));\n  sendWhenDurable(state, from,',
    to: 'commitTo(state, logIndex(Math.min(message.leaderCommit, matchIndex)));\n  send(state, from,',
    killedBy: { scope: OTHER_LEADER, limit: 400_000 },
  },
  {
    name: 'entries that conflict are kept',
    file: 'follower.ts',
    from: 'const fresh = entries.findIndex((entry) => termAt(log, entry.index) !== entry.term);',
    to: 'const fresh = entries.findIndex((entry) => entry.index > lastIndex(log));',
    killedBy: { scope: OTHER_LEADER, limit: 400_000 },
  },
  {
    name: 'entries are appended after an entry that does not match',
    file: 'follower.ts',
    from: 'if (termAt(log, prevLogIndex) !== prevLogTerm) {',
    to: 'if (prevLogIndex > lastIndex(log)) {',
    killedBy: { chaosSeeds: 400 },
  },
  {
    name: 'a read does not wait for an entry of the own term',
    file: 'reads.ts',
    from: 'reads.waiting.length === 0 || commitIndex < ownTermStart',
    to: 'reads.waiting.length === 0',
    killedBy: { chaosSeeds: 400 },
  },
  {
    name: 'ids of reads begin at the same place after every start',
    file: 'open-state.ts',
    from: 'return Math.floor(random() * 2 ** 26) * 2 ** 26 + Math.floor(random() * 2 ** 26);',
    to: 'return Math.floor(random() * 0);',
    killedBy: { chaosSeeds: 400 },
  },
  {
    name: 'an entry of an older term is committed by counting',
    file: 'commit.ts',
    from: 'reached <= state.commitIndex || termAt(state.log, reached) !== state.term',
    to: 'reached <= state.commitIndex',
    killedBy: { story: 'counting-an-old-term' },
  },
  {
    name: 'the acknowledgement of a write counts though its entries were cut',
    file: 'log-change.ts',
    from: 'for (const write of disk.inFlight) write.provesIndex = Math.min(write.provesIndex, from - 1);',
    to: '',
    killedBy: { story: 'acknowledgement-after-a-cut' },
  },
  {
    name: 'a round of heartbeats has the number of the one before',
    file: 'reads.ts',
    from: 'state.reads.round++;',
    to: 'state.reads.round = 1;',
    killedBy: { story: 'read-of-a-deposed-leader' },
  },
  {
    name: 'a read is answered without a majority',
    file: 'reads.ts',
    from: 'reads.confirming[0].round <= confirmed',
    to: 'reads.confirming[0].round <= confirmed + 1e6',
    killedBy: { story: 'read-of-a-deposed-leader' },
  },
  {
    name: 'a joint configuration is left before it is committed',
    file: 'commit.ts',
    from: '!isJoint(configuration) || index > state.commitIndex',
    to: '!isJoint(configuration)',
    killedBy: { story: 'joint-waits-for-itself' },
  },
  {
    name: 'one majority is enough in a joint configuration',
    file: 'quorum.ts',
    from: 'return Math.min(majorityValue(voters, valueOf), majorityValue(votersOutgoing, valueOf));',
    to: 'return majorityValue(voters, valueOf) + 0 * votersOutgoing.length;',
    killedBy: { story: 'replace-a-node' },
  },
  {
    name: 'a change of members does not wait for the one before',
    file: 'proposals.ts',
    from: 'if (lastChange > state.commitIndex || isJoint(configuration))',
    to: 'if (lastChange < 0)',
    killedBy: { story: 'one-change-at-a-time' },
  },
  {
    name: 'a change of members does not wait for an entry of the own term',
    file: 'proposals.ts',
    from: "if (state.commitIndex < state.ownTermStart) return 'TERM_NOT_COMMITTED';",
    to: '',
    killedBy: { story: 'one-change-at-a-time' },
  },
  {
    name: 'a pre-vote is given without a look at the log',
    file: 'election.ts',
    from: '!isInLease(state) && message.term > state.term && isUpToDate(state.log, candidate)',
    to: '!isInLease(state) && message.term > state.term',
    killedBy: { story: 'election-needs-whole-log' },
  },
  {
    name: 'a vote is given though the leader was heard of lately',
    file: 'step.ts',
    from: 'isInLease(state) && !message.isTransfer',
    to: 'isInLease(state) && message.isTransfer',
    killedBy: { story: 'sticky-vote' },
  },
  {
    name: 'a transfer does not stop proposals',
    file: 'proposals.ts',
    from: "if (transfer !== undefined) return 'TRANSFERRING';",
    to: '',
    killedBy: { story: 'transfer' },
  },
  {
    name: 'a node that its last configuration does not name never stands for election',
    file: 'election.ts',
    from: 'configurations.slice(Math.max(committed, 0))',
    to: 'configurations.slice(-1 - 0 * committed)',
    killedBy: { story: 'left-but-not-committed' },
  },
];
