/** Rules of safety, each broken in one place of the source, and what finds it out. */
import type { Scope } from '../scope/search.ts';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly from: string;
  readonly to: string;
  /** A small scope that is searched, or clusters to which anything happens, from seed 1 on. */
  readonly killedBy:
    | { readonly scope: Scope; readonly limit: number }
    | { readonly chaosSeeds: number };
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
];
