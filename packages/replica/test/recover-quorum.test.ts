import { fromUtf8, logIndex, term, utf8 } from '@holdfast/bytes';
import type { Address } from '@holdfast/env';
import type { CrashSubject, MemoryFiles } from '@holdfast/env/memory';
import {
  CrashSearch,
  createMemoryEnv,
  ManualClock,
  MemoryNetwork,
  QUICK,
} from '@holdfast/env/memory';
import type { OpenedFolder } from '@holdfast/kv';
import { openFolder, openLocalStore, readIdentity } from '@holdfast/kv';
import { describe, expect, test } from 'vitest';
import { encodeAddress, readClusterNotes } from '../src/cluster-notes.ts';
import { markDiverged } from '../src/divergence-mark.ts';
import { ADDRESS_KIND } from '../src/entry-format.ts';
import type { RecoverQuorumRequest, Replica, Survivor } from '../src/index.ts';
import {
  clusterIdOf,
  examineSurvivor,
  openReplica,
  readClusterId,
  recoverQuorum,
} from '../src/index.ts';
import { MEMBER_LOG, readStoredState } from '../src/stored-state.ts';
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

/** The node's log, open as the node has it. */
async function withFolder<Result>(
  { env, directory }: RecoverQuorumRequest,
  use: (folder: OpenedFolder) => Promise<Result>,
): Promise<Result> {
  const identity = await readIdentity(env, directory);
  if (identity === undefined) throw new Error('there is no store');
  const folder = await openFolder({ env, directory, identity, settings: SETTINGS }, MEMBER_LOG);
  try {
    return await use(folder);
  } finally {
    await folder.close();
  }
}

/** Cuts a recovery off when the new cluster's name is in the folder, and nothing of it in the log. */
async function halfRecovered(files: MemoryFiles, lost: string): Promise<MemoryFiles> {
  files.failWhen({
    when: ({ kind, path }) => kind.startsWith('write') && path.includes('/wal/'),
    code: 'FILE_IO',
    times: Number.POSITIVE_INFINITY,
    applied: 'none',
  });
  await expect(recoverQuorum(await requestOn(files), lost)).rejects.toThrow();
  return files.clone();
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

  test('that was cut off on the way goes on with what it had begun, whatever is confirmed', async () => {
    const begun = await survivingDisk();
    const { clusterId: lost } = await examineSurvivor(await requestOn(begun));
    const files = await halfRecovered(begun, lost);
    const request = await requestOn(files, 2);
    const survivor = await examineSurvivor(request);
    expect(survivor).toMatchObject({ isUnfinished: true, voters: ['n1', 'n2', 'n3'] });
    expect(survivor.clusterId).not.toBe(lost);
    const { clusterId } = await recoverQuorum(request, lost);
    expect(clusterId).toBe(survivor.clusterId);
    expect(await readClusterId(request.env, '/data')).toBe(clusterId);
    expect(await startedOn(files, lost)).toBe(NEW);
  });

  test('forgets in a later term where the others are, those too that it knows of from its log alone', async () => {
    const files = await survivingDisk();
    const request = await requestOn(files);
    const termBefore = await withFolder(request, async ({ wal }) => {
      const { hardState } = wal;
      const later = term(hardState.term + 3);
      await wal.saveHardState({ ...hardState, term: later, votedFor: 'n2' });
      const head = encodeAddress('n4', { ...HERE, port: 7004 });
      const index = logIndex(wal.lastIndex + 1);
      wal.append({ term: hardState.term, kind: ADDRESS_KIND, head, index });
      await wal.whenDurable(index);
      return hardState.term;
    });
    const { clusterId: lost, lastTerm } = await examineSurvivor(request);
    // Of its last entry, and not the newest that it has heard of.
    expect(lastTerm).toBe(termBefore);
    await recoverQuorum(request, lost);
    await withFolder(request, async (folder) => {
      const { hardState, lastIndex } = folder.wal;
      expect(hardState).toMatchObject({ term: termBefore + 4, votedFor: undefined });
      expect(folder.wal.termAt(lastIndex)).toBe(hardState.term);
      const { addresses } = await readStoredState(folder, await readClusterNotes(folder.engine));
      expect([...addresses]).toEqual([]);
    });
    expect(await startedOn(files, lost)).toBe(NEW);
  });

  test('says of both halves of a change who its voters were', async () => {
    const cluster = await MemoryCluster.open({ settings: { store: SETTINGS } });
    const leader = await cluster.leader();
    const name = cluster.nameOf(leader);
    await cluster.until(leader.store.transact(put('key', 'value')));
    const [away = '', ...others] = ['n1', 'n2', 'n3'].filter((one) => one !== name);
    cluster.network.partition([name], [away, ...others]);
    const removal = Promise.allSettled([leader.cluster.remove(away)]);
    await cluster.untilTrue(
      () => leader.cluster.status().configuration.votersOutgoing.length > 0,
      'the removal in its log',
    );
    await cluster.run(100);
    await cluster.crash(name, true);
    const { env } = cluster.node(name);
    const survivor = await cluster.until(
      examineSurvivor({ env, directory: '/data', settings: SETTINGS }),
    );
    expect(survivor).toMatchObject({ isVoter: true, voters: ['n1', 'n2', 'n3'] });
    await cluster.until(removal);
    await cluster.close();
  });

  test('may be a learner of a cluster of one, which is a voter then', async () => {
    const cluster = await MemoryCluster.open({ size: 1, settings: { store: SETTINGS } });
    const address = { ...HERE, port: 7004 };
    await cluster.start('n4', { address });
    const { cluster: control, store } = await cluster.leader();
    await cluster.until(control.add('n4', address));
    await cluster.until(store.transact(put('key', 'value')));
    const { lastIndex } = control.status();
    const { cluster: learner, store: learned } = cluster.replica('n4');
    await cluster.untilTrue(() => learner.status().appliedIndex >= lastIndex, 'all of it');
    await cluster.until(learned.flush());
    for (const name of ['n1', 'n4']) await cluster.crash(name, true);
    const { survivor } = await recoverOn(cluster, 'n4');
    expect(survivor).toMatchObject({ isVoter: false, voters: ['n1'], learners: ['n4'] });
    expect(survivor.commitIndex).toBeGreaterThanOrEqual(survivor.appliedIndex);
    const alone = await cluster.start('n4', { address });
    await cluster.leader();
    expect(alone.cluster.status().configuration.voters).toEqual(['n4']);
    expect(await cluster.until(contentsOf(alone))).toBe('key=value');
    await cluster.close();
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
    // A start that finds the recovery done makes nobody the only voter again.
    await cluster.stop('n1');
    await cluster.start('n1');
    expect(cluster.replica('n1').cluster.status().configuration.voters).toEqual(['n1', 'n4', 'n5']);
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
    const { operationCount } = files;
    const refused = recoverQuorum(await requestOn(files), 'f'.repeat(32));
    await expect(refused).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
    expect(files.operationCount).toBe(operationCount);
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

  test("a node's that waits to be taken in, and one whose state is not its cluster's", async () => {
    const cluster = await MemoryCluster.open({ settings: { store: SETTINGS } });
    await cluster.start('n4', { address: { ...HERE, port: 7004 } });
    await cluster.stop('n4');
    const request = { env: cluster.node('n4').env, directory: '/data', settings: SETTINGS };
    await expect(cluster.until(examineSurvivor(request))).rejects.toThrow(/no member of its/);
    await cluster.close();
    const diverged = await requestOn(await survivingDisk());
    const { clusterId } = await examineSurvivor(diverged);
    await markDiverged(diverged.env.files, '/data', 'it is not the same');
    for (const refused of [examineSurvivor(diverged), recoverQuorum(diverged, clusterId)]) {
      await expect(refused).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
    }
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
