/** What a node hears that was taken out while it was away, and what nobody must tell it (ADR 0039). */
import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { readMember } from '../src/member-file.ts';
import { askMember } from './fixtures/ask-member.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const ELSEWHERE = { host: 'memory', port: 7099 };
/** Longer than a node is patient, and than an answer takes. */
const LONG_MS = 15_000;

function statusOf(cluster: MemoryCluster, name: string) {
  return cluster.replica(name).cluster.status();
}

function isRemoved(cluster: MemoryCluster, name: string): boolean {
  return statusOf(cluster, name).isRemoved;
}

async function removed(cluster: MemoryCluster, name: string): Promise<void> {
  const { cluster: control } = await cluster.leader();
  await cluster.until(control.remove(name));
  const others = cluster.running.filter((node) => node.name !== name);
  await cluster.untilTrue(
    () => others.every((node) => !membersAt(cluster, node.name).includes(name)),
    'who knows all that it was removed',
  );
}

function membersAt(cluster: MemoryCluster, name: string): readonly string[] {
  return statusOf(cluster, name).members.map(({ nodeId }) => nodeId);
}

/** A cluster of three, one of which was removed while it was down and has been started again. */
async function withOneRemoved(): Promise<{ cluster: MemoryCluster; name: string }> {
  const cluster = await MemoryCluster.open();
  const name = cluster.nameOf(await cluster.follower());
  await cluster.stop(name);
  await removed(cluster, name);
  await cluster.start(name);
  return { cluster, name };
}

/** What is so all the time for a while. */
async function always(cluster: MemoryCluster, elapsedMs: number, isSo: () => boolean) {
  const endMs = cluster.clock.monotonicMs() + elapsedMs;
  while (cluster.clock.monotonicMs() < endMs) {
    await cluster.step();
    if (!isSo()) return false;
  }
  return true;
}

test('a node that was removed while it was down asks again when it was started again', async () => {
  const { cluster, name } = await withOneRemoved();
  await cluster.untilTrue(() => isRemoved(cluster, name), 'that it was removed', 10_000);
  await cluster.stop(name);
  await cluster.start(name);
  expect(isRemoved(cluster, name)).toBe(false);
  await cluster.untilTrue(() => isRemoved(cluster, name), 'that it was removed', 10_000);
  await cluster.close();
});

test('one that was cut off meanwhile knows it when it reaches any member', async () => {
  const cluster = await MemoryCluster.open();
  const leader = cluster.nameOf(await cluster.leader());
  const [name = '', other = ''] = ['n1', 'n2', 'n3'].filter((one) => one !== leader);
  cluster.network.partition([name], [leader, other]);
  await removed(cluster, name);
  await cluster.run(LONG_MS);
  expect(isRemoved(cluster, name)).toBe(false);
  cluster.network.heal();
  cluster.network.partition([name], [leader]);
  await cluster.untilTrue(() => isRemoved(cluster, name), 'that it was removed', LONG_MS);
  await cluster.close();
});

test('one that was removed while it ran stands for no election either', async () => {
  const cluster = await MemoryCluster.open();
  const name = cluster.nameOf(await cluster.follower());
  await removed(cluster, name);
  await cluster.run(LONG_MS);
  const isQuiet = (): boolean => statusOf(cluster, name).role === 'follower';
  expect(await always(cluster, LONG_MS, isQuiet)).toBe(true);
  expect(isRemoved(cluster, name)).toBe(true);
  await cluster.close();
});

test('a node that waits to be taken in is not told that it was removed', async () => {
  const cluster = await MemoryCluster.open();
  await cluster.start('n4', { address: ELSEWHERE });
  expect(await always(cluster, LONG_MS, () => !isRemoved(cluster, 'n4'))).toBe(true);
  await cluster.close();
});

test('it goes on at once when it is taken in again, with what it has', async () => {
  const { cluster, name } = await withOneRemoved();
  await cluster.untilTrue(() => isRemoved(cluster, name), 'that it was removed', 10_000);
  const { cluster: control, store } = await cluster.leader();
  const operations = [{ kind: 'put' as const, key: utf8('key'), value: utf8('value') }];
  await cluster.until(store.transact({ operations }));
  await cluster.until(control.add(name, cluster.replica(name).address));
  await cluster.untilTrue(() => !isRemoved(cluster, name), 'a member again', 1000);
  await cluster.until(control.promote(name));
  const entry = await cluster.until(cluster.replica(name).store.get(utf8('key')));
  expect(Buffer.from(entry?.value ?? []).toString()).toBe('value');
  await cluster.until(control.transferLeader(name));
  await cluster.untilTrue(() => statusOf(cluster, name).role === 'leader', 'a leader of it');
  await cluster.close();
});

test('an old folder whose name is that of another one by now knows that it is no member', async () => {
  const cluster = await MemoryCluster.open();
  const name = cluster.nameOf(await cluster.follower());
  const node = cluster.node(name);
  await cluster.stop(name);
  const { env: old } = node;
  node.env = await createMemoryEnv({ seed: 77, clock: cluster.clock });
  await removed(cluster, name);
  const fresh = await cluster.start(name, { address: ELSEWHERE });
  await cluster.until((await cluster.leader()).cluster.add(name, ELSEWHERE));
  await cluster.untilTrue(() => fresh.cluster.status().appliedIndex > 5, 'what it is to have');
  await cluster.until((await cluster.leader()).cluster.promote(name));
  await cluster.stop(name);
  const taken = node.env;
  node.env = old;
  await cluster.start(name);
  await cluster.untilTrue(() => isRemoved(cluster, name), 'that it was removed', LONG_MS);
  await cluster.stop(name);
  // The one that counts is a member, and hears so.
  node.env = taken;
  const again = await cluster.start(name, { address: ELSEWHERE });
  await cluster.untilTrue(() => again.cluster.status().leaderId !== undefined, 'a leader');
  expect(isRemoved(cluster, name)).toBe(false);
  await cluster.close();
});

test('members without a leader tell each other nothing, and go on when there is one', async () => {
  const cluster = await MemoryCluster.open();
  const [name = '', other = ''] = ['n1', 'n2', 'n3'].filter((one) => one !== 'n3');
  await cluster.crash('n3');
  cluster.network.partition([name], [other]);
  const areMembers = (): boolean => !isRemoved(cluster, name) && !isRemoved(cluster, other);
  expect(await always(cluster, LONG_MS, areMembers)).toBe(true);
  cluster.network.heal();
  await cluster.leader();
  expect(areMembers()).toBe(true);
  await cluster.close();
});

test('a member says what is agreed on, and nothing to who may know more', async () => {
  const cluster = await MemoryCluster.open();
  const { lastIndex, term: lastTerm } = statusOf(cluster, 'n1');
  const asked = { type: 'standing', incarnation: '1'.repeat(16), lastIndex, lastTerm } as const;
  expect(await askMember(cluster, 'n4', 'n1', asked)).toContain('was removed');
  for (const more of [{ lastTerm: 99 }, { lastIndex: 99 }]) {
    const answer = await askMember(cluster, 'n4', 'n1', { ...asked, ...more });
    expect(answer).toContain('has an older state');
  }
  const { incarnation = '' } = (await readMember(cluster.node('n2').env, '/data')) ?? {};
  expect(await askMember(cluster, 'n2', 'n1', { ...asked, incarnation })).toBe('voter');
  await cluster.close();
});
