/** Rules of the consensus core. */
import { type Hunt, type Mutant, type Trial, test } from './mutant.ts';

const module = 'packages/raft/test/trials.ts';
const hunts: readonly Hunt[] = [
  { module, trial: 'storm', seeds: 1000 },
  { module, trial: 'churn', seeds: 1000 },
  { module, trial: 'upheaval', seeds: 1000 },
  { module, trial: 'wander', seeds: 60 },
  { module, trial: 'chaos', seeds: 800 },
];

export const raftMutants: readonly Mutant[] = [
  {
    name: 'a vote leaves before it is durable',
    rule: 'A vote is durable before it is told.',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: "sendWhenDurable(state, from, { type: 'voteReply', granted })",
      to: "state.outbox.push({ type: 'voteReply', granted, from: state.settings.nodeId, to: from, term: state.term })",
    },
    pinned: scope('an election', 1000),
    hunts,
  },
  {
    name: 'a candidate counts its own vote before it is durable, and asks for others',
    rule: 'A vote, also the own one, is durable before it counts.',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: "sendWhenDurable(state, to, { type: 'requestVote', ...logEnd(state), isTransfer })",
      to: "state.outbox.push({ type: 'requestVote', ...logEnd(state), isTransfer, from: state.settings.nodeId, to, term: state.term })",
    },
    pinned: scope('an election', 1000),
    hunts,
  },
  {
    name: 'a second vote is given in one term',
    rule: 'One vote a term (Raft section 5.2).',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: '(isFree || state.votedFor === from)',
      to: 'true',
    },
    pinned: scope('an election', 1000),
    hunts,
  },
  {
    name: 'a vote is given without a look at the log',
    rule: 'Only who has all committed entries is elected (Raft section 5.4.1).',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: 'state.votedFor === from) && isUpToDate(state.log, candidate)',
      to: 'state.votedFor === from)',
    },
    pinned: scope('another leader', 6000),
    hunts,
  },
  {
    name: 'a leader counts itself before its own disk has the entry',
    rule: 'A leader counts itself when its own disk has the entry.',
    broken: {
      file: 'packages/raft/src/disk.ts',
      from: 'own.matchIndex = disk.persistedIndex;',
      to: 'own.matchIndex = lastIndex(state.log);',
    },
    pinned: scope('another leader', 32_000),
    hunts,
  },
  {
    name: 'entries are acknowledged before they are durable',
    rule: 'Write, sync, then acknowledge.',
    broken: {
      file: 'packages/raft/src/follower.ts',
      from: 'matchIndex);\n  sendWhenDurable(state, from,',
      to: 'matchIndex);\n  send(state, from,',
    },
    pinned: scope('another leader', 1000),
    hunts,
  },
  {
    name: 'entries that conflict are kept',
    rule: 'A follower gives up what conflicts with its leader (Raft section 5.3).',
    broken: {
      file: 'packages/raft/src/follower.ts',
      from: 'const fresh = entries.findIndex((entry) => termAt(log, entry.index) !== entry.term);',
      to: 'const fresh = entries.findIndex((entry) => entry.index > lastIndex(log));',
    },
    pinned: scope('another leader', 9000),
    hunts,
  },
  {
    name: 'entries are appended after an entry that does not match',
    rule: 'Entries follow one of the same index and term (log matching, Raft section 5.3).',
    broken: {
      file: 'packages/raft/src/follower.ts',
      from: 'if (termAt(log, prevLogIndex) !== prevLogTerm) {',
      to: 'if (prevLogIndex > lastIndex(log)) {',
    },
    pinned: chaos(26),
    hunts,
  },
  {
    name: 'a read does not wait for an entry of the own term',
    rule: 'A read index is one of the own term (Raft section 6.4 of the thesis).',
    broken: {
      file: 'packages/raft/src/reads.ts',
      from: 'reads.waiting.length === 0 || commitIndex < ownTermStart',
      to: 'reads.waiting.length === 0',
    },
    pinned: chaos(1),
    hunts,
  },
  {
    name: 'ids of reads begin at the same place after every start',
    rule: 'A read id is used once, also over a restart.',
    broken: {
      file: 'packages/raft/src/open-state.ts',
      from: 'return Math.floor(random() * 2 ** 26) * 2 ** 26 + Math.floor(random() * 2 ** 26);',
      to: 'return Math.floor(random() * 0);',
    },
    pinned: chaos(24),
    hunts,
  },
  {
    name: 'an entry of an older term is committed by counting',
    rule: 'Only entries of the own term are committed by counting (Raft section 5.4.2).',
    broken: {
      file: 'packages/raft/src/commit.ts',
      from: 'reached <= state.commitIndex || termAt(state.log, reached) !== state.term',
      to: 'reached <= state.commitIndex',
    },
    pinned: story('counting-an-old-term'),
    hunts,
  },
  {
    name: 'the acknowledgement of a write counts though its entries were cut',
    rule: 'An acknowledgement of a write is void once what it wrote was cut.',
    broken: {
      file: 'packages/raft/src/log-change.ts',
      from: 'for (const write of disk.inFlight) write.provesIndex = Math.min(write.provesIndex, from - 1);',
      to: '',
    },
    pinned: story('acknowledgement-after-a-cut'),
    hunts,
  },
  {
    name: 'a round of heartbeats has the number of the one before',
    rule: 'Each round of a read has a number of its own.',
    broken: {
      file: 'packages/raft/src/reads.ts',
      from: 'state.reads.round++;',
      to: 'state.reads.round = 1;',
    },
    pinned: story('read-of-a-deposed-leader'),
    hunts,
  },
  {
    name: 'a read is answered without a majority',
    rule: 'A read is confirmed by a majority.',
    broken: {
      file: 'packages/raft/src/reads.ts',
      from: 'reads.confirming[0].round <= confirmed',
      to: 'reads.confirming[0].round <= confirmed + 1e6',
    },
    pinned: story('read-of-a-deposed-leader'),
    hunts,
  },
  {
    name: 'a joint configuration is left before it is committed',
    rule: 'A joint configuration is left when it is committed, and not before.',
    broken: {
      file: 'packages/raft/src/commit.ts',
      from: '!isJoint(configuration) || index > state.commitIndex',
      to: '!isJoint(configuration)',
    },
    pinned: story('joint-waits-for-itself'),
    hunts,
  },
  {
    name: 'one majority is enough in a joint configuration',
    rule: 'In a joint configuration both majorities must agree.',
    broken: {
      file: 'packages/raft/src/quorum.ts',
      from: 'return Math.min(majorityValue(voters, valueOf), majorityValue(votersOutgoing, valueOf));',
      to: 'return majorityValue(voters, valueOf) + 0 * votersOutgoing.length;',
    },
    pinned: story('replace-a-node'),
    hunts,
  },
  {
    name: 'a change of members does not wait for the one before',
    rule: 'One change of members at a time.',
    broken: {
      file: 'packages/raft/src/proposals.ts',
      from: 'if (lastChange > state.commitIndex || isJoint(configuration))',
      to: 'if (lastChange < 0)',
    },
    pinned: story('one-change-at-a-time'),
    hunts,
  },
  {
    name: 'a change of members does not wait for an entry of the own term',
    rule: 'No change of members before an entry of the own term is committed.',
    broken: {
      file: 'packages/raft/src/proposals.ts',
      from: "if (state.commitIndex < state.ownTermStart) return 'TERM_NOT_COMMITTED';",
      to: '',
    },
    pinned: story('one-change-at-a-time'),
    hunts,
  },
  {
    name: 'a pre-vote is given without a look at the log',
    rule: 'A pre-vote, too, needs the whole log.',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: '!isInLease(state) && message.term > state.term && isUpToDate(state.log, candidate)',
      to: '!isInLease(state) && message.term > state.term',
    },
    pinned: story('election-needs-whole-log'),
    hunts,
  },
  {
    name: 'a vote is given though the leader was heard of lately',
    rule: 'Who hears a leader does not vote for another.',
    broken: {
      file: 'packages/raft/src/step.ts',
      from: 'isInLease(state) && !message.isTransfer',
      to: 'isInLease(state) && message.isTransfer',
    },
    pinned: story('sticky-vote'),
    hunts,
  },
  {
    name: 'a transfer does not stop proposals',
    rule: 'Nothing is proposed while leadership is handed over.',
    broken: {
      file: 'packages/raft/src/proposals.ts',
      from: "if (transfer !== undefined) return 'TRANSFERRING';",
      to: '',
    },
    pinned: story('transfer'),
    hunts,
  },
  {
    name: 'a node that its last configuration does not name never stands for election',
    rule: 'Who is not certain to be out of the cluster may have to lead it.',
    broken: {
      file: 'packages/raft/src/raft-state.ts',
      from: 'configurations.slice(Math.max(committed, 0))',
      to: 'configurations.slice(-1 - 0 * committed)',
    },
    pinned: story('left-but-not-committed'),
    hunts,
  },
  {
    name: 'a read is confirmed after the term in which it was asked',
    rule: 'When the leader or the term changes, every read that waits is void.',
    broken: {
      file: 'packages/raft/src/reads.ts',
      from: '  reads.confirming = [];\n  reads.waiting = [];',
      to: '  reads.waiting = [];',
    },
    pinned: story('read-is-void'),
    hunts,
  },
  {
    name: 'what is committed in memory is written as committed with a term',
    rule: 'What a hard state calls committed is nothing that the disk is yet to be cut of.',
    broken: {
      file: 'packages/raft/src/disk.ts',
      from: 'logIndex(Math.min(state.commitIndex, disk.persistedIndex))',
      to: 'state.commitIndex',
    },
    pinned: upheaval(57),
    hunts,
  },
  {
    name: 'a snapshot that is on its way to the disk counts as durable',
    rule: 'What is called durable is on the disk.',
    broken: {
      file: 'packages/raft/src/follower.ts',
      from: 'Math.min(disk.persistedIndex, state.commitIndex)',
      to: 'index',
    },
    pinned: upheaval(2),
    hunts,
  },
  {
    name: 'a node stands for election while a snapshot is on its way to its disk',
    rule: 'Who leads has all that is committed, on its disk.',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: 'disk.snapshot !== undefined || disk.inFlight.some((write) => write.isSnapshot)',
      to: 'disk.snapshot !== undefined',
    },
    pinned: test(
      'packages/raft/test/limits.test.ts',
      'a node that makes a snapshot its own > stands for no election before that is durable, as it has no whole log',
    ),
    hunts,
  },
  {
    name: 'who has less says what another node is',
    rule: 'Who may have been taken in since is not told that he is no member.',
    broken: {
      file: 'packages/raft/src/standing.ts',
      from: 'if (isBehind) return undefined;',
      to: 'void isBehind;',
    },
    pinned: test(
      'packages/raft/test/standing.test.ts',
      'is not said by who has less: it does not know who was taken in since',
    ),
    hunts,
  },
];

/** A small scope, as many states of it as it takes. */
function scope(name: string, states: number): Trial {
  return { module, words: ['scope', name, String(states)] };
}

function chaos(seed: number): Trial {
  return { module, words: ['chaos', String(seed)] };
}

/** The same where much happens at once. */
function upheaval(seed: number): Trial {
  return { module, words: ['upheaval', String(seed)] };
}

function story(name: string): Trial {
  return { module, words: ['story', name] };
}
