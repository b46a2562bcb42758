import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Address } from '@holdfast/env';
import type { CrashSubject, MemoryFiles } from '@holdfast/env/memory';
import {
  CrashSearch,
  createMemoryEnv,
  ManualClock,
  MemoryNetwork,
  QUICK,
} from '@holdfast/env/memory';
import { openLocalStore } from '@holdfast/kv';
import { describe, expect, test } from 'vitest';
import type { RecoverQuorumRequest, Replica, Survivor } from '../src/index.ts';
import {
  clusterIdOf,
  examineSurvivor,
  openReplica,
  readClusterId,
  recoverQuorum,
} from '../src/index.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const SETTINGS = {
  reserveSizeBytes: 0,
  wal: { segmentSizeBytes: 64 * 1024, preallocate: false, cacheSizeBytes: 64 * 1024 },
};
const HERE: Address = { host: 'memory', port: 7001 };

function put(key: string, value: string) {
  return { operations: [{ kind: 'put' as const, key: utf8(key), value: utf8(value) }] };
}

/** The disk of a follower of three nodes that took writes, one of which it has and does not know to be agreed on. */
async function survivingDisk(): Promise<MemoryFiles> {
  const cluster = await MemoryCluster.open({ settings: { store: SETTINGS } });
  const leader = await cluster.leader();
  for (const key of ['a', 'b', 'c'])
    await cluster.until(leader.store.transact(put(key, `${key}1`)));
  const name = 'n1';
  if (cluster.nameOf(leader) === name) {
    await cluster.until(leader.cluster.transferLeader('n2'));
    await cluster.leader();
  }
  await cluster.until((await cluster.leader()).store.transact(put('d', 'd1')));
  for (const one of ['n2', 'n3', name]) await cluster.crash(one, true);
  const { files } = cluster.node(name).env;
  await cluster.close();
  return files;
}

async function requestOn(files: MemoryFiles, seed = 1): Promise<RecoverQuorumRequest> {
  const env = await createMemoryEnv({ files, seed });
  return { env, directory: '/data', settings: SETTINGS };
}

/** Starts the node with nobody else there; time moves by itself until `use` is done. */
async function withNode<Result>(
  { env: { files }, clusterId }: { env: { files: unknown }; clusterId: string },
  use: (replica: Replica, whenLed: Promise<void>) => Promise<Result>,
): Promise<Result> {
  const clock = new ManualClock();
  const env = await createMemoryEnv({ files: files as MemoryFiles, clock, seed: 5 });
  const network = new MemoryNetwork({ clock, seed: 5 }).node('n1');
  const led = Promise.withResolvers<void>();
  let isOver = false;
  const run = (async () => {
    const members = { n1: HERE, n2: { ...HERE, port: 7002 }, n3: { ...HERE, port: 7003 } };
    const replica = await openReplica({
      env,
      network,
      directory: '/data',
      clusterId,
      listen: HERE,
      members,
      settings: { store: SETTINGS },
      onLeadership: () => led.resolve(),
    });
    try {
      return await use(replica, led.promise);
    } finally {
      await replica.store.close();
    }
  })();
  const over = (): void => {
    isOver = true;
  };
  run.then(over, over);
  while (!isOver) {
    if (clock.monotonicMs() > 60_000) throw new Error('the node leads nothing');
    clock.advance(10);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return run;
}

/** As the command does it. */
async function recoverOn(cluster: MemoryCluster, name: string) {
  const { env } = cluster.node(name);
  const request = { env, directory: '/data', settings: SETTINGS };
  const survivor = await cluster.until(examineSurvivor(request));
  const { clusterId } = await cluster.until(recoverQuorum(request, survivor.clusterId));
  return { survivor, clusterId };
}

async function contentsOf(replica: Replica): Promise<string> {
  const { entries } = await replica.store.scan({ limit: 100 });
  return entries.map(({ key, value }) => `${fromUtf8(key)}=${fromUtf8(value)}`).join(' ');
}

/** What a start makes of a folder: an old one leads nothing, a new one has everything. */
async function startedOn(files: MemoryFiles, lost: string): Promise<string> {
  const { env } = await requestOn(files);
  const clusterId = await readClusterId(env, '/data');
  if (clusterId === undefined) throw new Error("the folder is nobody's");
  return withNode({ env: { files }, clusterId }, async (replica, whenLed) => {
    if (clusterId !== lost) await whenLed;
    const { voters } = replica.cluster.status().configuration;
    const contents = clusterId === lost ? '' : await contentsOf(replica);
    return `${clusterId === lost ? 'old' : 'new'} ${voters.join(',')} ${contents}`;
  });
}

const OLD = 'old n1,n2,n3 ';
const NEW = 'new n1 a=a1 b=b1 c=c1 d=d1';

describe('a node that is left alone', () => {
  test('is looked at without a change, and says what it has and who its voters were', async () => {
    const files = await survivingDisk();
    const request = await requestOn(files);
    const before = await Promise.all(
      ['/data', '/data/wal', '/data/kv'].map((path) => files.list(path)),
    );
    const survivor = await examineSurvivor(request);
    expect(survivor).toMatchObject({
      clusterId: clusterIdOf(request.env.digests, 'test', ['n1', 'n2', 'n3']),
      nodeId: 'n1',
      isVoter: true,
      isUnfinished: false,
      voters: ['n1', 'n2', 'n3'],
      learners: [],
    } satisfies Partial<Survivor>);
    expect(survivor.lastIndex).toBeGreaterThan(4);
    expect(survivor.appliedIndex).toBeLessThanOrEqual(survivor.lastIndex);
    const after = await Promise.all(
      ['/data', '/data/wal', '/data/kv'].map((path) => files.list(path)),
    );
    expect(after).toEqual(before);
  });

  test('becomes a cluster of its own, under another id, with everything that it had', async () => {
    const files = await survivingDisk();
    const request = await requestOn(files);
    const { clusterId: lost, lastIndex } = await examineSurvivor(request);
    const recovered = await recoverQuorum(request, lost);
    expect(recovered).toMatchObject({ nodeId: 'n1', lastIndex });
    expect(recovered.clusterId).not.toBe(lost);
    expect(await readClusterId(request.env, '/data')).toBe(recovered.clusterId);
    expect(await startedOn(files, lost)).toBe(NEW);
    const again = await requestOn(files);
    await expect(examineSurvivor(again)).rejects.toThrow(/n1 is the only voter/);
    const old = withNode({ env: { files }, clusterId: lost }, async () => undefined);
    await expect(old).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
  });

  test('takes nodes in again, and one of them can be recovered when the others are lost once more', async () => {
    const cluster = await MemoryCluster.open({ settings: { store: SETTINGS } });
    await cluster.until((await cluster.leader()).store.transact(put('key', 'first')));
    await cluster.untilTrue(
      () => cluster.replica('n1').cluster.status().lastIndex >= 3,
      'all of it at n1',
    );
    for (const name of ['n2', 'n3', 'n1']) await cluster.crash(name, true);
    const recovered = await recoverOn(cluster, 'n1');
    await cluster.start('n1');
    const { clusterId } = recovered;
    for (const [at, name] of ['n4', 'n5'].entries()) {
      const address = { ...HERE, port: 7044 + at };
      await cluster.start(name, { address, clusterId });
      const { cluster: control } = await cluster.leader();
      await cluster.until(control.add(name, address));
      const { lastIndex } = control.status();
      await cluster.untilTrue(
        () => cluster.replica(name).cluster.status().appliedIndex >= lastIndex,
        name,
      );
      await cluster.until(control.promote(name));
    }
    await cluster.until((await cluster.leader()).store.transact(put('key', 'second')));
    for (const name of ['n1', 'n4', 'n5']) {
      expect(await cluster.until(contentsOf(cluster.replica(name)))).toBe('key=second');
    }
    for (const name of ['n1', 'n4', 'n5']) await cluster.crash(name, true);
    const again = await recoverOn(cluster, 'n5');
    expect(again.survivor).toMatchObject({ clusterId, voters: ['n1', 'n4', 'n5'] });
    const last = await cluster.start('n5', { address: { ...HERE, port: 7045 } });
    await cluster.leader();
    expect(last.cluster.status().configuration.voters).toEqual(['n5']);
    expect(last.cluster.status().identity.clusterId).toBe(again.clusterId);
    expect(await cluster.until(contentsOf(last))).toBe('key=second');
    await cluster.close();
  });

  test('is not taken from another cluster than the one that was confirmed', async () => {
    const files = await survivingDisk();
    const refused = recoverQuorum(await requestOn(files), 'f'.repeat(32));
    await expect(refused).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
    const { env } = await requestOn(files);
    expect(await startedOn(files, (await readClusterId(env, '/data')) ?? '')).toBe(OLD);
  });
});

describe('what is no survivor is refused, with nothing changed', () => {
  test('a folder that is not there, and one of a store without a cluster', async () => {
    const env = await createMemoryEnv({ seed: 1 });
    const request = { env, directory: '/data', settings: SETTINGS };
    await expect(examineSurvivor(request)).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
    expect(await env.files.stat('/data')).toBeUndefined();
    const alone = await openLocalStore({ env, directory: '/data', settings: SETTINGS });
    await alone.transact(put('key', 'value'));
    await expect(examineSurvivor(request)).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
    await alone.close();
    await expect(examineSurvivor(request)).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
  });

  test('a folder that a process has open', async () => {
    const files = await survivingDisk();
    const request = await requestOn(files);
    const lock = await files.lock('/data/LOCK');
    await expect(examineSurvivor(request)).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
    await expect(recoverQuorum(request, '')).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
    await lock.release();
  });

  test('a damaged log, and a damaged member.json', async () => {
    for (const name of ['wal', 'member.json']) {
      const files = await survivingDisk();
      const path =
        name === 'wal'
          ? `/data/wal/${(await files.list('/data/wal')).find((one) => one.endsWith('.wal'))}`
          : `/data/${name}`;
      const file = await files.open(path, 'write');
      await file.write(Uint8Array.of(0xff, 0xff, 0xff), name === 'wal' ? 4096 + 40 : 30);
      await file.close();
      const request = await requestOn(files);
      const lost = clusterIdOf(request.env.digests, 'test', ['n1', 'n2', 'n3']);
      await expect(recoverQuorum(request, lost)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
    }
  });

  test('a folder whose member.json is gone after a recovery: it would be of the old cluster', async () => {
    const files = await survivingDisk();
    const request = await requestOn(files);
    const { clusterId } = await examineSurvivor(request);
    await recoverQuorum(request, clusterId);
    await files.unlink('/data/member.json');
    const start = withNode({ env: { files }, clusterId }, async () => undefined);
    await expect(start).rejects.toThrow(/member.json is lost/);
  });
});

test('a crash at every operation leaves the old cluster or the new one, and the rest is done again', async () => {
  const base = await survivingDisk();
  const { clusterId: lost } = await examineSurvivor(await requestOn(base.clone()));
  const subject: CrashSubject<boolean> = {
    start: async () => base.clone(),
    script: (files) => {
      let isAcknowledged = false;
      return {
        run: async () => {
          await recoverQuorum(await requestOn(files), lost);
          isAcknowledged = true;
        },
        moment: () => isAcknowledged,
      };
    },
    recover: (files) => startedOn(files, lost),
    judge: (found, isAcknowledged) =>
      found === NEW || (!isAcknowledged && found === OLD) ? undefined : found,
    proceed: (files, found) => ({
      run: async () => {
        if (found === OLD) await recoverQuorum(await requestOn(files), lost);
      },
      moment: () => found === NEW,
    }),
  };
  const counts = await new CrashSearch(subject, {
    ...QUICK,
    proceeding: { exhaustiveLimit: 1, torn: false, garbled: false, sampleCount: 0 },
  }).run();
  console.info(`checked ${JSON.stringify(counts)}`);
  expect(counts.points).toBeGreaterThan(10);
  expect(counts.proceedingStates).toBeGreaterThan(10);
});
