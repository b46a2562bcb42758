import { logIndex } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { Raft } from '../src/index.ts';
import { truncateFrom } from '../src/log-change.ts';
import { openState } from '../src/open-state.ts';
import { settingsOf } from '../src/settings.ts';
import {
  accepted,
  append,
  ask,
  from,
  leader,
  lone,
  n2,
  n3,
  voteFor,
} from './fixtures/lone-node.ts';
import { diskWith, storedEntry, TestCluster, three } from './fixtures/test-cluster.ts';
import { storedStateOf } from './fixtures/test-disk.ts';
import { command, seededRandom } from './fixtures/test-node.ts';

const heartbeat = { type: 'heartbeat', leaderCommit: logIndex(0), readRound: 1 } as const;

describe('figure 2, persistent state', () => {
  it('currentTerm, votedFor and the log are on the disk before a vote is answered', () => {
    const node = lone([1], { term: 1 });
    node.raft.step(from(n2, 3, voteFor([1, 1])));
    node.pump();
    expect(node.take()).toEqual([]);
    node.sync();
    expect(node.disk.hardState).toMatchObject({ term: 3, votedFor: n2 });
    expect(node.take()).toMatchObject([{ type: 'voteReply', granted: true }]);
  });
  it('entries are on the disk before they are acknowledged', () => {
    const node = lone();
    node.raft.step(from(n2, 1, append([0, 0], [storedEntry(1, 1)])));
    node.pump();
    expect(node.take()).toEqual([]);
    node.sync();
    expect(node.disk.entries).toHaveLength(1);
    expect(node.take()).toMatchObject([{ type: 'appendAccepted', matchIndex: 1 }]);
  });
  it('a restarted node has its term, its vote and its log', () => {
    const node = lone([1, 2]);
    ask(node, n2, 5, voteFor([2, 2]));
    node.restart();
    expect(node.raft.status()).toMatchObject({
      term: 5,
      votedFor: n2,
      lastIndex: 2,
      role: 'follower',
    });
  });
});

describe('figure 2, requestVote', () => {
  it('1. replies false if term < currentTerm', () => {
    expect(ask(lone([], { term: 3 }), n2, 2, voteFor([9, 2]))).toMatchObject([
      { granted: false, term: 3 },
    ]);
  });
  it.each([
    [undefined, true],
    [n2, true],
    [n3, false],
  ])('2. having voted for %s, a vote for n2 in the same term: %s', (votedFor, granted) => {
    const node = lone([], votedFor === undefined ? { term: 3 } : { term: 3, votedFor });
    expect(ask(node, n2, 3, voteFor([0, 0]))).toMatchObject([{ granted }]);
  });
  it.each([
    [[2, 2], true],
    [[3, 2], true],
    [[1, 3], true],
    [[1, 2], false],
    [[9, 1], false],
    [[0, 0], false],
  ] as const)(
    '2. a candidate whose log ends at %j against [1, 2]: %s (section 5.4.1)',
    (last, granted) => {
      expect(ask(lone([1, 2]), n2, 3, voteFor(last))).toMatchObject([{ granted }]);
    },
  );
});

describe('figure 2, appendEntries', () => {
  it('1. replies false if term < currentTerm', () => {
    const node = lone([1], { term: 3 });
    expect(ask(node, n2, 2, append([1, 1]))).toMatchObject([{ type: 'staleTerm', term: 3 }]);
  });
  it.each([
    [[0, 0], true],
    [[1, 1], true],
    [[2, 2], true],
    [[2, 1], false],
    [[1, 2], false],
    [[3, 2], false],
    [[3, 3], false],
  ] as const)('2. with a log 1 2, after %j it takes entries: %s', (prev, isTaken) => {
    const type = isTaken ? 'appendAccepted' : 'appendRejected';
    expect(ask(lone([1, 2]), n2, 3, append(prev))).toMatchObject([{ type }]);
  });
  it.each([
    [[0, 0], [[1, 1]], [1, 2, 2]],
    [[0, 0], [[1, 3]], [3]],
    [[1, 1], [[2, 3]], [1, 3]],
    [
      [1, 1],
      [
        [2, 2],
        [3, 3],
      ],
      [1, 2, 3],
    ],
    [
      [2, 2],
      [
        [3, 3],
        [4, 3],
      ],
      [1, 2, 3, 3],
    ],
  ] as const)('3. and 4. on 1 2 2 after %j the entries %j leave %j', (prev, entries, wanted) => {
    const node = lone([1, 2, 2]);
    ask(
      node,
      n2,
      3,
      append(
        prev,
        entries.map(([index, t]) => storedEntry(index, t)),
      ),
    );
    expect(node.logTerms).toEqual(wanted);
    expect(node.disk.entries.map((entry) => entry.term)).toEqual(wanted);
  });
  it.each([
    [5, 2, 2],
    [1, 2, 1],
    [0, 2, 0],
    [5, 0, 1],
  ])(
    '5. commitIndex = min(leaderCommit %i, index of the last new entry) with %i entries: %i',
    (leaderCommit, count, wanted) => {
      const entries = [storedEntry(1, 1), storedEntry(2, 2)].slice(0, count);
      const prev = count === 0 ? ([1, 1] as const) : ([0, 0] as const);
      const node = lone([1, 2, 2]);
      ask(node, n2, 3, append(prev, entries, leaderCommit));
      expect(node.raft.status().commitIndex).toBe(wanted);
    },
  );
});

describe('figure 2, all servers', () => {
  it('what is committed is applied, in order', () => {
    const node = lone([1, 1, 1]);
    ask(node, n2, 1, append([3, 1], [], 3));
    expect(node.applied.map(({ index }) => index)).toEqual([1, 2, 3]);
  });
  it('what is not on the own disk yet is not applied', () => {
    const node = lone();
    node.raft.step(from(n2, 1, append([0, 0], [storedEntry(1, 1)], 1)));
    node.pump();
    expect([node.raft.status().commitIndex, node.applied.length]).toEqual([1, 0]);
  });
});

describe('section 5.1: terms', () => {
  const bodies = {
    appendEntries: append([0, 0]),
    heartbeat,
    requestVote: voteFor([0, 0]),
    voteReply: { type: 'voteReply', granted: false },
    appendAccepted: accepted(0),
    heartbeatReply: { type: 'heartbeatReply', readRound: 1 },
    staleTerm: { type: 'staleTerm' },
    readIndexRequest: { type: 'readIndexRequest', readId: 1 },
    installSnapshot: {
      type: 'installSnapshot',
      snapshot: { index: logIndex(0), term: diskWith([]).hardState.term, configuration: three },
    },
    refusedPreVote: { type: 'preVoteReply', granted: false },
  } as const;
  const names = Object.keys(bodies) as (keyof typeof bodies)[];
  it.each(names)('a higher term in %s becomes the own, and a leader becomes a follower', (name) => {
    const node = leader([1]);
    ask(node, n2, 9, bodies[name]);
    expect(node.raft.status()).toMatchObject({ term: 9, role: 'follower' });
  });
  it.each(names)('a higher term in %s makes a follower of a candidate', (name) => {
    const node = lone([1]);
    node.raft.campaign();
    node.settle();
    ask(node, n2, 9, bodies[name]);
    expect(node.raft.status()).toMatchObject({ term: 9, role: 'follower' });
  });
  it.each(names)('a lower term in %s changes nothing', (name) => {
    const node = leader([4]);
    const before = node.raft.status();
    node.raft.step(from(n2, 2, bodies[name]));
    expect(node.raft.status()).toEqual(before);
  });
});

describe('section 5.2: elections', () => {
  it('a node starts as a follower', () => {
    expect(lone().raft.status()).toMatchObject({ role: 'follower', term: 0, leaderId: undefined });
  });
  it('a follower stays one while it hears of a leader', () => {
    const node = lone();
    for (let n = 0; n < 50; n++) {
      node.tick();
      ask(node, n2, 1, heartbeat);
    }
    expect(node.raft.status()).toMatchObject({ role: 'follower', leaderId: n2 });
  });
  it('a leader sends heartbeats to everybody, in every interval', () => {
    const node = leader([], { heartbeatTicks: 2 });
    node.settle().take();
    node.tick(2).settle();
    const beats = node.take().filter(({ type }) => type === 'heartbeat');
    expect(beats.map(({ to }) => to)).toEqual([n2, n3]);
    node.tick(1).settle();
    expect(node.take()).toEqual([]);
  });
  it('without a leader it raises its term, votes for itself, and asks everybody', () => {
    const node = lone([], { term: 4 });
    node.tick(20).settle();
    expect(node.raft.status()).toMatchObject({ role: 'candidate', votedFor: 'n1' });
    expect(node.raft.status().term).toBeGreaterThan(4);
    expect(new Set(node.take().map(({ to }) => to))).toEqual(new Set([n2, n3]));
  });
  it.each([
    ['n2', true],
    ['', false],
  ])('of three with its own vote and that of "%s" it leads: %s', (voters, leads) => {
    const node = lone();
    node.raft.campaign();
    node.settle();
    if (voters !== '') ask(node, n2, 1, { type: 'voteReply', granted: true });
    expect(node.raft.status().role === 'leader').toBe(leads);
  });
  it('its own vote counts only when it is on its disk', () => {
    const node = lone();
    node.raft.campaign();
    node.pump();
    node.raft.step(from(n2, 1, { type: 'voteReply', granted: true }));
    expect(node.raft.status().role).toBe('candidate');
    node.settle();
    expect(node.raft.status().role).toBe('leader');
  });
  it('one vote counts once, however often it comes', () => {
    const cluster = TestCluster.of(5, { preVote: false });
    const node = cluster.node(lone().id);
    node.raft.campaign();
    node.settle();
    for (let n = 0; n < 5; n++) node.raft.step(from(n2, 1, { type: 'voteReply', granted: true }));
    expect(node.raft.status().role).toBe('candidate');
  });
  it.each([
    ['appendEntries', append([0, 0])],
    ['heartbeat', heartbeat],
  ])('a candidate that gets %s of its own term follows', (_, body) => {
    const node = lone();
    node.raft.campaign();
    node.settle();
    ask(node, n2, 1, body);
    expect(node.raft.status()).toMatchObject({ role: 'follower', leaderId: n2 });
  });
  it('a candidate that neither wins nor loses starts again in a new term', () => {
    const node = lone();
    node.raft.campaign();
    node.settle().tick(20).settle();
    expect(node.raft.status().term).toBeGreaterThan(1);
  });
  it('election timeouts are chosen by chance from [T, 2T)', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const random = seededRandom(seed * 7919);
      const raft = new Raft(
        { nodeId: lone().id, random, preVote: false },
        storedStateOf(diskWith([])),
      );
      let ticks = 0;
      while (raft.status().role === 'follower') {
        raft.tick();
        ticks++;
      }
      seen.add(ticks);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });
});

describe('section 5.3: replication', () => {
  it('a leader appends a proposal to its log and sends it to everybody at once', () => {
    const node = leader();
    node.raft.step(from(n2, 1, accepted(1)));
    node.raft.step(from(n3, 1, accepted(1)));
    node.settle().take();
    expect(node.raft.propose(command('a'))).toEqual({ accepted: true, index: 2, term: 1 });
    node.pump();
    const sent = node.take();
    expect(sent.map(({ to, type }) => `${to} ${type}`)).toEqual([
      'n2 appendEntries',
      'n3 appendEntries',
    ]);
    expect(node.disk.entries).toHaveLength(1);
  });
  it('an entry is committed when a majority has it, and then applied', () => {
    const node = leader();
    node.raft.propose(command('a'));
    node.settle();
    expect(node.raft.status().commitIndex).toBe(0);
    ask(node, n2, 1, accepted(2));
    expect(node.raft.status()).toMatchObject({ commitIndex: 2, appliedIndex: 2 });
  });
  it('with it everything before it is committed, whoever appended it', () => {
    const node = leader([1, 2]);
    ask(node, n2, 3, accepted(3));
    expect(node.raft.status().commitIndex).toBe(3);
  });
  it('followers are told what is committed with the next message', () => {
    const node = leader();
    const sent = ask(node, n2, 1, accepted(1));
    expect(sent.find(({ to }) => to === n2)).toMatchObject({
      type: 'appendEntries',
      leaderCommit: 1,
    });
  });
  it('a leader never changes what is in its log', () => {
    const node = leader([1]);
    expect(() => node.raft.step(from(n2, 2, append([1, 1], [storedEntry(2, 2)])))).toThrow(
      /leads term 2/,
    );
    expect(node.logTerms).toEqual([1, 2]);
  });
  it('a rejection makes the leader step back over a whole term', () => {
    const node = leader([1, 4, 4, 4, 4]);
    const sent = ask(node, n2, 5, {
      type: 'appendRejected',
      rejectedIndex: logIndex(5),
      hintIndex: logIndex(3),
      hintTerm: diskWith([2]).hardState.term,
    });
    expect(sent).toMatchObject([{ prevLogIndex: 1, prevLogTerm: 1 }]);
  });
  it('the follower names the last place that can match', () => {
    const sent = ask(lone([1, 1, 2, 2, 3, 3]), n2, 5, append([6, 2]));
    expect(sent).toMatchObject([{ rejectedIndex: 6, hintIndex: 4, hintTerm: 2 }]);
  });
  it('the same message twice does what it does once', () => {
    const node = lone();
    const body = append([0, 0], [storedEntry(1, 1), storedEntry(2, 1)], 1);
    ask(node, n2, 1, body);
    expect(ask(node, n2, 1, body)).toMatchObject([{ type: 'appendAccepted', matchIndex: 1 }]);
    expect([node.logTerms, node.applied.length]).toEqual([[1, 1], 1]);
  });
  it('an older message does not cut what a newer one brought', () => {
    const node = lone();
    ask(node, n2, 1, append([0, 0], [storedEntry(1, 1), storedEntry(2, 1)]));
    ask(node, n2, 1, append([0, 0], [storedEntry(1, 1)]));
    expect(node.logTerms).toEqual([1, 1]);
  });
});

describe('section 5.4.2: entries of earlier terms', () => {
  it('are not committed by counting', () => {
    const node = leader([1, 2]);
    ask(node, n2, 3, accepted(2));
    ask(node, n3, 3, accepted(2));
    expect(node.raft.status().commitIndex).toBe(0);
  });
  it('a leader counts itself only for what its own disk has', () => {
    const node = leader();
    node.raft.propose(command('a'));
    node.pump();
    node.raft.step(from(n2, 1, accepted(2)));
    expect(node.raft.status().commitIndex).toBe(1);
    node.settle();
    expect(node.raft.status().commitIndex).toBe(2);
  });
  it('a message about what is committed is answered, and cuts nothing', () => {
    const node = lone([1, 1], { commit: 2 });
    const snapshotless = append([2, 1], [storedEntry(3, 1)], 3);
    ask(node, n2, 1, snapshotless);
    expect(node.raft.status().commitIndex).toBe(3);
    const conflict = append([2, 1], [storedEntry(3, 2)]);
    expect(ask(node, n3, 2, conflict)).toMatchObject([{ type: 'appendAccepted', matchIndex: 3 }]);
    expect(node.logTerms).toEqual([1, 1, 1]);
  });
});

describe('section 5.4.3: what is committed stays', () => {
  it.each([
    [3, true],
    [2, false],
    [1, false],
  ])('with 2 of 3 entries committed the log may be cut at %i: %s', (index, isAllowed) => {
    const options = settingsOf({ nodeId: n2, random: () => 0 });
    const state = openState(options, storedStateOf(diskWith([1, 1, 1], { commit: 2 })));
    const cut = (): void => truncateFrom(state, index);
    if (isAllowed) expect(cut).not.toThrow();
    else expect(cut).toThrow(/is committed .* must not be cut/);
  });
});

describe('section 5.5: crashes', () => {
  it('a message that was handled is handled again after a restart, with the same effect', () => {
    const node = lone();
    const body = append([0, 0], [storedEntry(1, 1)], 1);
    ask(node, n2, 1, body);
    node.restart();
    expect(ask(node, n2, 1, body)).toMatchObject([{ type: 'appendAccepted', matchIndex: 1 }]);
    expect(node.logTerms).toEqual([1]);
  });
});

describe('section 7: log compaction', () => {
  it('a snapshot replaces the log, and the entries after it follow', () => {
    const node = lone([1, 1]);
    const { configuration } = node.raft.status();
    expect(
      node.raft.restoreSnapshot({
        index: logIndex(9),
        term: diskWith([3]).hardState.term,
        configuration,
      }),
    ).toBe(true);
    node.settle();
    expect(node.raft.status()).toMatchObject({
      firstIndex: 10,
      lastIndex: 9,
      commitIndex: 9,
      appliedIndex: 9,
    });
    expect(ask(node, n2, 4, append([9, 3], [storedEntry(10, 4)]))).toMatchObject([
      { matchIndex: 10 },
    ]);
  });
  it('a snapshot of what the log has keeps the log', () => {
    const node = lone([1, 1, 1]);
    const { configuration } = node.raft.status();
    expect(
      node.raft.restoreSnapshot({
        index: logIndex(2),
        term: diskWith([1]).hardState.term,
        configuration,
      }),
    ).toBe(false);
    expect(node.logTerms).toEqual([1, 1, 1]);
  });
  it('what no snapshot holds is not released', () => {
    const node = lone([1, 1, 1]);
    expect(() => node.raft.compact(logIndex(1), logIndex(2))).toThrow(/no snapshot holds/);
    expect(() => node.raft.compact(logIndex(1), logIndex(1))).toThrow(/not applied/);
  });
});

describe('section 8: clients', () => {
  it.each(['follower', 'candidate'])(
    'a %s takes no proposal and names the leader it knows',
    (role) => {
      const node = lone();
      if (role === 'candidate') node.raft.campaign();
      else ask(node, n2, 1, heartbeat);
      const leaderId = role === 'candidate' ? undefined : n2;
      expect(node.raft.propose(command('a'))).toEqual({
        accepted: false,
        code: 'NOT_LEADER',
        leaderId,
      });
    },
  );
  it('a leader commits an entry of its own at the start of its term', () => {
    expect(leader([1, 1]).logTerms).toEqual([1, 1, 2]);
  });
  it('a leader answers no read before that is committed', () => {
    const node = leader([1]);
    node.raft.requestRead();
    node.settle();
    expect(node.take().filter(({ type }) => type === 'heartbeat')).toEqual([]);
    ask(node, n2, 2, accepted(2));
    expect(node.readResults).toEqual([]);
    ask(node, n2, 2, { type: 'heartbeatReply', readRound: 1 });
    expect(node.readResults).toMatchObject([{ confirmed: true, index: 2 }]);
  });
  it('a leader asks a majority for each round of reads anew', () => {
    const node = leader();
    ask(node, n2, 1, accepted(1));
    node.raft.requestRead();
    node.settle();
    ask(node, n2, 1, { type: 'heartbeatReply', readRound: 0 });
    expect(node.readResults).toEqual([]);
    ask(node, n2, 1, { type: 'heartbeatReply', readRound: 1 });
    expect(node.readResults).toHaveLength(1);
  });
});
