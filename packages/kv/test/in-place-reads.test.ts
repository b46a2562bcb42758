import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { FileHandle } from '@holdfast/env';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { BlockCache } from '../src/block-cache.ts';
import { hashKey } from '../src/bloom-filter.ts';
import { Disposals } from '../src/disposals.ts';
import { InPlaceReads } from '../src/in-place-reads.ts';
import { openLocalStore } from '../src/index.ts';
import type { IndexRecord } from '../src/index-record.ts';
import { Memtable } from '../src/memtable.ts';
import { Slab } from '../src/slab.ts';
import { SortedTable } from '../src/sorted-table.ts';
import { TableSource } from '../src/table-source.ts';
import { writeTable } from '../src/table-writer.ts';

const BYTES = 100;
/** So that 1024 of them are exactly 2 ms. */
const FAST_MS: number = 1 / 512;

/** A file of 100 bytes on a device that takes so long for each read in place. */
async function deviceFile(): Promise<{
  readonly clock: ManualClock;
  readonly file: FileHandle;
  readonly device: { tookMs: number; reads: number };
}> {
  const { files, manualClock: clock } = await createMemoryEnv();
  const handle = await files.open('/a', 'create');
  await handle.write(new Uint8Array(BYTES).fill(5), 0);
  const device = { tookMs: FAST_MS, reads: 0 };
  const file: FileHandle = Object.assign(handle, {
    readNow: (target: Uint8Array, position: number): number => {
      device.reads++;
      clock.advance(device.tookMs);
      if (position < 0) throw new Error('the device failed');
      const got = Math.min(target.length, Math.max(0, BYTES - position));
      target.fill(5, 0, got);
      return got;
    },
  });
  return { clock, file, device };
}

function readTimes(inPlace: InPlaceReads, file: FileHandle, times: number): number {
  let done = 0;
  for (let each = 0; each < times; each++) if (inPlace.read(file, new Uint8Array(10), 0)) done++;
  return done;
}

test('fast reads are done in place, but for one after each two milliseconds of them', async () => {
  const { clock, file, device } = await deviceFile();
  const inPlace = new InPlaceReads(clock);
  expect(readTimes(inPlace, file, 1024)).toBe(1024);
  expect(readTimes(inPlace, file, 2)).toBe(1);
  expect(readTimes(inPlace, file, 10_250)).toBe(10_240);
  expect(device.reads).toBe(11_265);
});

test('a device that is slow every time is asked in place less and less', async () => {
  const { clock, file, device } = await deviceFile();
  const inPlace = new InPlaceReads(clock);
  device.tookMs = 1;
  readTimes(inPlace, file, 10_000);
  expect(device.reads).toBeLessThan(10);
  device.tookMs = FAST_MS;
  const before = device.reads;
  readTimes(inPlace, file, 20_000);
  expect(device.reads - before).toBeGreaterThan(10_000);
});

test('one slow read among fast ones sends few to threads', async () => {
  const { clock, file, device } = await deviceFile();
  const inPlace = new InPlaceReads(clock);
  readTimes(inPlace, file, 10);
  device.tookMs = 1;
  readTimes(inPlace, file, 1);
  device.tookMs = FAST_MS;
  expect(readTimes(inPlace, file, 100)).toBe(96);
});

test('what fails or ends too soon in place is left to the other way of reading', async () => {
  const { clock, file } = await deviceFile();
  const inPlace = new InPlaceReads(clock);
  expect(inPlace.read(file, new Uint8Array(10), -1)).toBe(false);
  expect(inPlace.read(file, new Uint8Array(10), BYTES - 5)).toBe(false);
  expect(inPlace.read(file, new Uint8Array(10), BYTES - 10)).toBe(true);
});

test('a file that cannot be read in place is left to the other way', async () => {
  const { files, manualClock } = await createMemoryEnv();
  const file = await files.open('/a', 'create');
  await file.write(new Uint8Array(10), 0);
  expect(new InPlaceReads(manualClock).read(file, new Uint8Array(10), 0)).toBe(false);
});

test('a damaged block that is read in place is reported, and never served', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-in-place-'));
  const env = await createNodeEnv();
  const disposals = new Disposals();
  try {
    const path = join(folder, 't');
    const memtable = new Memtable();
    const key = Uint8Array.of(1, 2, 3);
    memtable.set(key, { kind: 'inline', version: 1, value: new Uint8Array(50).fill(7) });
    const request = {
      tableId: 1,
      path,
      appliedIndex: 1,
      expectedEntries: 1,
      dropTombstones: false,
    };
    const written = await writeTable(env, request, memtable.source(false));
    let damaged = 0;
    const onDamage = (): void => void damaged++;
    // A clock that stands: no read is slow.
    const inPlace = new InPlaceReads(new ManualClock());
    const context = { env, cache: new BlockCache(50_000), disposals, inPlace, onDamage };
    const table = await SortedTable.open(context, path, { tableId: 1, ...written });
    const file = await open(path, 'r+');
    await file.write(Uint8Array.of(8), 0, 1, 40);
    await expect(table.get(key, hashKey(key))).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
    expect(damaged).toBe(1);
    await file.write(Uint8Array.of(7), 0, 1, 40);
    await file.close();
    // Not a promise: it was read in place.
    expect(table.get(key, hashKey(key))).toMatchObject({ version: 1 });
    table.release();
    await disposals.finished();
  } finally {
    await env.digests.close();
    await rm(folder, { recursive: true });
  }
});

const COUNT = 2000;
const ROWS = Array.from({ length: COUNT }, (_, at) => ({
  key: Uint8Array.of(1, at >>> 8, at & 255),
  record: { kind: 'inline' as const, version: at, value: new Uint8Array(100).fill(at) },
}));

interface Row {
  readonly key: Uint8Array;
  readonly record: IndexRecord | undefined;
}

/** Places at which the two differ. */
function wrongOf(found: readonly Row[], rows: readonly Row[]): number[] {
  const all = rows.map((row, at) => (isDeepStrictEqual(found[at], row) ? -1 : at));
  if (found.length > rows.length) all.push(rows.length);
  return all.filter((at) => at >= 0);
}

/** A table of some thirty blocks that is read in place, with room in the cache for so many bytes of them. */
async function withTable(
  cacheBytes: number,
  body: (table: SortedTable, cache: BlockCache) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-in-place-'));
  const env = await createNodeEnv();
  const disposals = new Disposals();
  try {
    const path = join(folder, 't');
    const memtable = new Memtable();
    for (const { key, record } of ROWS) memtable.set(key, record);
    const request = {
      tableId: 1,
      path,
      appliedIndex: 1,
      expectedEntries: COUNT,
      dropTombstones: false,
    };
    const written = await writeTable(env, request, memtable.source(false));
    const cache = new BlockCache(cacheBytes);
    // A clock that stands: no read is slow.
    const inPlace = new InPlaceReads(new ManualClock());
    const context = { env, cache, disposals, inPlace };
    const table = await SortedTable.open(context, path, { tableId: 1, ...written });
    await body(table, cache);
    table.release();
    await disposals.finished();
  } finally {
    await env.digests.close();
    await rm(folder, { recursive: true });
  }
}

/** Changes a byte of the first value, and one in every 4 KiB of the first half. */
async function damage(table: SortedTable): Promise<void> {
  const file = await open(table.path, 'r+');
  for (let offset = 100; offset < table.sizeBytes / 2; offset += 4096) {
    await file.write(Uint8Array.of(170), 0, 1, offset);
  }
  await file.close();
}

/** What a walk that keeps nothing finds from `from` on. */
async function walk(table: SortedTable, from?: Uint8Array): Promise<Row[]> {
  const source = new TableSource(table, {
    reverse: false,
    useCache: true,
    passing: new Slab(20_000),
  });
  const rows: Row[] = [];
  for (await source.seek(from); source.key !== undefined; await source.advance()) {
    rows.push({ key: source.key, record: source.record });
  }
  return rows;
}

test('what was found in a block that is not kept stays as it was, and damage of such a block is reported', async () => {
  // Room for two blocks.
  await withTable(20_000, async (table) => {
    const found: Row[] = [];
    for (const { key } of ROWS) found.push({ key, record: await table.get(key, hashKey(key)) });
    expect(wrongOf(found, ROWS)).toEqual([]);
    await damage(table);
    for (let at = 0; at < 800; at += 50) {
      const { key } = ROWS[at] as (typeof ROWS)[0];
      await expect((async () => table.get(key, hashKey(key)))()).rejects.toMatchObject({
        code: 'KV_CORRUPTION',
      });
    }
  });
});

test('what a walk found in blocks that it does not keep stays as it was, and their damage is reported', async () => {
  await withTable(1_000_000, async (table, cache) => {
    expect(wrongOf(await walk(table, ROWS[500]?.key), ROWS.slice(500))).toEqual([]);
    expect(cache.sizeBytes).toBe(0);
  });
  await withTable(1_000_000, async (table) => {
    await damage(table);
    await expect(walk(table)).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
      message: expect.stringContaining('wrong checksum'),
    });
  });
});

test('what walks need again and again, others between, is kept', async () => {
  await withTable(1_000_000, async (table, cache) => {
    for (let round = 0; round < 5; round++) expect(wrongOf(await walk(table), ROWS)).toEqual([]);
    expect(cache.sizeBytes).toBeGreaterThan(200_000);
  });
});

test('a scan keeps what it reads where all tables fit into the cache, and only there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-in-place-'));
  const env = { ...(await createNodeEnv()), clock: new ManualClock() };
  const cachedAfterScan = async (blockCacheSizeBytes: number): Promise<number> => {
    const directory = join(folder, `${blockCacheSizeBytes}`);
    const settings = { blockCacheSizeBytes, wal: { preallocate: false } };
    const store = await openLocalStore({ env, directory, settings });
    const operations = ROWS.map(({ key, record: { value } }) => ({
      kind: 'put' as const,
      key,
      value,
    }));
    await store.transact({ operations });
    await store.flush();
    expect((await store.scan({ limit: COUNT })).entries.length).toBe(COUNT);
    const { blockCacheBytes } = store.status();
    await store.close();
    return blockCacheBytes;
  };
  try {
    expect(await cachedAfterScan(1_000_000)).toBeGreaterThan(200_000);
    expect(await cachedAfterScan(100_000)).toBe(0);
  } finally {
    await env.digests.close();
    await rm(folder, { recursive: true });
  }
});
