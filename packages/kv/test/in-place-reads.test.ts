import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileHandle } from '@holdfast/env';
import type { ManualClock } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { BlockCache } from '../src/block-cache.ts';
import { hashKey } from '../src/bloom-filter.ts';
import { Disposals } from '../src/disposals.ts';
import { InPlaceReads } from '../src/in-place-reads.ts';
import { Memtable } from '../src/memtable.ts';
import { SortedTable } from '../src/sorted-table.ts';
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
    const inPlace = new InPlaceReads(env.clock);
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

test('what was found in a block that is not kept stays as it was, and damage of such a block is reported', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-in-place-'));
  const env = await createNodeEnv();
  const disposals = new Disposals();
  try {
    const path = join(folder, 't');
    const memtable = new Memtable();
    const keys = Array.from({ length: 2000 }, (_, at) => Uint8Array.of(1, at >>> 8, at & 255));
    for (const [at, key] of keys.entries()) {
      memtable.set(key, { kind: 'inline', version: at, value: new Uint8Array(100).fill(at) });
    }
    const request = { tableId: 1, path, appliedIndex: 1, dropTombstones: false };
    const source = memtable.source(false);
    const written = await writeTable(env, { ...request, expectedEntries: keys.length }, source);
    // Room for two blocks of thirty.
    const context = { env, cache: new BlockCache(20_000), disposals };
    const inPlace = new InPlaceReads(env.clock);
    const table = await SortedTable.open({ ...context, inPlace }, path, { tableId: 1, ...written });
    const found = [];
    for (const key of keys) found.push(await table.get(key, hashKey(key)));
    for (const [at, record] of found.entries()) {
      const value = new Uint8Array(100).fill(at);
      expect(record).toEqual({ kind: 'inline', version: at, value });
    }
    const file = await open(path, 'r+');
    for (let offset = 100; offset < written.sizeBytes / 2; offset += 4096) {
      await file.write(Uint8Array.of(170), 0, 1, offset);
    }
    await file.close();
    for (let at = 0; at < 800; at += 50) {
      const key = keys[at] as Uint8Array;
      await expect((async () => table.get(key, hashKey(key)))()).rejects.toMatchObject({
        code: 'KV_CORRUPTION',
      });
    }
    table.release();
    await disposals.finished();
  } finally {
    await env.digests.close();
    await rm(folder, { recursive: true });
  }
});
