import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { LocalStore, SalvageFinding } from '../src/index.ts';
import { inspectTable, openLocalStore, salvageStore } from '../src/index.ts';
import { expectDenied } from './fixtures/denied-files.ts';

const SETTINGS = { reserveSizeBytes: 0, wal: { segmentSizeBytes: 64 * 1024, preallocate: false } };

const openStore = (env: MemoryEnv, directory: string): Promise<LocalStore> =>
  openLocalStore({ env, directory, settings: SETTINGS });

const put = (store: LocalStore, key: string, value: Uint8Array) =>
  store.transact({ operations: [{ kind: 'put', key: utf8(key), value }] });

/** Forty values in tables, one of them replaced and one deleted later, only in the log. */
async function stoppedStore(): Promise<MemoryEnv> {
  const env = await createMemoryEnv();
  const store = await openStore(env, '/d');
  for (let at = 0; at < 40; at++) await put(store, `key-${at}`, new Uint8Array(5000).fill(at));
  await store.flush();
  await put(store, 'key-3', new Uint8Array(10).fill(99));
  await store.transact({ operations: [{ kind: 'delete', key: utf8('key-4') }] });
  await store.close();
  return env;
}

async function salvaged(env: MemoryEnv): Promise<SalvageFinding[]> {
  const findings: SalvageFinding[] = [];
  for await (const finding of salvageStore(env, '/d', '/new')) findings.push(finding);
  return findings;
}

const valueOf = async (store: LocalStore, key: string): Promise<Uint8Array | undefined> =>
  (await store.get(utf8(key)))?.value;

test('a whole store is copied entry for entry, as a new node of a new cluster', async () => {
  const env = await stoppedStore();
  const findings = await salvaged(env);
  expect(findings).toMatchObject([{ kind: 'end', entries: 39, losses: 0 }]);
  const [old, copy] = [await openStore(env, '/d'), await openStore(env, '/new')];
  expect(copy.identity.clusterId).not.toBe(old.identity.clusterId);
  expect(copy.identity.nodeId).not.toBe(old.identity.nodeId);
  const [before, after] = [await old.scan({ limit: 100 }), await copy.scan({ limit: 100 })];
  const plain = ({ entries }: typeof before) => entries.map(({ key, value }) => [key, value]);
  expect(plain(after)).toEqual(plain(before));
  await old.close();
  await copy.close();
});

test('values that are too large for one transaction together are copied', async () => {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  const sizes = [1024 * 1024 - 100, 1024 * 1024, 1024 * 1024 - 100];
  for (const [at, size] of sizes.entries()) await put(store, `key-${at}`, new Uint8Array(size));
  await store.close();
  expect(await salvaged(env)).toMatchObject([{ kind: 'end', entries: 3, losses: 0 }]);
});

test('a damaged value is named as lost, every other one is copied, and the source is left as it was', async () => {
  const env = await stoppedStore();
  const names = await env.files.list('/d/wal');
  const first = names.find((name) => name.endsWith('.wal'));
  env.files.corrupt(`/d/wal/${first}`, { offset: 4096 + 2 * 8192 + 3000 });
  const findings = await salvaged(env);
  expect(findings).toMatchObject([
    { kind: 'lost', key: expect.stringMatching(/^"key-\d+"$/) },
    { kind: 'end', entries: 38, losses: 1 },
  ]);
  expect(await env.files.list('/d/wal')).toEqual(names);
});

test('where a damaged block may hold a newer entry, an older one is not taken for it', async () => {
  const env = await createMemoryEnv();
  const store = await openStore(env, '/d');
  const keys = Array.from({ length: 200 }, (_, at) => `key-${at}`);
  for (const byte of [1, 2]) {
    for (const key of keys) await put(store, key, new Uint8Array(200).fill(byte));
    await store.flush();
  }
  await store.close();
  const table = '/d/kv/000000000002.table';
  const blocks: number[] = [];
  for await (const finding of inspectTable(env, table)) {
    if (finding.kind === 'block') blocks.push(finding.offset);
  }
  env.files.corrupt(table, { offset: blocks[2]! + 20 });
  const findings = await salvaged(env);
  expect(findings).toContainEqual(expect.objectContaining({ kind: 'lostKeys', file: table }));
  const lost = findings.filter(({ kind }) => kind === 'lost').length;
  expect(lost).toBeGreaterThan(10);
  const copy = await openStore(env, '/new');
  const values = await Promise.all(keys.map((key) => valueOf(copy, key)));
  expect(values.filter((value) => value === undefined)).toHaveLength(lost);
  expect(values.filter((value) => value?.[0] === 1)).toEqual([]);
  await copy.close();
});

test('a log that cannot be opened costs what the index does not hold, and says so', async () => {
  const env = await stoppedStore();
  for (const slot of ['state-a', 'state-b']) {
    env.files.corrupt(`/d/wal/${slot}`, { offset: 0, length: 64, how: 'garble' });
  }
  await expect(openStore(env, '/d')).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  const findings = await salvaged(env);
  expect(findings).toMatchObject([
    { kind: 'notice', text: expect.stringContaining('after record 40') },
    { kind: 'end', entries: 40, losses: 0 },
  ]);
  const copy = await openStore(env, '/new');
  expect((await valueOf(copy, 'key-39'))?.[0]).toBe(39);
  await copy.close();
});

test('a damaged value of a log that cannot be opened is named as lost', async () => {
  const env = await stoppedStore();
  const names = await env.files.list('/d/wal');
  const first = names.find((name) => name.endsWith('.wal'));
  env.files.corrupt(`/d/wal/${first}`, { offset: 4096 + 2 * 8192 + 3000 });
  for (const slot of ['state-a', 'state-b']) {
    env.files.corrupt(`/d/wal/${slot}`, { offset: 0, length: 64, how: 'garble' });
  }
  const losses = (await salvaged(env)).filter(({ kind }) => kind === 'lost');
  expect(losses).toMatchObject([{ key: expect.stringMatching(/^"key-\d+"$/) }]);
});

test('a target that holds anything is refused, and one inside the source too', async () => {
  const env = await stoppedStore();
  const into = async (target: string): Promise<void> => {
    for await (const _ of salvageStore(env, '/d', target)) break;
  };
  await expect(into('/d')).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
  await expect(into('/d/new')).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
  await (await openStore(env, '/other')).close();
  await expect(into('/other')).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
});

test('a source that a process has open is refused, and is locked while it is salvaged', async () => {
  const env = await createMemoryEnv();
  const store = await openStore(env, '/d');
  await put(store, 'a', new Uint8Array(10));
  await expect(salvaged(env)).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
  expect(await env.files.stat('/new')).toBeUndefined();
  await store.close();
  const salvaging = salvageStore(env, '/d', '/new');
  await salvaging.next();
  await expect(openStore(env, '/d')).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
  await salvaging.return(undefined);
  await (await openStore(env, '/d')).close();
});

test('what this user may not read is not taken for lost', async () => {
  await expectDenied(await stoppedStore(), salvaged);
});
