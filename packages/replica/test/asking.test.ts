/** Who asks the members what it is, or to take it in, again and again: what it makes of their answers, and how it ends. */
import { logIndex, term } from '@holdfast/bytes';
import type { StoredState } from '@holdfast/raft';
import { configurationOf, nodeId, Raft } from '@holdfast/raft';
import { expect, test } from 'vitest';
import { beTakenOut, Rejoining } from '../src/transfer/rejoining.ts';
import { StandingWatch } from '../src/transfer/standing-watch.ts';
import { Telling } from '../src/transfer/telling.ts';
import type { Answer, MemberRole } from '../src/transfer/transfer-codec.ts';
import { RawPeer } from './fixtures/raw-peer.ts';

/** Where no process listens. */
const NOBODY = { nodeId: 'x', address: { host: 'memory', port: 7100 } };
const REMOVED = { type: 'refused', refusal: 'REMOVED' } as const;
/** Until a node that does not answer is given up. */
const PATIENCE_MS = 15_000;

function isA(role: MemberRole): Answer {
  return { type: 'member', role };
}

function askingOf(peer: RawPeer, around: 'before' | 'behind' = 'before') {
  const { network, clock, nodeId: name, address } = peer.target();
  const peerSource = { nodeId: name, address };
  const sources = around === 'before' ? [NOBODY, peerSource] : [peerSource, NOBODY];
  return { network, clock, sources: () => sources };
}

function rejoiningTo(peer: RawPeer, onVoter: () => Promise<void>): Rejoining {
  const address = { host: 'memory', port: 7001 };
  const question = { type: 'enter', incarnation: '1'.repeat(16), address } as const;
  return new Rejoining({ ...askingOf(peer), question, onVoter });
}

test('who comes back is heard of when a leader knows its new folder, and asks until it is a voter', async () => {
  const peer = await RawPeer.open();
  let voted = 0;
  const rejoining = rejoiningTo(peer, () => {
    voted++;
    return Promise.reject(new Error('the disk is gone'));
  });
  const answers: Answer[] = [{ type: 'refused', refusal: 'NOT_LEADER' }, isA('none'), REMOVED];
  peer.react = () => answers.shift() ?? isA('none');
  rejoining.start();
  await peer.run(3000);
  expect(peer.asked.length).toBeGreaterThan(4);
  expect(rejoining.isAdmitted).toBe(false);
  peer.react = () => isA('learner');
  await peer.run(1000);
  expect([rejoining.isAdmitted, voted]).toEqual([true, 0]);
  peer.react = () => isA('voter');
  await peer.run(1000);
  const { length } = peer.asked;
  await peer.run(3000);
  expect([voted, peer.asked.length]).toEqual([1, length]);
  await rejoining.stop();
  expect([peer.clock.pendingTimers, peer.ended]).toEqual([0, peer.connections.length]);
  await peer.close();
});

test.each([
  ['while it connects', 60],
  ['while it waits for an answer', 150],
  ['between two tries', 300],
])('who is stopped %s asks nothing more, and is stopped at once', async (when, afterMs) => {
  const peer = await RawPeer.open();
  peer.network.setFaults({ delayMs: [20, 20] });
  peer.react = () => (when === 'between two tries' ? isA('none') : undefined);
  const rejoining = rejoiningTo(peer, () => Promise.resolve());
  rejoining.start();
  await peer.run(afterMs);
  const { length } = peer.asked;
  expect(length).toBe(when === 'while it connects' ? 0 : 1);
  const { tookMs } = await peer.until(rejoining.stop());
  expect(tookMs).toBeLessThan(100);
  await peer.run(2 * PATIENCE_MS);
  expect([peer.asked.length, peer.clock.pendingTimers]).toEqual([length, 0]);
  expect(peer.ended).toBe(peer.connections.length);
  await rejoining.stop();
  await peer.close();
});

test('who is stopped waits for what has begun', async () => {
  const peer = await RawPeer.open();
  const voting = Promise.withResolvers<void>();
  const rejoining = rejoiningTo(peer, () => voting.promise);
  peer.react = () => isA('voter');
  rejoining.start();
  await peer.run(50);
  let isStopped = false;
  const stopped = rejoining.stop().then(() => {
    isStopped = true;
  });
  await peer.run(50);
  expect(isStopped).toBe(false);
  voting.resolve();
  await stopped;
  await peer.close();
});

test('a leader that says that the node was removed by hand is believed, and nobody else asked', async () => {
  const peer = await RawPeer.open();
  peer.react = () => REMOVED;
  const { error, tookMs } = await peer.until(beTakenOut(askingOf(peer, 'behind'), 20_000));
  expect(error).toMatchObject({ code: 'REPLICA_REMOVED' });
  expect([tookMs < 100, peer.asked]).toEqual([true, [{ type: 'leave' }]]);
  await peer.close();
});

test('who is not taken out is told what the last one said, when its time is over', async () => {
  const peer = await RawPeer.open();
  peer.react = () => ({ type: 'refused', refusal: 'NOT_LEADER' });
  const { error, tookMs } = await peer.until(beTakenOut(askingOf(peer), 5000));
  expect(error).toMatchObject({ message: expect.stringMatching(/a does not lead/) });
  expect(tookMs).toBeGreaterThanOrEqual(5000);
  expect(tookMs).toBeLessThan(6000);
  const nobody = { ...askingOf(peer), sources: () => [] };
  expect((await peer.until(beTakenOut(nobody, 0))).error).toMatchObject({
    message: 'there are no other nodes',
  });
  peer.react = () => isA('none');
  expect((await peer.until(beTakenOut(askingOf(peer), 5000))).error).toBeUndefined();
  await peer.close();
});

function followerWith(count: number): Raft {
  const self = nodeId('b');
  const stored: StoredState = {
    hardState: { term: term(3), votedFor: undefined, commitIndex: logIndex(0) },
    base: { index: logIndex(0), term: term(0) },
    configuration: configurationOf([self, nodeId('a')]),
    entries: Array.from({ length: count }, () => ({ term: term(2), sizeBytes: 1 })),
    memberships: [],
    appliedIndex: logIndex(0),
  };
  return new Raft({ nodeId: self, random: () => 0.5 }, stored);
}

function watchOf(peer: RawPeer, raft: Raft): StandingWatch {
  return new StandingWatch({
    ...askingOf(peer),
    incarnation: '1'.repeat(16),
    status: () => raft.status(),
    onAnswer: ({ lastIndex: index, lastTerm }, role) =>
      raft.noteStanding({ index, term: lastTerm }, role),
  });
}

test('a node without a leader asks what it is each five seconds, and each minute when it was told that it is none', async () => {
  const peer = await RawPeer.open();
  const raft = followerWith(4);
  const watch = watchOf(peer, raft);
  // The time in which nobody leads counts from the start on.
  await peer.run(10_000);
  watch.start();
  await peer.run(4500);
  expect(peer.asked).toEqual([]);
  peer.react = () => isA('voter');
  await peer.run(1500);
  const { length } = peer.asked;
  expect(peer.asked).toEqual([
    { type: 'standing', incarnation: '1'.repeat(16), lastIndex: 4, lastTerm: 2 },
  ]);
  await peer.run(10_000);
  expect(peer.asked.length - length).toBe(2);
  peer.react = () => REMOVED;
  await peer.run(6000);
  expect(raft.status().toldStanding).toBe('none');
  const told = peer.asked.length;
  await peer.run(50_000);
  expect(peer.asked.length).toBe(told);
  await peer.run(15_000);
  expect(peer.asked.length).toBe(told + 1);
  await watch.stop();
  await peer.close();
});

test('a node that hears of a leader asks nobody what it is', async () => {
  const peer = await RawPeer.open();
  const raft = followerWith(4);
  const said = { from: nodeId('a'), to: nodeId('b'), term: term(3), leaderCommit: logIndex(0) };
  raft.step({ type: 'heartbeat', ...said, readRound: 0 });
  const watch = watchOf(peer, raft);
  watch.start();
  await peer.run(20_000);
  expect(peer.connections).toEqual([]);
  await watch.stop();
  await peer.close();
});

test('a node that waits to be taken in asks nobody what it is', async () => {
  const peer = await RawPeer.open();
  const watch = watchOf(peer, followerWith(0));
  watch.start();
  await peer.run(20_000);
  expect(peer.connections).toEqual([]);
  await watch.stop();
  expect(peer.clock.pendingTimers).toBe(0);
  await peer.close();
});

function tellingTo(peer: RawPeer): Telling {
  const { network, clock, address } = peer.target();
  const ownAddress = () => ({ host: 'memory', port: 7001 });
  const addressesOf = (name: string) => [NOBODY.address, ...(name === 'a' ? [address] : [])];
  return new Telling({ network, clock, addressesOf, ownAddress });
}

test('who is not answered says where it is, once at a time', async () => {
  const peer = await RawPeer.open();
  const telling = tellingTo(peer);
  peer.react = () => isA('voter');
  for (let round = 1; round <= 2; round++) {
    for (let time = 0; time < 3; time++) telling.tell('a');
    telling.tell('x');
    await peer.run(100);
    const question = { type: 'address', address: { host: 'memory', port: 7001 } };
    expect(peer.asked).toEqual(Array.from({ length: round }, () => question));
  }
  expect(peer.ended).toBe(2);
  await telling.stop();
  telling.tell('a');
  await peer.run(100);
  expect([peer.asked.length, peer.clock.pendingTimers]).toEqual([2, 0]);
  await peer.close();
});

test.each([
  ['while it connects', 30],
  ['while it waits for an answer', 150],
])('who says where it is, and is stopped %s, is stopped at once', async (when, afterMs) => {
  const peer = await RawPeer.open();
  peer.network.setFaults({ delayMs: [20, 20] });
  const telling = tellingTo(peer);
  telling.tell('a');
  await peer.run(afterMs);
  const { length } = peer.asked;
  expect(length).toBe(when === 'while it connects' ? 0 : 1);
  const { tookMs } = await peer.until(telling.stop());
  expect(tookMs).toBeLessThan(100);
  // A connection that is on its way is waited for, and closed.
  expect(tookMs > 0).toBe(when === 'while it connects');
  await peer.run(100);
  expect([peer.asked.length, peer.clock.pendingTimers]).toEqual([length, 0]);
  expect(peer.ended).toBe(peer.connections.length);
  await peer.close();
});
