import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Address, Env } from '@holdfast/env';
import type { CrashSubject, MemoryFiles } from '@holdfast/env/memory';
import { CrashSearch, createMemoryEnv } from '@holdfast/env/memory';
import type { LocalStore } from '@holdfast/kv';
import { openFolder, openLocalStore, readIdentity, restoreBackup } from '@holdfast/kv';
import { expect, test } from 'vitest';
import { examineSurvivor, restoreMember } from '../src/index.ts';
import { MEMBER_LOG } from '../src/stored-state.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const SETTINGS = {
  reserveSizeBytes: 0,
  wal: { segmentSizeBytes: 64 * 1024, preallocate: false, cacheSizeBytes: 64 * 1024 },
};
const FROM = '/backups';
const LARGE = new Uint8Array(30_000).fill(7);

function put(key: string, value: string | Uint8Array) {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  return { operations: [{ kind: 'put' as const, key: utf8(key), value: bytes }] };
}

function remove(key: string) {
  return { operations: [{ kind: 'delete' as const, key: utf8(key) }] };
}

/** Backs up a store that is alone: with a table, a log of which a part was given back, and a tail behind the table. */
async function backUpAlone(env: Env): Promise<void> {
  const store = await openLocalStore({ env, directory: '/alone', settings: SETTINGS });
  for (let at = 0; at < 9; at++) await store.transact(put(`large ${at}`, LARGE));
  for (let at = 1; at < 9; at++) await store.transact(remove(`large ${at}`));
  await store.transact(put('a', 'older'));
  await store.flush();
  await store.transact(put('a', 'newer'));
  await store.transact(put('b', 'tail'));
  await store.backup({ to: FROM });
  await store.close();
}

const RESTORED = 'a=newer b=tail large 0=30000 bytes';

async function contentsOf(store: Pick<LocalStore, 'scan'>): Promise<string> {
  const { entries } = await store.scan({ limit: 100 });
  const text = (value: Uint8Array): string =>
    value.length > 100 ? `${value.length} bytes` : fromUtf8(value);
  return entries.map(({ key, value }) => `${fromUtf8(key)}=${text(value)}`).join(' ');
}

/** Starts a node with an empty folder, and makes it a voter. */
async function join(cluster: MemoryCluster, name: string, clusterId: string): Promise<void> {
  const address: Address = { host: 'memory', port: 7040 + Number(name.slice(1)) };
  await cluster.start(name, { address, clusterId });
  const { cluster: control } = await cluster.leader();
  await cluster.until(control.add(name, address));
  await caughtUp(cluster, name);
  await cluster.until(control.promote(name));
}

async function caughtUp(cluster: MemoryCluster, name: string): Promise<void> {
  const { lastIndex } = (await cluster.leader()).cluster.status();
  await cluster.untilTrue(
    () => cluster.replica(name).cluster.status().appliedIndex >= lastIndex,
    name,
  );
}

/** The hash of its state that a node has in its folder, and after which entry that was so. */
async function hashOn(env: Env): Promise<string> {
  const identity = await readIdentity(env, '/data');
  if (identity === undefined) throw new Error('there is no store');
  const folder = await openFolder(
    { env, directory: '/data', identity, settings: SETTINGS },
    { ...MEMBER_LOG, committedIndex: ({ lastIndex }) => lastIndex },
  );
  const { appliedIndex, stateHash } = folder.engine;
  await folder.close();
  return `${stateHash} after ${appliedIndex}`;
}

test('a backup of a store that was alone becomes a cluster of one, to which nodes are added', async () => {
  const cluster = new MemoryCluster({ size: 1, settings: { store: SETTINGS } });
  const { env } = await cluster.add('n1');
  await cluster.until(backUpAlone(env));
  const request = { from: FROM, directory: '/data', nodeId: 'n1', settings: SETTINGS };
  const { clusterId, index } = await cluster.until(restoreMember(env, request));
  const first = await cluster.start('n1');
  await cluster.leader();
  const { identity, configuration, firstIndex } = first.cluster.status();
  expect(identity.clusterId).toBe(clusterId);
  expect(configuration.voters).toEqual(['n1']);
  // Nobody replays what came before the cluster.
  expect(firstIndex).toBeGreaterThan(index);
  expect(await cluster.until(contentsOf(first.store))).toBe(RESTORED);
  await join(cluster, 'n2', clusterId);
  await join(cluster, 'n3', clusterId);
  // One goes, and the others have all.
  await cluster.crash('n1', true);
  const next = await cluster.leader();
  await cluster.until(next.store.transact(put('c', 'after')));
  await caughtUp(cluster, 'n2');
  await caughtUp(cluster, 'n3');
  for (const name of ['n2', 'n3']) {
    const { store } = cluster.replica(name);
    expect(await cluster.until(contentsOf(store))).toBe(
      RESTORED.replace(' large', ' c=after large'),
    );
  }
  await cluster.start('n1');
  await caughtUp(cluster, 'n1');
  for (const name of ['n1', 'n2', 'n3']) await cluster.stop(name);
  const [one, ...others] = await Promise.all(
    ['n1', 'n2', 'n3'].map((name) => cluster.until(hashOn(cluster.node(name).env))),
  );
  expect(one).not.toContain('undefined');
  expect(others).toEqual([one, one]);
  await cluster.close();
});

test('a backup of a node becomes another cluster, whose only voter it is, under whatever name', async () => {
  const old = await MemoryCluster.open({ settings: { store: SETTINGS } });
  const leader = await old.leader();
  await old.until(leader.store.transact(put('a', 'first')));
  await old.until(leader.store.flush());
  await old.until(leader.store.transact(put('b', 'second')));
  await old.until(leader.store.backup({ to: FROM }));
  const { files } = old.node(old.nameOf(leader)).env;
  const before = leader.cluster.status();
  await old.close();
  for (const [name, size] of [
    ['n1', 1],
    ['n2', 2],
    ['n7', 7],
  ] as const) {
    // Whose names the command lines have; only the one is started.
    const cluster = new MemoryCluster({ size, seed: 3, settings: { store: SETTINGS } });
    const node = await cluster.add(name);
    node.env = await createMemoryEnv({ files: files.clone(), clock: cluster.clock, seed: 9 });
    const request = { from: FROM, directory: '/new', nodeId: name, settings: SETTINGS };
    const { clusterId } = await cluster.until(restoreMember(node.env, request));
    expect(clusterId).not.toBe(before.identity.clusterId);
    await node.env.files.rename('/data', '/old');
    await node.env.files.rename('/new', '/data');
    await cluster.start(name);
    const restored = await cluster.leader();
    const { configuration, identity } = restored.cluster.status();
    expect(configuration).toMatchObject({ voters: [name], votersOutgoing: [], learners: [] });
    expect(identity.clusterId).toBe(clusterId);
    expect(await cluster.until(contentsOf(restored.store))).toBe('a=first b=second');
    // A name of the old cluster, with a folder of its own.
    await join(cluster, 'n3', clusterId);
    await cluster.crash(name);
    await cluster.start(name);
    await cluster.leader();
    expect(await cluster.until(contentsOf(cluster.replica('n3').store))).toBe('a=first b=second');
    await cluster.close();
  }
});

test('a backup of a store in which nothing was ever written becomes a cluster too', async () => {
  const cluster = new MemoryCluster({ size: 1, settings: { store: SETTINGS } });
  const { env } = await cluster.add('n1');
  const empty = await cluster.until(openLocalStore({ env, directory: '/alone' }));
  await cluster.until(empty.backup({ to: FROM }));
  await cluster.until(empty.close());
  await cluster.until(restoreMember(env, { from: FROM, directory: '/data', nodeId: 'n1' }));
  await cluster.start('n1');
  const { store } = await cluster.leader();
  await cluster.until(store.transact(put('a', 'first')));
  expect(await cluster.until(contentsOf(store))).toBe('a=first');
  await cluster.close();
});

test('a folder that is restored for a node is none for a server alone, and one that is not is none for a node', async () => {
  const env = await createMemoryEnv();
  await backUpAlone(env);
  await restoreMember(env, { from: FROM, directory: '/member', nodeId: 'n1', settings: SETTINGS });
  await expect(examineSurvivor({ env, directory: '/member', settings: SETTINGS })).rejects.toThrow(
    /n1 is the only voter/,
  );
  await restoreBackup(env, { from: FROM, directory: '/data' });
  await expect(
    examineSurvivor({ env, directory: '/data', settings: SETTINGS }),
  ).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
});

const WHOLE = `n1 leads ${RESTORED}`;
const NOTHING = 'nothing';

/** What a start of the node makes of the folder. */
async function startedOn(files: MemoryFiles): Promise<string> {
  const cluster = new MemoryCluster({ size: 1, settings: { store: SETTINGS } });
  const node = await cluster.add('n1');
  node.env = await createMemoryEnv({ files, clock: cluster.clock, seed: 5 });
  if ((await readIdentity(node.env, '/data')) === undefined) return NOTHING;
  await cluster.start('n1');
  const { store } = await cluster.leader();
  const found = `n1 leads ${await cluster.until(contentsOf(store))}`;
  await cluster.close();
  return found;
}

test('a crash at every operation leaves nothing, and it is done again, or a node that leads with all of it', async () => {
  const env = await createMemoryEnv({ seed: 1 });
  await backUpAlone(env);
  const base = env.files;
  const restoreOn = async (files: MemoryFiles): Promise<void> => {
    const request = { from: FROM, directory: '/data', nodeId: 'n1', settings: SETTINGS };
    await restoreMember(await createMemoryEnv({ files, seed: 2 }), request);
  };
  const subject: CrashSubject<boolean> = {
    start: async () => base.clone(),
    script: (files) => {
      let isAcknowledged = false;
      return {
        run: async () => {
          await restoreOn(files);
          isAcknowledged = true;
        },
        moment: () => isAcknowledged,
      };
    },
    recover: startedOn,
    judge: (found, isAcknowledged) =>
      found === WHOLE || (!isAcknowledged && found === NOTHING) ? undefined : found,
    proceed: (files, found) => ({
      run: async () => {
        if (found === NOTHING) await restoreOn(files);
      },
      moment: () => found === WHOLE,
    }),
  };
  const counts = await new CrashSearch(subject, {
    crash: { exhaustiveLimit: 2, sampleCount: 2 },
    proceeding: { exhaustiveLimit: 1, torn: false, garbled: false, sampleCount: 0 },
    proceedingEvery: 8,
  }).run();
  console.info(`checked ${JSON.stringify(counts)}`);
  expect(counts.points).toBeGreaterThan(20);
  expect(counts.proceedingStates).toBeGreaterThan(20);
});
