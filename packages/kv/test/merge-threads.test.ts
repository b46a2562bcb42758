import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { createMemoryEnv } from '@holdfast/env/memory';
import { NodeFiles } from '@holdfast/env/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LocalStore, LocalStoreSettings } from '../src/index.ts';
import { openLocalStore } from '../src/index.ts';
import { listingOf } from '../src/table-answer.ts';
import { contentsOf, del, put, TINY } from './fixtures/crash-enumeration.ts';
import { diesHalfway, filesWithThreads, neverEnds } from './fixtures/thread-faults.ts';
import { expectSameTable, IDENTITY, machine, tableNamesIn } from './fixtures/thread-stores.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** Nothing is compacted, so that a new file is a merge's. */
const SETTINGS = { ...TINY, compactionLiveShare: 0, mergeThreadSizeBytes: 0 };

function open(
  env: Env,
  where: string = directory,
  settings: LocalStoreSettings = SETTINGS,
): Promise<LocalStore> {
  return openLocalStore({ env, directory: where, identity: IDENTITY, settings });
}

const tableNames = (): Promise<string[]> => tableNamesIn(directory);

/** Three tables: overwritten keys, a tombstone, values in the index and in the log. */
async function filled(store: LocalStore): Promise<void> {
  const many = Array.from({ length: 500 }, (_, at) => put(`key-${at}`, 100 + (at % 50)));
  await store.transact({ operations: [...many, put('a', 3000), put('b', 10)] });
  await store.flush();
  await store.transact({ operations: [...many.slice(100, 200), del('b'), put('c', 2000)] });
  await store.flush();
  await store.transact({ operations: [put('a', 1500), put('d', 5)] });
  await store.flush();
}

describe('on the files of the machine', () => {
  test('tables are merged on a thread of their own', async () => {
    const files = new NodeFiles();
    const store = await open(await machine(files));
    await filled(store);
    const before = await contentsOf(store);
    await store.compact();
    expect(files.threads.startedCount).toBe(1);
    expect(store.status()).toMatchObject({ tableCount: 1, merges: 1, mergeThreadFailures: 0 });
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
    const again = await open(await machine(files));
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });

  test.each([
    ['one byte less than the least gets no thread', 1, 0],
    ['the least gets one', 0, 1],
  ])('of tables together, %s', async (_, missingBytes, threads) => {
    const first = await open(await machine(new NodeFiles()));
    await filled(first);
    const before = await contentsOf(first);
    await first.close();
    const tables = (await tableNames()).map((name) => stat(`${directory}/kv/${name}`));
    const sizeBytes = (await Promise.all(tables)).reduce((sum, { size }) => sum + size, 0);
    const files = new NodeFiles();
    const settings = { ...SETTINGS, mergeThreadSizeBytes: sizeBytes + missingBytes };
    const store = await open(await machine(files), directory, settings);
    await store.compact();
    expect(files.threads.startedCount).toBe(threads);
    expect(store.status()).toMatchObject({ tableCount: 1, merges: 1, mergeThreadFailures: 0 });
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
  });

  test('the merged table is byte for byte the one that is made without threads', async () => {
    await expectSameTable(directory, async (env, where) => {
      const store = await open(env, where);
      await filled(store);
      await store.compact();
      await store.close();
    });
  });

  test('where its thread dies a merge is done on this one, and counted', async () => {
    const store = await open(await machine(filesWithThreads(diesHalfway)));
    await filled(store);
    const before = await contentsOf(store);
    await store.compact();
    expect(store.status()).toMatchObject({ tableCount: 1, merges: 1, mergeThreadFailures: 1 });
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
    expect((await tableNames()).length).toBe(1);
  });

  test('closing gives a merge up, removes what it had written, and loses nothing', async () => {
    const store = await open(await machine(filesWithThreads(neverEnds)));
    await filled(store);
    const before = await contentsOf(store);
    const merging = expect(store.compact()).rejects.toMatchObject({ code: 'KV_CLOSED' });
    while ((await tableNames()).length < 4);
    await store.close();
    await merging;
    expect((await tableNames()).length).toBe(3);
    const again = await open(await machine(new NodeFiles()));
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });

  test('flushes and writes go on beside a merge, until there are too many tables', async () => {
    const env = await machine(filesWithThreads(neverEnds));
    const settings = { ...TINY, memtableSizeBytes: 1, mergeThreadSizeBytes: 0 };
    const store = await openLocalStore({ env, directory, identity: IDENTITY, settings });
    let written = 0;
    const writing = (async () => {
      for (; written < 60; written++) {
        await store.transact({ operations: [put(`key-${written}`, 10)] });
      }
    })();
    while (store.status().tableCount <= 32) await env.files.stat(directory);
    // As much as thirty flushes do, and more.
    for (let turn = 0; turn < 30; turn++) {
      const file = await env.files.open(join(directory, `${turn}`), 'create');
      for (let sync = 0; sync < 5; sync++) {
        await file.write(Uint8Array.of(sync), sync);
        await file.sync();
      }
      await file.close();
      await env.files.syncDirectory(directory);
    }
    expect(store.status().tableCount).toBe(33);
    expect(written).toBeLessThan(60);
    const closing = store.close();
    await expect(writing).rejects.toMatchObject({ code: 'KV_CLOSED' });
    await closing;
    const again = await open(await machine(new NodeFiles()));
    expect((await contentsOf(again)).length).toBeGreaterThanOrEqual(written);
    await again.close();
  });

  test('a damaged table is refused by the thread that merges it', async () => {
    const store = await open(await machine(new NodeFiles()));
    await filled(store);
    const [name] = await tableNames();
    const path = `${directory}/kv/${name}`;
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] as number) ^ 1;
    await writeFile(path, bytes);
    await expect(store.compact()).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
      path,
      offset: 16,
    });
    expect(store.status().mergeThreadFailures).toBe(0);
    await store.close();
  });
});

test('in memory no thread is started: the files have none', async () => {
  const { files } = await createMemoryEnv();
  expect('threads' in files).toBe(false);
});

test('an error of the files on another thread is the same error here', () => {
  const error = new FileError('NO_SPACE', '/data/kv/1.table', 'write failed with ENOSPC');
  const { code, path, message } = error;
  expect(() => listingOf({ kind: 'fileError', code, path, message })).toThrow(error);
});
