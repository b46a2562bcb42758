/** What a node learns that was taken out while it was away, and from whom (ADR 0039). */
import { logIndex, term } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { configurationOf, type LogPosition } from '../src/index.ts';
import { ask, lone, voteFor } from './fixtures/lone-node.ts';
import { diskWith, n1, n2, n3, TestCluster } from './fixtures/test-cluster.ts';
import { command, type TestNode } from './fixtures/test-node.ts';

/** More than any election timeout. */
const LONG = 25;

function endOf({ raft }: TestNode): LogPosition {
  const { lastIndex: index, lastTerm } = raft.status();
  return { index, term: lastTerm };
}

/** n3 of three is taken out while it is cut off; it knows no leader, and can be reached again. */
function withoutThird(): TestCluster {
  const cluster = TestCluster.of(3).elect(n1).tick();
  cluster.isolate(n3);
  change(cluster, { type: 'remove', nodeId: n3 });
  const node = cluster.node(n3);
  node.tick(LONG).settle().take();
  expect(node.raft.status().leaderId).toBeUndefined();
  return cluster.heal();
}

/** n3 learns from n1 and n2. */
function withLearner(): TestCluster {
  const configuration = configurationOf([n1, n2], [n3]);
  const disk = () => diskWith([], { configuration });
  return new TestCluster({ n1: disk(), n2: disk(), n3: disk() }).elect(n1).tick();
}

function change(
  cluster: TestCluster,
  ...changes: Parameters<TestNode['raft']['proposeMembership']>[0]
): void {
  expect(cluster.node(n1).raft.proposeMembership(changes).accepted).toBe(true);
  cluster.settle().tick();
}

describe('a leader that is silent', () => {
  it('is forgotten by a learner, which may not stand for election itself', () => {
    const cluster = withLearner();
    const { raft } = cluster.node(n3);
    expect(raft.status().leaderId).toBe(n1);
    cluster.isolate(n3);
    cluster.node(n3).tick(LONG);
    expect(raft.status()).toMatchObject({ role: 'follower', leaderId: undefined });
    cluster.heal().tick();
    expect(raft.status().leaderId).toBe(n1);
  });

  it('is forgotten by a learner that it has taken out', () => {
    const cluster = withLearner();
    change(cluster, { type: 'remove', nodeId: n3 });
    cluster.tick(LONG);
    expect(cluster.node(n3).raft.status().leaderId).toBeUndefined();
    expect(cluster.node(n2).raft.status().leaderId).toBe(n1);
  });
});

describe('what a node is', () => {
  it('is known to the leader and to whoever has applied it', () => {
    const cluster = withoutThird();
    const end = endOf(cluster.node(n3));
    for (const asked of [n1, n2]) {
      const { raft } = cluster.node(asked);
      expect(raft.standingOf(n3, end)).toBe('none');
      expect(raft.standingOf(n2, endOf(cluster.node(n2)))).toBe('voter');
    }
    change(cluster, { type: 'addLearner', nodeId: n3 });
    expect(cluster.node(n2).raft.standingOf(n3, end)).toBe('learner');
  });

  it('is not said by who has less: it does not know who was taken in since', () => {
    const cluster = withoutThird().isolate(n2);
    cluster.node(n1).raft.proposeMembership([{ type: 'addLearner', nodeId: n3 }]);
    cluster.heal().cut.add('n1>n2').add('n2>n1');
    cluster.settle();
    const end = endOf(cluster.node(n3));
    expect(cluster.node(n3).raft.status().configuration.learners).toEqual([n3]);
    expect(cluster.node(n2).raft.standingOf(n3, end)).toBeUndefined();
  });

  it('is told by the end of what is committed, and not of the log: first by term, then by index', () => {
    const node = lone([1, 1, 2, 2], { commit: 3 });
    node.settle();
    const standing = (index: number, ofTerm: number) =>
      node.raft.standingOf(n3, { index: logIndex(index), term: term(ofTerm) });
    expect(standing(3, 2)).toBe('voter');
    expect(standing(9, 1)).toBe('voter');
    expect(standing(4, 2)).toBeUndefined();
    expect(standing(1, 3)).toBeUndefined();
  });

  it('is a member as soon as it is being taken in, and until it is surely out', () => {
    const cluster = withoutThird();
    const end = endOf(cluster.node(n3));
    cluster.isolate(n1);
    cluster.node(n1).raft.proposeMembership([{ type: 'addLearner', nodeId: n3 }]);
    expect(cluster.settle().node(n1).raft.standingOf(n3, end)).toBe('learner');

    const other = withLearner();
    const endOfOther = endOf(other.node(n3));
    other
      .isolate(n1)
      .node(n1)
      .raft.proposeMembership([{ type: 'remove', nodeId: n3 }]);
    const { raft } = other.settle().node(n1);
    expect(raft.status().configuration.learners).toEqual([]);
    expect(raft.standingOf(n3, endOfOther)).toBe('learner');
  });
});

describe('a node that was told that it is no member', () => {
  it('asks for no votes any more', () => {
    const cluster = withoutThird();
    const node = cluster.node(n3);
    expect(node.tick(LONG).settle().take()).not.toEqual([]);
    node.raft.noteStanding(endOf(node), 'none');
    expect(node.raft.status()).toMatchObject({ role: 'follower', toldStanding: 'none' });
    node.tick(4 * LONG).settle();
    node.raft.campaign();
    expect(node.settle().take()).toEqual([]);
  });

  it('gives its vote to others: a mistake takes nothing from them', () => {
    const node = lone([1]);
    node.raft.noteStanding(endOf(node), 'none');
    expect(ask(node, n2, 2, voteFor([1, 1]))).toMatchObject([{ type: 'voteReply', granted: true }]);
  });

  it('goes on at once when a leader speaks to it, and may lead again', () => {
    const cluster = withoutThird();
    const node = cluster.node(n3);
    node.raft.noteStanding(endOf(node), 'none');
    expect(node.raft.status().toldStanding).toBe('none');
    change(cluster, { type: 'addLearner', nodeId: n3 });
    expect(node.raft.status()).toMatchObject({ toldStanding: undefined, leaderId: n1 });
    change(cluster, { type: 'promote', nodeId: n3 });
    cluster.node(n1).raft.transferLeadership(n3);
    expect(cluster.settle().leader?.id).toBe(n3);
  });

  it('hears of it when it asks again and is a member by then', () => {
    const node = lone([1]);
    node.raft.noteStanding(endOf(node), 'none');
    node.raft.noteStanding(endOf(node), 'voter');
    node.tick(LONG).settle();
    expect(node.raft.status()).toMatchObject({ toldStanding: 'voter', role: 'candidate' });
  });

  it('does not take an answer for one of now that is older than what it has heard', () => {
    const cluster = withoutThird();
    const node = cluster.node(n3);
    const asked = endOf(node);
    change(cluster, { type: 'addLearner', nodeId: n3 });
    node.raft.noteStanding(endOf(node), 'none');
    expect(node.raft.status().toldStanding).toBeUndefined();
    cluster.node(n1).raft.propose(command('a'));
    cluster.settle().isolate(n3);
    node.tick(LONG);
    expect(node.raft.status().leaderId).toBeUndefined();
    node.raft.noteStanding(asked, 'none');
    expect(node.raft.status().toldStanding).toBeUndefined();
  });
});
