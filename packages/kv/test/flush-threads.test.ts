import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { createMemoryEnv } from '@holdfast/env/memory';
import { NodeFiles, NodeThreads } from '@holdfast/env/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { flushTask } from '../src/flush-task.ts';
import type { LocalStore, LocalStoreSettings } from '../src/index.ts';
import { openLocalStore } from '../src/index.ts';
import type { IndexRecord } from '../src/index-record.ts';
import type { IndexSource } from '../src/index-source.ts';
import { Memtable } from '../src/memtable.ts';
import { MemtableCopySource } from '../src/memtable-copy.ts';
import { contentsOf, del, put, TINY } from './fixtures/crash-enumeration.ts';
import {
  diesHalfway,
  filesWithThreads,
  findsNoRoom,
  waitsForWord,
} from './fixtures/thread-faults.ts';
import { expectSameTable, IDENTITY, machine } from './fixtures/thread-stores.ts';

/** Only what a test asks for is flushed, on a thread. */
const SETTINGS = { ...TINY, memtableSizeBytes: 1 << 24, flushThreadSizeBytes: 0 };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'));
});

afterEach(() => rm(directory, { recursive: true }));

function open(
  env: Env,
  where: string = directory,
  settings: LocalStoreSettings = SETTINGS,
): Promise<LocalStore> {
  return openLocalStore({ env, directory: where, identity: IDENTITY, settings });
}

/** Overwritten keys, a tombstone, values in the index and in the log, of which nothing is flushed. */
async function fill(store: LocalStore): Promise<void> {
  const many = Array.from({ length: 500 }, (_, at) => put(`key-${at}`, 100 + (at % 50)));
  await store.transact({ operations: [...many, put('a', 3000), put('b', 10), put('empty', 0)] });
  await store.transact({ operations: [...many.slice(100, 200), del('b'), put('c', 2000)] });
}

describe('on the files of the machine', () => {
  test('memtables are flushed on a thread, which is kept for the next', async () => {
    // However long a busy disk takes between the two.
    const threads = new NodeThreads({}, 3_600_000);
    const files = Object.assign(new NodeFiles(), { threads });
    const store = await open(await machine(files));
    await fill(store);
    const before = await contentsOf(store);
    await store.flush();
    expect(await contentsOf(store)).toEqual(before);
    await fill(store);
    await store.flush();
    const after = await contentsOf(store);
    expect(files.threads.startedCount).toBe(1);
    expect(store.status()).toMatchObject({ tableCount: 2, flushThreadFailures: 0 });
    await store.close();
    const again = await open(await machine(files));
    expect(await contentsOf(again)).toEqual(after);
    expect(again.status().revision).toBe(store.status().revision);
    await again.close();
  });

  test.each([
    ['one byte less than the least gets no thread', 1, 0],
    ['the least gets one', 0, 1],
  ])('of memtables, %s', async (_, missingBytes, threads) => {
    const files = new NodeFiles();
    const env = await machine(files);
    const first = await open(env, join(directory, 'first'));
    await fill(first);
    const { memtableBytes } = first.status();
    await first.close();
    const flushThreadSizeBytes = memtableBytes + missingBytes;
    const store = await open(env, directory, { ...SETTINGS, flushThreadSizeBytes });
    await fill(store);
    await store.flush();
    expect(files.threads.startedCount).toBe(threads);
    expect(store.status().tableCount).toBe(1);
    await store.close();
  });

  test('the table is byte for byte the one that is made without threads', async () => {
    await expectSameTable(directory, async (env, where) => {
      const store = await open(env, where);
      await fill(store);
      await store.flush();
      await store.close();
    });
  });

  test('where its thread dies a flush is done on this one, and counted', async () => {
    const store = await open(await machine(filesWithThreads(diesHalfway)));
    await fill(store);
    const before = await contentsOf(store);
    await store.flush();
    expect(store.status()).toMatchObject({ tableCount: 1, flushThreadFailures: 1 });
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
    const again = await open(await machine(new NodeFiles()));
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });

  test('a thread that finds the volume full is waited out, and the flush is done again', async () => {
    const store = await open(await machine(filesWithThreads(findsNoRoom)));
    await fill(store);
    const before = await contentsOf(store);
    await writeFile(`${directory}/kv/full`, '');
    await expect(store.flush()).rejects.toMatchObject({ code: 'KV_NO_SPACE' });
    expect(store.status().flushThreadFailures).toBe(0);
    expect(await contentsOf(store)).toEqual(before);
    await rm(`${directory}/kv/full`);
    await store.flush();
    expect(store.status().tableCount).toBe(1);
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
  });

  test('while a thread writes the table, everything is read and written', async () => {
    const store = await open(await machine(filesWithThreads(waitsForWord)));
    await fill(store);
    const before = await contentsOf(store);
    const view = await store.readView();
    const flushing = store.flush();
    const { flushes } = store.status();
    await store.transact({ operations: [put('key-7', 9), del('a'), put('new', 4)] });
    expect(await contentsOf(store)).not.toEqual(before);
    expect((await store.get(utf8('key-8')))?.value.length).toBe(108);
    expect((await store.get(utf8('key-7')))?.value.length).toBe(9);
    expect(await store.get(utf8('a'))).toBeUndefined();
    expect(await contentsOf(view)).toEqual(before);
    expect(store.status()).toMatchObject({ tableCount: 0, flushes });
    const after = await contentsOf(store);
    await writeFile(`${directory}/kv/go`, '');
    await flushing;
    expect(store.status()).toMatchObject({ flushes: flushes + 1 });
    expect(await contentsOf(view)).toEqual(before);
    expect(await contentsOf(store)).toEqual(after);
    view.close();
    await store.close();
  });
});

describe('the copy of a memtable', () => {
  /** More than two pieces of a mebibyte, values of every kind, keys that were written twice. */
  function filled(): Memtable {
    const memtable = new Memtable();
    for (let at = 0; at < 20_000; at++) {
      const key = utf8(`key ${(at * 7919) % 19_000}`);
      memtable.set(key, recordOf(at));
      if (at === 9000) memtable.snapshot();
    }
    return memtable;
  }

  function recordOf(version: number): IndexRecord {
    if (version % 7 === 0) return { kind: 'tombstone', version };
    if (version % 7 === 1) {
      const extent = {
        segmentId: version,
        offset: version * 2 ** 21,
        length: 5000,
        crc: 2 ** 32 - 1,
      };
      return { kind: 'extent', version, extent };
    }
    return { kind: 'inline', version, value: new Uint8Array((version * 37) % 1025).fill(version) };
  }

  async function rowsOf(source: IndexSource): Promise<unknown[]> {
    const rows: unknown[] = [];
    for (await source.seek(undefined); source.key !== undefined; await source.advance()) {
      rows.push([toHex(source.key), source.record]);
    }
    return rows;
  }

  test('has the keys in order with their newest records, and the event loop had its turns', async () => {
    const memtable = filled();
    let turns = 0;
    const copy = await memtable.copy({ turn: async () => void turns++ });
    expect(await rowsOf(new MemtableCopySource(copy))).toEqual(
      await rowsOf(memtable.source(false)),
    );
    const copiedBytes = copy.keys.length + copy.records.length + copy.values.length;
    expect(copiedBytes).toBeGreaterThan(4 << 20);
    expect(turns).toBeGreaterThanOrEqual(Math.floor(copiedBytes / (1 << 20)) - 3);
    expect(await rowsOf(new MemtableCopySource(await new Memtable().copy({ turn })))).toEqual([]);
  });

  test('is let go of when the table is written, and when it could not be', async () => {
    const env = await createMemoryEnv();
    const write = {
      tableId: 1,
      path: '/1.table',
      appliedIndex: 1,
      expectedEntries: 19_000,
      dropTombstones: false,
    };
    for (const kind of ['written', 'fileError']) {
      const copy = await filled().copy({ turn });
      const answer = await flushTask.run(env, { directory: '/', copy, write });
      expect(answer.kind).toBe(kind);
      for (const { buffer } of [copy.keys, copy.records, copy.values]) {
        expect(buffer.detached).toBe(true);
      }
    }
  });

  async function turn(): Promise<void> {}
});
