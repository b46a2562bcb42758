import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { KvError } from '../src/index.ts';
import {
  contentsOf,
  DIRECTORY,
  del,
  extentBytesOf,
  open,
  put,
  TINY,
} from './fixtures/crash-enumeration.ts';

const KV = `${DIRECTORY}/kv`;
const SESSION = { clientId: 'me', sequence: 3 };
/** Nothing is merged, rewritten or removed, so tables are as many as flushes, and the log has everything. */
const SETTINGS = {
  ...TINY,
  tableCountLimit: 10,
  compactionLiveShare: 0,
  wal: { segmentSizeBytes: 64 * 1024, preallocate: false },
};

interface Filled {
  readonly env: MemoryEnv;
  readonly contents: readonly string[];
  readonly answer: unknown;
  readonly revision: number;
}

/** Three tables, each with replaced, deleted and new keys, and a session in the newest; then a tail of the log. */
async function filled(): Promise<Filled> {
  const env = await createMemoryEnv();
  const store = await open(env, SETTINGS);
  await store.transact({ operations: [put('a', 10), put('b', 2000), put('c', 30)] });
  await store.flush();
  await store.transact({ operations: [put('b', 3000), del('c'), put('d', 2000)] });
  await store.flush();
  const operations = [put('a', 11), del('d'), put('e', 1500)];
  const answer = await store.transact({ operations, session: SESSION });
  await store.flush();
  await store.transact({ operations: [put('f', 1200), put('b', 5)] });
  const contents = await contentsOf(store);
  const { revision } = store.status();
  await store.close();
  return { env, contents, answer, revision };
}

async function copyOf(env: MemoryEnv): Promise<MemoryEnv> {
  return await createMemoryEnv({ files: env.files.clone() });
}

/** All that the store can be asked, compared with what it was. */
async function expectWhole(store: LocalStore, { contents, answer }: Filled): Promise<void> {
  expect(await contentsOf(store)).toEqual(contents);
  expect(store.status().liveBytes).toBe(await extentBytesOf(store));
  const again = { operations: [put('never', 1)], session: SESSION };
  expect(await store.transact(again)).toEqual(answer);
}

async function refusal(env: MemoryEnv): Promise<KvError> {
  return await open(env, SETTINGS).then(
    () => expect.fail('it was opened'),
    (error: unknown) => (error instanceof KvError ? error : expect.fail(String(error))),
  );
}

const damages: readonly (readonly [string, (env: MemoryEnv, path: string) => Promise<void>])[] = [
  ['missing', (env, path) => env.files.unlink(path)],
  ['with a damaged header', async (env, path) => env.files.corrupt(path, { offset: 3 })],
  ['with a damaged session block', async (env, path) => env.files.corrupt(path, { offset: 24 })],
  ['with a damaged footer', (env, path) => damageAt(env, path, -8)],
  ['with damaged properties', (env, path) => damageAt(env, path, -60)],
  ['that is cut off', (env, path) => cut(env, path)],
];

async function bytesOf(env: MemoryEnv, path: string): Promise<Uint8Array> {
  const file = await env.files.open(path, 'read');
  const bytes = new Uint8Array(await file.sizeBytes());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

async function damageAt(env: MemoryEnv, path: string, offset: number): Promise<void> {
  const { sizeBytes } = (await env.files.stat(path)) ?? { sizeBytes: 0 };
  env.files.corrupt(path, { offset: sizeBytes + offset });
}

async function cut(env: MemoryEnv, path: string): Promise<void> {
  const file = await env.files.open(path, 'write');
  await file.truncate(100);
  await file.close();
}

describe('the newest table', () => {
  test.each(damages)(
    '%s, is made again from the log, and the report says so',
    async (_, damage) => {
      const before = await filled();
      const path = `${KV}/000000000003.table`;
      await damage(before.env, path);
      const store = await open(before.env, SETTINGS);
      expect(store.recovery.healed).toEqual([
        { path, problem: expect.stringContaining('000000000003.table') },
      ]);
      expect(store.recovery.steps.map(({ name }) => name)).toContain('heal');
      await expectWhole(store, before);
      await store.close();
      const again = await open(before.env, SETTINGS);
      expect(again.recovery.healed).toEqual([]);
      await expectWhole(again, before);
      await again.close();
    },
  );
});

describe('damage', () => {
  test('of an older table is healed with all that are newer; of all tables, from an empty index', async () => {
    for (const tables of [[2], [1], [1, 2, 3]]) {
      const before = await filled();
      for (const id of tables) await before.env.files.unlink(`${KV}/00000000000${id}.table`);
      const store = await open(before.env, SETTINGS);
      expect(store.recovery.healed.length).toBe(tables.length);
      await expectWhole(store, before);
      await store.compact();
      await expectWhole(store, before);
      await store.close();
    }
  });

  test('of a table whose records the log has no more is refused, with file, offset and what to do', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (let turn = 0; turn < 8; turn++) await store.transact({ operations: [put('a', 6000)] });
    await store.compact();
    await store.transact({ operations: [put('b', 6000)] });
    await store.close();
    const names = await env.files.list(KV);
    const table = names.find((name) => name.endsWith('.table')) ?? '';
    env.files.corrupt(`${KV}/${table}`, { offset: 2 });
    const error = await refusal(env);
    expect(error).toMatchObject({ code: 'KV_CORRUPTION', path: `${KV}/${table}`, offset: 0 });
    expect(error.message).toMatch(/from record 1 on, and what is left of it begins at.*salvage/);
    expect(await env.files.list(KV)).toEqual(names);
  });

  test('of a block without sessions does not keep the store from starting, and only what it holds is refused', async () => {
    const env = await createMemoryEnv();
    const store = await open(env, SETTINGS);
    await store.transact({ operations: [put('a', 10), put('b', 20)] });
    await store.flush();
    await store.transact({ operations: [put('c', 10)] });
    await store.flush();
    await store.close();
    env.files.corrupt(`${KV}/000000000001.table`, { offset: 24 });
    const again = await open(env, SETTINGS);
    expect(again.recovery.healed).toEqual([]);
    expect((await again.get(utf8('c')))?.valueSizeBytes).toBe(10);
    await expect(again.get(utf8('a'))).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
      path: `${KV}/000000000001.table`,
      offset: 16,
    });
    await again.close();
  });

  test('is not healed where the older state refers to segments that compaction has emptied', async () => {
    const env = await createMemoryEnv();
    const store = await open(env, { ...TINY, tableCountLimit: 10 });
    await store.transact({ operations: [put('a', 2000)] });
    for (let turn = 0; turn < 4; turn++) await store.transact({ operations: [put('x', 6000)] });
    await store.flush();
    for (let turn = 0; turn < 4; turn++) await store.transact({ operations: [put('x', 6000)] });
    await store.compact();
    const contents = await contentsOf(store);
    await store.close();
    const tables = (await env.files.list(KV)).filter((name) => name.endsWith('.table'));
    for (const name of tables) {
      const damaged = await copyOf(env);
      await damaged.files.unlink(`${KV}/${name}`);
      expect((await refusal(damaged)).code).toBe('KV_CORRUPTION');
    }
    const whole = await open(env);
    expect(await contentsOf(whole)).toEqual(contents);
    await whole.close();
  });

  test('of the last edit of the MANIFEST is healed by the log, and refused where it was released and removed', async () => {
    const before = await filled();
    const { sizeBytes } = (await before.env.files.stat(`${KV}/MANIFEST`)) ?? { sizeBytes: 0 };
    before.env.files.corrupt(`${KV}/MANIFEST`, { offset: sizeBytes - 4096 + 20 });
    const store = await open(before.env, SETTINGS);
    expect(store.recovery.healed).toMatchObject([{ path: `${KV}/MANIFEST` }]);
    await expectWhole(store, before);
    await store.close();
    await (await open(before.env, SETTINGS)).close();
  });

  test('of the last edit of the MANIFEST leaves every byte as it was found, where the start is refused', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (let turn = 0; turn < 6; turn++) await store.transact({ operations: [put('a', 6000)] });
    await store.compact();
    await store.close();
    const path = `${KV}/MANIFEST`;
    const { sizeBytes } = (await env.files.stat(path)) ?? { sizeBytes: 0 };
    env.files.corrupt(path, { offset: sizeBytes - 4096 + 20, mask: 1 });
    const found = await bytesOf(env, path);
    const names = await env.files.list(KV);
    expect((await refusal(env)).message).toMatch(/the log begins at/);
    expect(await bytesOf(env, path)).toEqual(found);
    expect(await env.files.list(KV)).toEqual(names);
    // What repairs it by hand finds the edit, and nothing is lost.
    env.files.corrupt(path, { offset: sizeBytes - 4096 + 20, mask: 1 });
    const again = await open(env);
    expect((await again.get(utf8('a')))?.valueSizeBytes).toBe(6000);
    await again.close();
  });

  test('that a segment with values is gone refuses the start, and names it', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (const key of ['x', 'y', 'z']) await store.transact({ operations: [put(key, 9000)] });
    await store.flush();
    const [first] = store.status().segments;
    await store.close();
    await env.files.unlink(first?.path ?? '');
    const error = await refusal(env);
    expect(error.message).toMatch(/wal\/\*-00000001\.wal: it is missing, and 9000 bytes of values/);
  });
});

describe('a crash while damage is healed', () => {
  test('at any operation, with every state of the disk after it, loses nothing', async () => {
    const before = await filled();
    await before.env.files.unlink(`${KV}/000000000002.table`);
    let states = 0;
    for (let stop = 1; ; stop++) {
      const env = await copyOf(before.env);
      env.files.stopAt(stop);
      const opened = await open(env, SETTINGS).catch(() => undefined);
      if (!env.files.stopped) {
        await opened?.close();
        break;
      }
      for (const { files } of env.files.crashStates({ exhaustiveLimit: 3, sampleCount: 8 })) {
        states++;
        const store = await open(await createMemoryEnv({ files }), SETTINGS);
        await expectWhole(store, before);
        await store.close();
      }
    }
    expect(states).toBeGreaterThan(30);
  });
});
