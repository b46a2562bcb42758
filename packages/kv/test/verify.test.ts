import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv, MemoryFiles } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { LocalStore, StoreDamage, StoreFinding } from '../src/index.ts';
import { describeStoreFinding, openLocalStore, verifyStore } from '../src/index.ts';
import { expectDenied } from './fixtures/denied-files.ts';

const SETTINGS = { reserveSizeBytes: 0, wal: { segmentSizeBytes: 64 * 1024, preallocate: false } };

const openStore = (env: MemoryEnv): Promise<LocalStore> =>
  openLocalStore({ env, directory: '/d', settings: SETTINGS });

const put = (store: LocalStore, key: string, value: Uint8Array) =>
  store.transact({ operations: [{ kind: 'put', key: utf8(key), value }] });

/** Large values in tables, large values that only the log has, and a key that was replaced. */
async function writtenStore(env: MemoryEnv): Promise<LocalStore> {
  const store = await openStore(env);
  for (let at = 0; at < 30; at++) await put(store, `key-${at}`, new Uint8Array(5000).fill(at));
  await store.flush();
  await put(store, 'key-3', new Uint8Array(4000).fill(99));
  await put(store, 'late', new Uint8Array(3000));
  return store;
}

async function stoppedStore(): Promise<MemoryEnv> {
  const env = await createMemoryEnv();
  await (await writtenStore(env)).close();
  return env;
}

async function verified(env: MemoryEnv): Promise<StoreFinding[]> {
  const findings: StoreFinding[] = [];
  for await (const finding of verifyStore(env, '/d')) findings.push(finding);
  return findings;
}

const damagesOf = (findings: readonly StoreFinding[]): StoreDamage[] =>
  findings.filter((finding) => finding.kind === 'damage');

async function contentOf(env: MemoryEnv): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for (const folder of ['/d', '/d/wal', '/d/kv']) {
    for (const name of await env.files.list(folder)) {
      const path = `${folder}/${name}`;
      if ((await env.files.stat(path))?.kind !== 'file') continue;
      const file = await env.files.open(path, 'read');
      const bytes = new Uint8Array(await file.sizeBytes());
      await file.read(bytes, 0);
      await file.close();
      content.set(path, `${bytes.length} ${env.crc32c(bytes)}`);
    }
  }
  return content;
}

test('what this user may not read is no damage: nobody can tell', async () => {
  await expectDenied(await stoppedStore(), verified);
});

test('a first start that was cut off is no damage: the next one goes on', async () => {
  for (let operation = 1; operation <= 30; operation++) {
    const files = new MemoryFiles({ seed: operation });
    files.stopAt(operation);
    await openStore(await createMemoryEnv({ files })).catch(() => undefined);
    const left = await createMemoryEnv({ files: files.crash().files });
    expect(damagesOf(await verified(left)), `cut off at ${operation}`).toEqual([]);
    await (await openStore(left)).close();
  }
});

test('a whole store is read from end to end, each value once, and nothing is changed', async () => {
  const env = await stoppedStore();
  const before = await contentOf(env);
  const findings = await verified(env);
  expect(damagesOf(findings)).toEqual([]);
  expect(findings.at(-1)).toMatchObject({
    kind: 'end',
    damages: 0,
    tables: 1,
    extents: 31,
    extentBytes: 29 * 5000 + 4000 + 3000,
  });
  expect(await contentOf(env)).toEqual(before);
  expect(describeStoreFinding(findings.at(-1)!)).toContain('Everything is whole.');
});

test('a store that is open and being written is verified beside it', async () => {
  const env = await createMemoryEnv();
  const store = await writtenStore(env);
  const writing = (async () => {
    for (let at = 0; at < 40; at++) {
      await put(store, `more-${at}`, new Uint8Array(6000));
      if (at % 15 === 14) await store.flush();
    }
  })();
  expect(damagesOf(await verified(env))).toEqual([]);
  await writing;
  await store.close();
});

test('a value with a flipped bit is named with its key, its meaning and what to do', async () => {
  const env = await stoppedStore();
  const store = await openStore(env);
  const [segment] = store.status().segments;
  await store.close();
  // The third batch of the first segment has a value in its middle.
  env.files.corrupt(segment!.path, { offset: 4096 + 2 * 8192 + 3000 });
  const damages = damagesOf(await verified(env));
  expect(damages.map(({ area }) => area)).toEqual(['segment', 'extent']);
  const [, extent] = damages;
  expect(extent!.problem).toMatch(/value \(5000 bytes\) of key "key-\d+"/);
  expect(`${extent!.meaning} ${extent!.advice}`).toContain('Write the object again');
  const text = (await verified(env)).map(describeStoreFinding).join('\n');
  expect(text).toContain('DAMAGE in wal/');
  expect(text).toContain('2 damages.');
});

test('a table that is missing, and one with a damaged block, are damage', async () => {
  const missing = await stoppedStore();
  await missing.files.unlink('/d/kv/000000000001.table');
  const areas = damagesOf(await verified(missing)).map(({ area, file }) => [area, file]);
  expect(areas).toContainEqual(['folder', 'kv/000000000001.table']);
  expect(await verified(missing)).toContainEqual(
    expect.objectContaining({
      kind: 'notice',
      file: 'kv/000000000001.table',
      text: expect.stringContaining('a start makes it again'),
    }),
  );
  const damaged = await stoppedStore();
  damaged.files.corrupt('/d/kv/000000000001.table', { offset: 40 });
  expect(damagesOf(await verified(damaged))).toContainEqual(
    expect.objectContaining({ area: 'table', file: 'kv/000000000001.table', offset: 16 }),
  );
});

test('a segment that is gone is missed by the values it had, and the newest one by the state of the log', async () => {
  const env = await stoppedStore();
  const names = (await env.files.list('/d/wal')).filter((name) => name.endsWith('.wal'));
  expect(names.length).toBeGreaterThan(2);
  const gone = { ...env, files: env.files.clone() } as MemoryEnv;
  await gone.files.unlink(`/d/wal/${names[0]}`);
  expect(damagesOf(await verified(gone)).map(({ area }) => area)).toContain('extent');
  await env.files.unlink(`/d/wal/${names.at(-1)}`);
  expect(damagesOf(await verified(env))).toContainEqual(
    expect.objectContaining({ area: 'segment', file: `wal/${names.at(-1)}`, offset: 0 }),
  );
});

test('what a crash tore is a notice and no damage', async () => {
  const env = await stoppedStore();
  const names = (await env.files.list('/d/wal')).filter((name) => name.endsWith('.wal'));
  const file = await env.files.open(`/d/wal/${names.at(-1)}`, 'write');
  await file.write(new Uint8Array(700).fill(5), await file.sizeBytes());
  await file.close();
  const findings = await verified(env);
  expect(damagesOf(findings)).toEqual([]);
  expect(findings).toContainEqual(expect.objectContaining({ kind: 'notice', file: 'wal' }));
});

test('a folder without a store has nothing to verify', async () => {
  expect(await verified(await createMemoryEnv())).toEqual([]);
});
