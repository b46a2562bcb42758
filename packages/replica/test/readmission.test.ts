/** What a leader says to a node that leaves or comes back, and when it must not say it (ADR 0027). */
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { readMember } from '../src/member-file.ts';
import type { MemberQuestion } from '../src/transfer/transfer-codec.ts';
import { askMember as ask } from './fixtures/ask-member.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const FOURTH = { host: 'memory', port: 7044 };
const LEAVE = { type: 'leave' } as const;
/** What was asked is asked again: there was no answer in time, or the node has none. */
const NO_ANSWER = /does not answer|cannot answer|has an older state|does not lead/;

function enterOf(incarnation: string): MemberQuestion {
  return { type: 'enter', incarnation, address: FOURTH };
}

async function incarnationOf(cluster: MemoryCluster, name: string): Promise<string> {
  return (await readMember(cluster.node(name).env, '/data'))?.incarnation ?? '';
}

async function addFourth(cluster: MemoryCluster, leader: string): Promise<void> {
  const n4 = await cluster.start('n4', { address: FOURTH });
  await cluster.until(cluster.replica(leader).cluster.add('n4', FOURTH));
  await cluster.untilTrue(() => n4.cluster.status().appliedIndex > 5, 'what n4 is to have');
}

/** A cluster that n1 leads, whose time can be stopped. */
async function withPausable(): Promise<{ cluster: MemoryCluster; time: { isPaused: boolean } }> {
  const cluster = await MemoryCluster.open();
  const own = new ManualClock();
  const time = { isPaused: false };
  const follow = (): void => {
    if (!time.isPaused) own.advance(1);
    cluster.clock.setTimer(1, follow);
  };
  follow();
  await cluster.stop('n1');
  const node = cluster.node('n1');
  node.env = await createMemoryEnv({ seed: 5, clock: own, files: node.env.files });
  const n1 = await cluster.start('n1');
  const caughtUp = (): boolean => n1.cluster.status().leaderId !== undefined;
  await cluster.untilTrue(caughtUp, 'leader that n1 follows');
  await cluster.until((await cluster.leader()).cluster.transferLeader('n1'));
  await cluster.untilTrue(() => n1.cluster.status().role === 'leader', 'n1 as the leader');
  return { cluster, time };
}

/** n1, whose time stands still, has missed that another one leads and has taken n4 in. */
async function withLeaderOfBefore(
  before: (cluster: MemoryCluster) => Promise<void>,
): Promise<{ cluster: MemoryCluster; time: { isPaused: boolean } }> {
  const { cluster, time } = await withPausable();
  await before(cluster);
  time.isPaused = true;
  cluster.network.partition(['n1'], ['n2', 'n3']);
  const next = (): string | undefined =>
    ['n2', 'n3'].find((name) => cluster.replica(name).cluster.status().role === 'leader');
  await cluster.untilTrue(() => next() !== undefined, 'leader beside n1');
  const leader = next() ?? '';
  await addFourth(cluster, leader);
  await cluster.until(cluster.replica(leader).cluster.promote('n4'));
  await cluster.stop('n4');
  expect(cluster.replica('n1').cluster.status().role).toBe('leader');
  return { cluster, time };
}

test.each([
  ['of whom it has not heard', async () => undefined],
  [
    'that was removed by hand before',
    async (cluster: MemoryCluster) => {
      await addFourth(cluster, 'n1');
      await cluster.until(cluster.replica('n1').cluster.remove('n4'));
      await cluster.stop('n4');
    },
  ],
])(
  'a leader that was paused, and does not lead any more, tells no member of now %s that it is none',
  async (_, before) => {
    const { cluster, time } = await withLeaderOfBefore(before);
    expect(await ask(cluster, 'n4', 'n1', LEAVE)).toMatch(NO_ANSWER);
    // Nor when it hears meanwhile who leads, and from that one that it is up to date.
    const asked = ask(cluster, 'n4', 'n1', LEAVE);
    await cluster.run(100);
    cluster.network.heal();
    time.isPaused = false;
    expect(await asked).toMatch(NO_ANSWER);
    await cluster.run(3000);
    expect(await ask(cluster, 'n4', cluster.nameOf(await cluster.leader()), LEAVE)).toBe('none');
    await cluster.close();
  },
);

test('who is none hears so from the leader, and from nobody else', async () => {
  const cluster = await MemoryCluster.open();
  expect(await ask(cluster, 'n4', cluster.nameOf(await cluster.leader()), LEAVE)).toBe('none');
  const follower = cluster.nameOf(await cluster.follower());
  expect(await ask(cluster, 'n4', follower, LEAVE)).toContain('does not lead');
  await cluster.close();
});

test('a learner that has not acknowledged anything yet is left where it is', async () => {
  const cluster = await MemoryCluster.open();
  const leader = await cluster.leader();
  await cluster.until(leader.cluster.add('n4', FOURTH));
  const { lastIndex } = leader.cluster.status();
  expect(await ask(cluster, 'n4', cluster.nameOf(leader), enterOf('1'.repeat(16)))).toBe('learner');
  expect(leader.cluster.status().lastIndex).toBe(lastIndex);
  await cluster.close();
});

test('a voter whose folder nobody has heard of is taken out before another one is taken in', async () => {
  const cluster = new MemoryCluster();
  for (const name of ['n1', 'n2']) await cluster.start(name);
  const leader = await cluster.leader();
  const enter = enterOf('1'.repeat(16));
  const isMember = (): boolean =>
    leader.cluster.status().members.some(({ nodeId }) => nodeId === 'n3');
  expect(isMember()).toBe(true);
  expect(await ask(cluster, 'n3', cluster.nameOf(leader), enter)).toBe('none');
  expect(isMember()).toBe(false);
  expect(await ask(cluster, 'n3', cluster.nameOf(leader), enter)).toBe('learner');
  await cluster.close();
});

test('a learner that cannot be promoted is not told that it is a voter', async () => {
  const cluster = await MemoryCluster.open();
  const leader = cluster.nameOf(await cluster.leader());
  await addFourth(cluster, leader);
  const enter = enterOf(await incarnationOf(cluster, 'n4'));
  await cluster.stop('n4');
  await cluster.run(5000);
  expect(await ask(cluster, 'n4', leader, enter, 10_000)).toMatch(NO_ANSWER);
  await cluster.close();
});

test('a node that comes back is a voter when that is agreed on, however often it asks', async () => {
  const cluster = await MemoryCluster.open();
  const leader = cluster.nameOf(await cluster.leader());
  await addFourth(cluster, leader);
  const enter = enterOf(await incarnationOf(cluster, 'n4'));
  // They answer heartbeats, so it leads, and write nothing, so nothing is agreed on.
  const others = ['n1', 'n2', 'n3'].filter((name) => name !== leader);
  const slow = others.map((name) => cluster.slowDown(name, 8000));
  for (let time = 0; time < 2; time++) {
    expect(await ask(cluster, 'n4', leader, enter)).toMatch(NO_ANSWER);
  }
  expect(cluster.replica(leader).cluster.status().role).toBe('leader');
  for (const { stop } of slow) stop();
  await cluster.run(9000);
  expect(await ask(cluster, 'n4', leader, enter)).toBe('voter');
  await cluster.close();
});
