import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LocalStore, ScrubReport, StoreDamage } from '../src/index.ts';
import { openLocalStore, Scrubber } from '../src/index.ts';

let env: MemoryEnv;
let store: LocalStore;
let damages: StoreDamage[];
let reports: ScrubReport[];

beforeEach(async () => {
  env = await createMemoryEnv();
  const wal = { segmentSizeBytes: 64 * 1024, preallocate: false, cacheSizeBytes: 0 };
  store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0, wal } });
  for (let at = 0; at < 40; at++) {
    const value = new Uint8Array(5000).fill(at);
    await store.transact({ operations: [{ kind: 'put', key: utf8(`key-${at}`), value }] });
  }
  await store.flush();
  damages = [];
  reports = [];
});

afterEach(async () => {
  await store.close();
});

function newScrubber(bytesPerSecond: number): Scrubber {
  return new Scrubber({
    env,
    directory: '/d',
    segments: () => store.status().segments,
    bytesPerSecond,
    firstPassAfterMs: 1000,
    pauseMs: 1000,
    onDamage: (damage) => damages.push(damage),
    onPass: (report) => reports.push(report),
  });
}

/** Lets time pass in steps until so many passes are done. */
async function passTime(scrubber: Scrubber, passes: number): Promise<void> {
  for (let step = 0; step < 10_000 && scrubber.counters.passes < passes; step++) {
    env.manualClock.advance(50);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  expect(scrubber.counters.passes).toBeGreaterThanOrEqual(passes);
}

test('a pass reads every sealed segment and every table, finds nothing in a whole store, and takes its time', async () => {
  const scrubber = newScrubber(100_000);
  scrubber.start();
  await passTime(scrubber, 1);
  await scrubber.stop();
  const sealed = store.status().segments.filter((segment) => segment.sealed);
  expect(sealed.length).toBeGreaterThan(1);
  expect(reports[0]).toMatchObject({ files: sealed.length + 1, damages: 0 });
  const leastBytes = sealed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  expect(reports[0]!.bytes).toBeGreaterThan(leastBytes);
  expect(reports[0]!.durationMs).toBeGreaterThanOrEqual((reports[0]!.bytes * 1000) / 100_000 - 60);
  expect(damages).toEqual([]);
  expect(env.manualClock.pendingTimers).toBeLessThanOrEqual(1);
});

test('a byte that rots in a sealed segment is reported once, and the store goes on', async () => {
  const [segment] = store.status().segments;
  env.files.corrupt(segment!.path, { offset: 4096 + 8192 + 3000 });
  const scrubber = newScrubber(10_000_000);
  scrubber.start();
  await passTime(scrubber, 3);
  await scrubber.stop();
  expect(damages).toMatchObject([{ area: 'segment', offset: 4096 + 8192 }]);
  expect(reports.map((report) => report.damages)).toEqual([1, 1, 1]);
  await store.transact({ operations: [{ kind: 'put', key: utf8('more'), value: utf8('x') }] });
  expect((await store.get(utf8('key-39')))?.valueSizeBytes).toBe(5000);
});

test('a byte that rots in a table is reported', async () => {
  env.files.corrupt('/d/kv/000000000001.table', { offset: 40 });
  const scrubber = newScrubber(10_000_000);
  scrubber.start();
  await passTime(scrubber, 1);
  await scrubber.stop();
  expect(damages).toMatchObject([{ area: 'table', file: 'kv/000000000001.table', offset: 16 }]);
});

test('a file that cannot be read is reported, and the others are read', async () => {
  const [segment] = store.status().segments;
  env.files.failWhen({
    code: 'FILE_IO',
    times: Infinity,
    when: ({ kind, path }) => kind === 'read' && path === segment!.path,
  });
  const scrubber = newScrubber(10_000_000);
  scrubber.start();
  await passTime(scrubber, 1);
  await scrubber.stop();
  expect(damages).toMatchObject([{ area: 'folder' }]);
  expect(reports[0]!.files).toBeGreaterThan(2);
});

test('files that the store removes in the middle of a pass are no damage', async () => {
  const scrubber = newScrubber(20_000);
  scrubber.start();
  env.manualClock.advance(1000);
  const operations = Array.from({ length: 40 }, (_, at) => ({
    kind: 'delete' as const,
    key: utf8(`key-${at}`),
  }));
  await store.transact({ operations });
  await store.compact();
  await passTime(scrubber, 1);
  await scrubber.stop();
  expect(damages).toEqual([]);
});

test('a stop does not wait for the pause that the rate asks for', async () => {
  const scrubber = newScrubber(1);
  scrubber.start();
  env.manualClock.advance(1000);
  await new Promise<void>((resolve) => setImmediate(resolve));
  await scrubber.stop();
  await scrubber.stop();
  expect(reports).toEqual([]);
});

test('a read that meets damaged bytes is counted', async () => {
  const [segment] = store.status().segments;
  env.files.corrupt(segment!.path, { offset: 4096 + 8192 + 3000 });
  await expect(store.scan({ limit: 100 })).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  expect(store.status().validationErrors).toBe(1);
  expect((await store.get(utf8('key-39')))?.valueSizeBytes).toBe(5000);
});

test('a byte that rots in a file of moved values is reported', async () => {
  const operations = Array.from({ length: 40 }, (_, at) => at)
    .filter((at) => at % 8 !== 0)
    .map((at) => ({ kind: 'delete' as const, key: utf8(`key-${at}`) }));
  await store.transact({ operations });
  await store.compact();
  const [file] = store.status().extentFiles;
  env.files.corrupt(file!.path, { offset: 4096 + 100 });
  const scrubber = newScrubber(10_000_000);
  scrubber.start();
  await passTime(scrubber, 1);
  await scrubber.stop();
  expect(damages).toMatchObject([{ area: 'segment', file: file!.path.slice('/d/'.length) }]);
});
