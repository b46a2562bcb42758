import { utf8 } from '@holdfast/bytes';
import { replaceFile } from '@holdfast/kv';
import { expect, test } from 'vitest';
import type { ReplicaSettings } from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const SETTINGS: ReplicaSettings = {
  repairsFromPeers: true,
  retainedLogBytes: 1,
  store: {
    reserveSizeBytes: 0,
    memtableSizeBytes: 32 * 1024,
    replaySizeBytes: 32 * 1024,
    wal: { segmentSizeBytes: 64 * 1024, preallocate: false },
  },
  transferAnswerLimitMs: 200,
};
const COUNT = 40;

function valueOf(at: number): Uint8Array {
  return new Uint8Array(3000).fill(at + 1);
}

async function put(cluster: MemoryCluster, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at++) {
    const operations = [{ kind: 'put' as const, key: utf8(`key-${at}`), value: valueOf(at) }];
    await cluster.until((await cluster.leader()).store.transact({ operations }));
  }
}

async function mustHaveAll(cluster: MemoryCluster, name: string, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const read = await cluster.until(cluster.replica(name).store.get(utf8(`key-${at}`)));
    expect(read?.value).toEqual(valueOf(at));
  }
}

/** Three nodes with data, of which n2 is down and its files are damaged where `path` says. */
async function damaged(
  path: RegExp,
  settings: ReplicaSettings = {},
  count: number = COUNT,
): Promise<MemoryCluster> {
  const cluster = await stopped(settings, count);
  damage(cluster, path);
  return cluster;
}

async function stopped(
  settings: ReplicaSettings = {},
  count: number = COUNT,
): Promise<MemoryCluster> {
  const cluster = await MemoryCluster.open({ settings: { ...SETTINGS, ...settings } });
  // Twice, so that segments die and the log does not reach back to before the tables.
  await put(cluster, 0, count);
  await put(cluster, 0, count);
  await cluster.until(cluster.replica('n2').store.flush());
  await cluster.stop('n2');
  return cluster;
}

function damage(cluster: MemoryCluster, path: RegExp): void {
  const { files } = cluster.node('n2').env;
  const found = files.listAll('/data').filter((file) => path.test(file.path));
  expect(found).not.toEqual([]);
  for (const file of found) {
    files.corrupt(file.path, { offset: 0, length: file.sizeBytes - 100, how: 'garble' });
  }
}

function isVoter(cluster: MemoryCluster, name: string): boolean {
  const { configuration } = cluster.replica(name).cluster.status();
  return (configuration.voters as readonly string[]).includes(name);
}

function isMember(cluster: MemoryCluster): boolean {
  return cluster
    .replica('n1')
    .cluster.status()
    .members.some(({ nodeId }) => nodeId === 'n2');
}

function pathsOf(cluster: MemoryCluster): string[] {
  return cluster
    .node('n2')
    .env.files.listAll('/data')
    .map(({ path }) => path.slice('/data/'.length));
}

async function untilVoter(cluster: MemoryCluster): Promise<void> {
  await cluster.untilTrue(
    () => isVoter(cluster, 'n2') && !pathsOf(cluster).includes('REJOIN'),
    'voter n2',
  );
}

test.each([
  ['log', /wal\/.*\.wal$/],
  ['table', /kv\/.*\.table$/],
  ['MANIFEST', /kv\/MANIFEST$/],
  ['node.json', /node\.json$/],
])(
  'a node with a damaged %s sets its files aside, and is taken in anew with everything',
  async (_, path) => {
    const cluster = await damaged(path);
    await put(cluster, COUNT, COUNT + 5);
    await cluster.start('n2');
    await untilVoter(cluster);
    const aside = pathsOf(cluster).filter((name) => name.startsWith('damaged-1/'));
    expect(aside.some((name) => path.test(name))).toBe(true);
    expect(aside).toContain('damaged-1/member.json');
    await put(cluster, COUNT + 5, COUNT + 10);
    // It counts again: with one of the others away there is a majority.
    await cluster.crash('n1');
    await put(cluster, COUNT + 10, COUNT + 12);
    await mustHaveAll(cluster, 'n2', COUNT + 12);
    await cluster.stop('n2');
    await cluster.start('n2');
    await mustHaveAll(cluster, 'n2', COUNT + 12);
    expect(pathsOf(cluster).some((name) => name.startsWith('damaged-2/'))).toBe(false);
    await cluster.close();
  },
);

test.each([
  ['its log', /^wal\//],
  ['its log and its index', /^(wal|kv)\//],
])(
  'a node that has lost %s, and says who it is, is taken in anew with everything',
  async (_, lost) => {
    const cluster = await stopped();
    const { files } = cluster.node('n2').env;
    for (const name of pathsOf(cluster).filter((path) => lost.test(path))) {
      await files.unlink(`/data/${name}`);
    }
    await put(cluster, COUNT, COUNT + 5);
    await cluster.start('n2');
    await untilVoter(cluster);
    expect(pathsOf(cluster)).toContain('damaged-1/member.json');
    await cluster.crash('n1');
    await put(cluster, COUNT + 5, COUNT + 7);
    await mustHaveAll(cluster, 'n2', COUNT + 7);
    await cluster.close();
  },
);

test('a node that has lost its log is refused without that policy, and nothing is changed', async () => {
  const cluster = await stopped({ repairsFromPeers: false });
  const { files } = cluster.node('n2').env;
  for (const name of pathsOf(cluster).filter((path) => path.startsWith('wal/'))) {
    await files.unlink(`/data/${name}`);
  }
  const before = pathsOf(cluster);
  await expect(cluster.start('n2')).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  expect(pathsOf(cluster)).toEqual(before);
  await cluster.close();
});

test('without that policy the start is refused, and nothing is changed', async () => {
  const cluster = await damaged(/kv\/MANIFEST$/, { repairsFromPeers: false });
  const before = pathsOf(cluster);
  await expect(cluster.start('n2')).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  expect(pathsOf(cluster)).toEqual(before);
  await cluster.close();
});

test('where no leader can take it out, the start is refused, and nothing is changed', async () => {
  const cluster = await damaged(/kv\/MANIFEST$/);
  await cluster.crash('n1', true);
  await cluster.run(3000);
  const before = pathsOf(cluster);
  await expect(cluster.until(cluster.start('n2'), 120_000)).rejects.toMatchObject({
    code: 'KV_CORRUPTION',
    message: expect.stringMatching(
      /is damaged.*none of them could take it out.*nothing was changed/s,
    ),
  });
  expect(pathsOf(cluster)).toEqual(before);
  // What it has is all that it ever had: with its files whole it would count still.
  const { configuration } = cluster.replica('n3').cluster.status();
  expect(configuration.voters).toContain('n2');
  await cluster.close();
});

test('a node that is not surely out of its cluster keeps its files, however often it asks', async () => {
  const cluster = await damaged(/kv\/MANIFEST$/);
  const leader = await cluster.leader();
  const other = leader === cluster.replica('n1') ? 'n3' : 'n1';
  // It answers heartbeats, so there is a leader, and writes nothing, so nothing is agreed on.
  const { stop } = cluster.slowDown(other, 45_000);
  const before = pathsOf(cluster);
  await expect(cluster.until(cluster.start('n2'), 120_000)).rejects.toMatchObject({
    code: 'KV_CORRUPTION',
    message: expect.stringMatching(/is damaged.*nothing was changed/s),
  });
  expect(leader.cluster.status().role).toBe('leader');
  expect(pathsOf(cluster)).toEqual(before);
  stop();
  await cluster.close();
});

test.each([
  ['as it is', false],
  ['after all others have started anew from their tables', true],
])('a node that was removed by hand is not taken in again: a cluster %s', async (_, restarts) => {
  const cluster = await damaged(/kv\/MANIFEST$/);
  const leader = await cluster.leader();
  await cluster.until(leader.cluster.remove('n2'));
  await expect(cluster.until(leader.cluster.remove('n2'))).rejects.toMatchObject({
    code: 'REPLICA_CHANGE_REFUSED',
  });
  if (restarts) {
    await put(cluster, 0, COUNT);
    for (const name of ['n1', 'n3']) await cluster.until(cluster.replica(name).store.flush());
    for (const name of ['n1', 'n3']) await cluster.stop(name);
    for (const name of ['n1', 'n3']) await cluster.start(name);
    await cluster.leader();
  }
  const before = pathsOf(cluster);
  const startedMs = cluster.clock.monotonicMs();
  await expect(cluster.until(cluster.start('n2'), 120_000)).rejects.toMatchObject({
    code: 'KV_CORRUPTION',
    message: expect.stringMatching(/is damaged.*was removed by hand.*nothing was changed/s),
  });
  // Said at once: to wait for another answer would be in vain.
  expect(cluster.clock.monotonicMs() - startedMs).toBeLessThan(10_000);
  expect(pathsOf(cluster)).toEqual(before);
  expect(isMember(cluster)).toBe(false);
  await cluster.close();
});

test('a node that is removed by hand while it is away for its repair stays out until it is added', async () => {
  const cluster = await damaged(/kv\/MANIFEST$/);
  const { files } = cluster.node('n2').env;
  await cluster.start('n2');
  // Out, and not in again yet: it has only begun its new folder.
  await cluster.untilTrue(() => !isMember(cluster), 'n2 taken out');
  const leader = await cluster.leader();
  const follower = cluster.running.find(({ name, replica }) => name !== 'n2' && replica !== leader);
  await expect(follower?.replica?.cluster.remove('n2')).rejects.toMatchObject({
    code: 'REPLICA_NOT_LEADER',
  });
  await cluster.until(leader.cluster.remove('n2'));
  await cluster.run(20_000);
  expect(isMember(cluster)).toBe(false);
  expect(files.listAll('/data').map(({ path }) => path)).toContain('/data/REJOIN');
  await cluster.until((await cluster.leader()).cluster.add('n2', cluster.replica('n2').address));
  await untilVoter(cluster);
  await mustHaveAll(cluster, 'n2', COUNT);
  await cluster.close();
});

test('a cluster that has not taken the node out after all does so when it hears of the new folder', async () => {
  const cluster = await damaged(/kv\/MANIFEST$/);
  const { files } = cluster.node('n2').env;
  for (const name of ['wal', 'kv', 'node.json']) {
    await files.rename(`/data/${name}`, `/data/lost-${name}`);
  }
  await replaceFile(files, '/data', 'REJOIN', utf8('moved\n'));
  await cluster.start('n2');
  await untilVoter(cluster);
  await mustHaveAll(cluster, 'n2', COUNT);
  expect(cluster.node('n2').failures).toEqual([]);
  await cluster.close();
});

test.each([3, 7, 9, 11, 13, 15, 18, 21, 24, 25, 26, 27, 40])(
  'cut off at its operation %i it goes on with the next start',
  async (operations) => {
    const cluster = await damaged(/kv\/MANIFEST$/, {}, 2);
    const { files } = cluster.node('n2').env;
    files.stopAt(files.operationCount + operations);
    await cluster.start('n2').catch(() => undefined);
    await cluster.untilTrue(() => files.stopped, 'stop');
    await cluster.crash('n2');
    await cluster.start('n2');
    await untilVoter(cluster);
    await mustHaveAll(cluster, 'n2', 2);
    const aside = pathsOf(cluster).filter((name) => name.startsWith('damaged-'));
    const tops = new Set(aside.map((name) => name.split('/').slice(0, 2).join('/')));
    expect([...tops].sort()).toEqual([
      'damaged-1/kv',
      'damaged-1/member.json',
      'damaged-1/node.json',
      'damaged-1/wal',
    ]);
    await cluster.close();
  },
);
