import { describe, expect, it } from 'vitest';
import { diskWith, n1, n2, n3, TestCluster } from './fixtures/test-cluster.ts';
import { command } from './fixtures/test-node.ts';

describe('a cluster', () => {
  it('elects the node whose timeout passes first, and every node follows it', () => {
    const cluster = TestCluster.of(3).tick(20);
    const leader = cluster.leader?.id;
    expect(leader).toBeDefined();
    for (const node of cluster.nodes.values()) expect(node.raft.status().leaderId).toBe(leader);
  });

  it('applies what is proposed on every node, in one order', () => {
    const cluster = TestCluster.of(3).elect(n1);
    for (const words of ['a', 'b', 'c']) cluster.node(n1).raft.propose(command(words));
    // The followers learn from a heartbeat what is committed.
    cluster.settle().tick();
    for (const id of [n1, n2, n3]) expect(cluster.applied(id)).toEqual(['a', 'b', 'c']);
  });

  it('goes on without a minority, and brings it up to date when it is back', () => {
    const cluster = TestCluster.of(3).elect(n1).isolate(n3);
    cluster.node(n1).raft.propose(command('a'));
    cluster.settle().tick();
    expect(cluster.applied(n2)).toEqual(['a']);
    expect(cluster.applied(n3)).toEqual([]);
    cluster.heal().tick(2);
    expect(cluster.applied(n3)).toEqual(['a']);
  });

  it('commits nothing without a majority, and its leader lets go', () => {
    const cluster = TestCluster.of(3).elect(n1).isolate(n1);
    cluster.node(n1).raft.propose(command('a'));
    cluster.settle();
    cluster.node(n1).tick(25);
    cluster.settle();
    expect(cluster.applied(n1)).toEqual([]);
    expect(cluster.node(n1).raft.status().role).not.toBe('leader');
  });

  it('keeps what was committed when its leader is lost and every node restarts', () => {
    const cluster = TestCluster.of(3).elect(n1);
    cluster.node(n1).raft.propose(command('a'));
    cluster.settle();
    for (const node of cluster.nodes.values()) node.restart();
    cluster.isolate(n1).elect(n2);
    expect(cluster.applied(n2)).toEqual(['a']);
  });

  it('is one node alone: it elects itself and commits when its own disk has it', () => {
    const cluster = TestCluster.of(1).tick(20);
    const only = cluster.node(n1);
    only.raft.propose(command('a'));
    only.pump();
    expect(cluster.applied(n1)).toEqual([]);
    only.settle();
    expect(cluster.applied(n1)).toEqual(['a']);
  });

  it('makes the logs of figure 7 alike', () => {
    const logs: Record<string, number[]> = {
      n1: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
      n2: [1, 1, 1, 4, 4, 5, 5, 6, 6],
      n3: [1, 1, 1, 4],
      n4: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      n5: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      n6: [1, 1, 1, 4, 4, 4, 4],
      n7: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    };
    const configuration = {
      voters: Object.keys(logs) as (typeof n1)[],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
    };
    const disks = Object.entries(logs).map(
      ([name, terms]) => [name, diskWith(terms, { term: 7, configuration })] as const,
    );
    const cluster = new TestCluster(Object.fromEntries(disks)).elect(n1).tick(3);
    const wanted = cluster.node(n1).logTerms;
    expect(wanted).toEqual([...(logs['n1'] ?? []), 8]);
    for (const node of cluster.nodes.values()) expect(node.logTerms, node.id).toEqual(wanted);
  });
});
