import { logIndex, term } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { nodeId, Raft } from '../src/index.ts';
import { type RaftOptions, settingsOf } from '../src/settings.ts';
import { accepted, append, ask, from, leader, lone, n2, n3 } from './fixtures/lone-node.ts';
import { diskWith, storedEntry, three } from './fixtures/test-cluster.ts';
import { storedStateOf } from './fixtures/test-disk.ts';
import { command } from './fixtures/test-node.ts';

const body = (sizeBytes: number) => ({ ...command(''), body: [new Uint8Array(sizeBytes)] });

describe('limits of a leader', () => {
  it('a proposal larger than any message is refused', () => {
    const node = leader([], { maxMessageBytes: 100 });
    expect(node.raft.propose(body(100))).toMatchObject({ accepted: false, code: 'TOO_LARGE' });
    expect(node.raft.propose(body(68)).accepted).toBe(true);
  });
  it('what is over the limit of uncommitted bytes is refused until something is committed', () => {
    const node = leader([], { maxUncommittedBytes: 200 });
    expect(node.raft.propose(body(100)).accepted).toBe(true);
    expect(node.raft.propose(body(100))).toMatchObject({ code: 'UNCOMMITTED_LIMIT' });
    node.settle();
    ask(node, n2, 1, accepted(2));
    expect(node.raft.status().uncommittedBytes).toBe(0);
    expect(node.raft.propose(body(100)).accepted).toBe(true);
  });
  it('a proposal over the limit gets in where nothing is uncommitted', () => {
    const node = leader([], { maxUncommittedBytes: 50 });
    ask(node, n2, 1, accepted(1));
    expect(node.raft.propose(body(100)).accepted).toBe(true);
  });
  it('a new leader counts what earlier terms left uncommitted', () => {
    expect(leader([1, 1]).raft.status().uncommittedBytes).toBe(2 * 34 + 32);
  });
  it('more reads than may wait are refused', () => {
    const node = leader([], { maxPendingReads: 2 });
    const codes = [1, 2, 3].map(() => node.raft.requestRead());
    expect(codes.map((result) => (result.accepted ? 'ok' : result.code))).toEqual([
      'ok',
      'ok',
      'TOO_MANY_READS',
    ]);
  });
  it('many proposals of one turn go in one message', () => {
    const node = leader();
    ask(node, n2, 1, accepted(1));
    for (const words of ['a', 'b', 'c']) node.raft.propose(command(words));
    node.pump();
    const sent = node.take().filter(({ to }) => to === n2);
    expect(sent).toHaveLength(1);
    expect(sent).toMatchObject([{ entries: [{ index: 2 }, { index: 3 }, { index: 4 }] }]);
  });
  it('a message has no more bytes than it may', () => {
    const node = leader([], { maxMessageBytes: 100 });
    ask(node, n2, 1, accepted(1));
    for (const words of ['a', 'b', 'c', 'd']) node.raft.propose(command(words));
    node.pump();
    const sent = node.take().filter(({ to }) => to === n2);
    expect(sent.map((m) => (m.type === 'appendEntries' ? m.entries.length : -1))).toEqual([3, 1]);
  });
});

describe('limits of applying', () => {
  it('no more bytes are handed out than may be under way', () => {
    const disk = diskWith([1, 1, 1, 1], { commit: 4 });
    const options = { nodeId: n2, random: () => 0, maxApplyingBytes: 68 };
    const raft = new Raft(options, storedStateOf(disk));
    expect(raft.ready()?.committed).toHaveLength(2);
    expect(raft.ready()).toBeUndefined();
    raft.applied(logIndex(1));
    expect(raft.ready()?.committed).toHaveLength(1);
  });
  it('while that many are under way, what is durable behind them is not held in memory', () => {
    for (const [maxApplyingBytes, isHeld] of [
      [68, false],
      [69, true],
    ] as const) {
      const disk = diskWith([1, 1], { commit: 2 });
      const raft = new Raft({ nodeId: n2, random: () => 0, maxApplyingBytes }, storedStateOf(disk));
      expect(raft.ready()?.committed).toHaveLength(2);
      const told = append([2, 1], [storedEntry(3, 1), storedEntry(4, 1)], 4);
      raft.step({ from: n3, to: n2, term: term(1), ...told } as never);
      const persist = raft.ready()?.persist;
      expect(persist?.entries.map(({ content }) => content !== undefined)).toEqual([true, true]);
      if (persist !== undefined) raft.persisted(persist.ack);
      raft.applied(logIndex(2));
      const committed = raft.ready()?.committed ?? [];
      expect(committed.map(({ index }) => index)).toEqual([3, 4]);
      expect(committed.map(({ content }) => content !== undefined)).toEqual([isHeld, isHeld]);
    }
  });
  it('nothing is reported as applied that was not handed out', () => {
    expect(() => lone([1]).raft.applied(logIndex(1))).toThrow(/never handed out/);
  });
  it('the content of an entry is held until it is durable and handed out, and no longer', () => {
    const node = leader();
    node.raft.propose(body(1000));
    node.settle();
    ask(node, n2, 1, accepted(2));
    const raw = node.raft;
    raw.step({ from: n3, to: nodeId('n1'), term: raw.status().term, ...accepted(1) } as never);
    const ready = raw.ready();
    const sent = ready?.messages.find(({ to }) => to === n3);
    expect(sent).toMatchObject({ entries: [{ index: 2, content: undefined }] });
  });
});

describe('acknowledgements of the disk', () => {
  it('one of a write that was never asked for is a mistake of the driver', () => {
    const { raft } = lone();
    const ack = { write: 7, index: logIndex(0), term: raft.status().term };
    expect(() => raft.persisted(ack)).toThrow(/never asked for/);
  });
  it('the same one twice changes nothing', () => {
    const node = lone();
    ask(node, n2, 1, append([0, 0], [storedEntry(1, 1)]));
    const before = node.raft.status();
    node.raft.persisted({ write: 1, index: logIndex(1), term: before.term });
    expect(node.raft.status()).toEqual(before);
  });
  it('the last one proves all before it', () => {
    const node = lone();
    for (const index of [1, 2, 3]) {
      node.raft.step({
        from: n2,
        to: nodeId('n1'),
        term: 1,
        ...append([index - 1, index === 1 ? 0 : 1], [storedEntry(index, 1)]),
      } as never);
      node.pump();
    }
    const last = node.writes.at(-1);
    if (last === undefined) throw new Error('nothing was written');
    node.raft.persisted(last.ack);
    expect(node.raft.status().persistedIndex).toBe(3);
  });
  it('a stopped node gives out nothing, whatever comes', () => {
    const node = leader();
    node.raft.stop('disk');
    node.take();
    node.raft.ready();
    node.tick(50);
    ask(node, n2, 9, append([0, 0]));
    expect(node.raft.ready()).toBeUndefined();
    expect(node.raft.status()).toMatchObject({ role: 'follower', term: 1, fault: 'disk' });
  });
});

describe('the commit index that is written with a term', () => {
  const snapshot = { index: logIndex(9), term: term(2), configuration: three };
  const cut = append([1, 1], [storedEntry(2, 2), storedEntry(3, 2)], 3);
  const nextTerm = from(n3, 4, { type: 'heartbeat', leaderCommit: logIndex(0), readRound: 1 });

  it('is of nothing that the log on the disk is yet to be cut of', () => {
    const node = lone([1, 1, 1], { term: 2, commit: 1 });
    node.raft.step(from(n2, 2, cut));
    node.raft.step(nextTerm);
    node.pump();
    expect(node.raft.status().commitIndex).toBe(3);
    expect(node.writes).toMatchObject([
      { hardState: { term: 4, commitIndex: 1 }, truncateFrom: 2 },
    ]);
  });
  it('nor while the cut is on its way', () => {
    const node = lone([1, 1, 1], { term: 2, commit: 1 });
    node.raft.step(from(n2, 2, cut));
    node.pump();
    node.raft.step(nextTerm);
    node.pump();
    expect(node.writes).toMatchObject([{ truncateFrom: 2 }, { hardState: { commitIndex: 1 } }]);
  });
  it('nor of what a snapshot is yet to replace', () => {
    const node = lone([1, 1, 1], { term: 2, commit: 1 });
    expect(node.raft.restoreSnapshot(snapshot)).toBe(true);
    expect(node.raft.status()).toMatchObject({ commitIndex: 9, persistedIndex: 1 });
    node.raft.step(nextTerm);
    node.pump();
    expect(node.writes).toMatchObject([{ hardState: { commitIndex: 1 } }]);
    node.settle();
    expect(node.raft.status().persistedIndex).toBe(9);
  });
});

describe('a node that makes a snapshot its own', () => {
  it('stands for no election before that is durable, as it has no whole log', () => {
    const node = lone([1, 1, 1], { term: 2, commit: 1 });
    const snapshot = { index: logIndex(9), term: term(2), configuration: three };
    expect(node.raft.restoreSnapshot(snapshot)).toBe(true);
    node.raft.campaign();
    expect(node.raft.status()).toMatchObject({ role: 'follower', term: 2 });
    node.pump();
    node.raft.campaign();
    node.raft.step(from(n2, 2, { type: 'timeoutNow' }));
    expect(node.raft.status()).toMatchObject({ role: 'follower', term: 2 });
    node.settle();
    node.raft.campaign();
    expect(node.raft.status()).toMatchObject({ role: 'candidate', term: 3 });
  });
});

describe('a message that has this node as its sender', () => {
  it('is not looked at', () => {
    const node = lone([1, 1], { term: 2 });
    const before = node.raft.status();
    expect(ask(node, nodeId('n1'), 9, append([2, 1], [storedEntry(3, 9)], 3))).toEqual([]);
    expect(ask(node, nodeId('n1'), 9, { type: 'voteReply', granted: true })).toEqual([]);
    expect(node.raft.status()).toEqual(before);
  });
});

describe('what need not be said', () => {
  it('what only tells of a commit is not acknowledged, but each leader is told once what is here', () => {
    const node = lone([1, 1, 1]);
    expect(ask(node, n2, 1, append([3, 1], [], 1))).toMatchObject([accepted(3)]);
    expect(ask(node, n2, 1, append([3, 1], [], 2))).toEqual([]);
    expect(ask(node, n2, 1, append([3, 1], [], 2))).toMatchObject([accepted(3)]);
    expect(ask(node, n3, 2, append([3, 1], [], 3))).toMatchObject([accepted(3)]);
  });
});

describe('settings that cannot work are refused', () => {
  const cases: readonly Partial<RaftOptions>[] = [
    { electionTimeoutTicks: 1 },
    { electionTimeoutTicks: 3, heartbeatTicks: 2 },
    { heartbeatTicks: 0 },
    { maxMessageBytes: 0 },
    { maxInFlightBytes: -1 },
    { maxInFlightMessages: 1.5 },
    { maxUncommittedBytes: Number.NaN },
    { maxApplyingBytes: Number.POSITIVE_INFINITY },
    { maxPendingReads: 0 },
  ];
  it.each(cases)('%j', (options) => {
    expect(() => settingsOf({ nodeId: n2, random: () => 0, ...options })).toThrow(
      /not a positive integer|too short/,
    );
  });
});

describe('what stands for the log', () => {
  it('is never older than what stands for it already', () => {
    const node = lone([1, 1]);
    const { configuration } = node.raft.status();
    node.raft.restoreSnapshot({ index: logIndex(9), term: term(3), configuration });
    node.settle();
    node.raft.compact(logIndex(2), logIndex(2));
    expect(node.raft.status()).toMatchObject({ firstIndex: 10, lastIndex: 9 });
  });
});
