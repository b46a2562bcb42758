import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import type { Replica, ReplicaSettings } from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const SETTINGS: ReplicaSettings = {
  store: {
    reserveSizeBytes: 0,
    wal: { segmentSizeBytes: 64 * 1024, preallocate: false, cacheSizeBytes: 0 },
  },
  transferAnswerLimitMs: 200,
};
const COUNT = 40;

function valueOf(at: number): Uint8Array {
  return new Uint8Array(8000).fill(at + 1);
}

function put(at: number) {
  return { operations: [{ kind: 'put' as const, key: utf8(`key-${at}`), value: valueOf(at) }] };
}

async function load(cluster: MemoryCluster): Promise<void> {
  for (let at = 0; at < COUNT; at++) {
    await cluster.until((await cluster.leader()).store.transact(put(at)));
  }
}

/** Damages a value in the log of a node, wherever that is. */
async function damage(cluster: MemoryCluster, name: string, at: number): Promise<void> {
  const { files } = cluster.node(name).env;
  for (const { path, sizeBytes } of cluster.replica(name).store.status().segments) {
    const bytes = Buffer.alloc(sizeBytes);
    const file = await files.open(path, 'read');
    await file.read(bytes, 0);
    await file.close();
    const offset = bytes.indexOf(valueOf(at));
    if (offset >= 0) files.corrupt(path, { offset: offset + 4000, length: 10, how: 'garble' });
  }
}

async function addFourth(cluster: MemoryCluster, leader: Replica): Promise<void> {
  const address = { host: 'memory', port: 7009 };
  await cluster.start('n4', { address });
  await cluster.until(leader.cluster.add('n4', address));
}

async function mustHaveAll(cluster: MemoryCluster, name: string): Promise<void> {
  for (let at = 0; at < COUNT; at++) {
    const read = await cluster.until(cluster.replica(name).store.get(utf8(`key-${at}`)));
    expect(read?.value).toEqual(valueOf(at));
  }
}

test('a leader whose own log is damaged where a new member needs it has it sent the state', async () => {
  const cluster = await MemoryCluster.open({ settings: SETTINGS });
  await load(cluster);
  const leader = await cluster.leader();
  const name = cluster.nameOf(leader);
  await damage(cluster, name, 2);
  await damage(cluster, name, 20);
  await addFourth(cluster, leader);
  const isThere = (): boolean => {
    const { commitIndex } = leader.cluster.status();
    return cluster.replica('n4').cluster.status().appliedIndex === commitIndex;
  };
  await cluster.untilTrue(isThere, 'state on n4');
  await cluster.until(leader.cluster.promote('n4'));
  await mustHaveAll(cluster, 'n4');
  expect(cluster.nameOf(await cluster.leader())).toBe(name);
  for (const { failures } of cluster.nodes.values()) expect(failures).toEqual([]);
  await cluster.close();
});

test('a log that was of no use to others is released up to the damage with the next flush', async () => {
  const cluster = await MemoryCluster.open({ settings: SETTINGS });
  await load(cluster);
  const leader = await cluster.leader();
  const name = cluster.nameOf(leader);
  await damage(cluster, name, 20);
  await addFourth(cluster, leader);
  await cluster.untilTrue(
    () => cluster.replica('n4').cluster.status().appliedIndex > COUNT,
    'state on n4',
  );
  await cluster.until(leader.store.flush());
  expect(leader.store.status().segments.some(({ released }) => released)).toBe(true);
  await cluster.stop(name);
  await cluster.start(name);
  expect(cluster.replica(name).cluster.status().firstIndex).toBeGreaterThan(20);
  await mustHaveAll(cluster, 'n4');
  await cluster.close();
});

test('a leader that cannot read what is not committed yet stops, and another one leads', async () => {
  const cluster = await MemoryCluster.open({ settings: SETTINGS });
  await load(cluster);
  const name = cluster.nameOf(await cluster.leader());
  const [second = '', third = ''] = ['n1', 'n2', 'n3'].filter((other) => other !== name);
  await cluster.crash(second, true);
  await cluster.crash(third, true);
  const { store } = cluster.replica(name);
  const unknown = store.transact(put(COUNT));
  unknown.catch(() => undefined);
  await cluster.run(100);
  await cluster.crash(name, true);
  // Of these two only the one whose log is longer can lead.
  await cluster.start(name);
  await damage(cluster, name, COUNT);
  await cluster.start(second);
  await cluster.untilTrue(() => cluster.node(name).failures.length > 0, 'failure');
  expect(cluster.node(name).failures).toMatchObject([{ code: 'KV_UNAVAILABLE' }]);
  await cluster.start(third);
  await cluster.crash(name);
  await cluster.leader();
  await mustHaveAll(cluster, second);
  await cluster.close();
});
