/**
 * One step of the bounds in a process of its own: `bounds-process.ts STEP FOLDER OBJECTS LOG_BYTES SHAPE`. Prints what
 * it measured as JSON. `LOG_BYTES`: chunks are written between the objects until the log has so much of them.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { createNodeEnv } from '@holdfast/env/node';
import {
  type LocalStore,
  type LocalStoreStatus,
  type Operation,
  openLocalStore,
} from '@holdfast/kv';
import {
  CHUNK_BYTES,
  chunkKey,
  type ObjectShape,
  objectKey,
  operationsOf,
} from './bounds-entries.ts';
import type {
  LoadResult,
  OpenResult,
  PagesResult,
  PageTimes,
  PressResult,
  StoreCounts,
} from './bounds-results.ts';
import { watchStalls } from './stall-probe.ts';
import { scatter } from './store-entries.ts';

const BATCH_OBJECTS = 500;
const BATCHES_AT_ONCE = 4;
const PAGE_ENTRIES = 1000;
const PAGES = 200;
const PRESS_SECONDS = 60;
const SMALL_OBJECTS = 10_000;
/** The default of `tableCountLimit`. */
const SETTLED_TABLES = 4;

const env = await createNodeEnv();
const [step = '', folder = '', objectsText = '', logBytesText = '', shape = ''] =
  process.argv.slice(2);
const objects = Number(objectsText);
const chunks = Math.floor(Number(logBytesText) / CHUNK_BYTES);
const putObject = await operationsOf(shape as ObjectShape);

function open(name: string): Promise<LocalStore> {
  return openLocalStore({ env, directory: `${folder}/${name}` });
}

/** Objects in batches of one transaction each, and chunks evenly between them. */
async function fill(store: LocalStore, from: number, to: number): Promise<void> {
  let next = from;
  // As requests do, that come one after the other: what it takes to make them is none of the store's.
  let turn = Promise.resolve();
  const ownTurn = (): Promise<void> => {
    turn = turn.then(() => nextTurn());
    return turn;
  };
  const writer = async (): Promise<void> => {
    while (next < to) {
      await ownTurn();
      const first = next;
      const last = Math.min(to, first + BATCH_OBJECTS);
      next = last;
      const operations = putObjects(first, last);
      await store.transact({ operations });
      const chunkTo = Math.floor((last / objects) * chunks);
      for (let chunk = Math.floor((first / objects) * chunks); chunk < chunkTo; chunk++) {
        await putChunk(store, chunk, CHUNK_BYTES - 4096);
      }
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, writer));
}

function putObjects(from: number, to: number): Operation[] {
  const operations: Operation[] = [];
  for (let number = from; number < to; number++) operations.push(...putObject(number));
  return operations;
}

async function putChunk(store: LocalStore, number: number, sizeBytes: number): Promise<void> {
  const value = new Uint8Array(sizeBytes).fill(number);
  await store.transact({ operations: [{ kind: 'put', key: chunkKey(number), value }] });
}

async function load(): Promise<LoadResult> {
  const small = await open('small');
  for (let at = 0; at < SMALL_OBJECTS; at += BATCH_OBJECTS) {
    await small.transact({ operations: putObjects(at, at + BATCH_OBJECTS) });
  }
  await small.flush();
  await small.close();
  const store = await open('large');
  const start = performance.now();
  await fill(store, 0, Math.floor(objects / 2));
  const stalls = watchStalls();
  await fill(store, Math.floor(objects / 2), objects);
  const watched = stalls();
  const seconds = (performance.now() - start) / 1000;
  const status = store.status();
  // As after a power cut: what is not flushed is replayed by the next start.
  await store.close();
  return { seconds, stalls: watched, peakBytes: peakBytes(), ...countsOf(status) };
}

async function openOnly(): Promise<OpenResult> {
  const start = performance.now();
  const store = await open('large');
  const milliseconds = performance.now() - start;
  const { replayedRecords, replayedBytes, steps } = store.recovery;
  const status = store.status();
  await store.close();
  return {
    milliseconds,
    replayedRecords,
    replayedBytes,
    steps,
    peakBytes: peakBytes(),
    ...countsOf(status),
  };
}

/** What a running node does between: a pass of garbage collection, and the merges that it begins. */
async function settle(): Promise<StoreCounts> {
  const store = await open('large');
  await store.collect();
  // Merges are all done when no more tables are left than they leave.
  while (store.status().tableCount > SETTLED_TABLES) await delay(100);
  const { counts } = countsOf(store.status());
  await store.close();
  return counts;
}

/** Pages of each store in turns: from anywhere, and again the same page, which is in memory then. */
async function pages(): Promise<PagesResult> {
  const stores = { small: await open('small'), large: await open('large') };
  const counts = { small: SMALL_OBJECTS, large: objects };
  const times: PageTimes[] = [];
  const { tableCount } = stores.large.status();
  for (let turn = 0; turn < PAGES; turn++) {
    const [small, large] = [
      objectKey(scatter(turn) % counts.small),
      objectKey(scatter(turn) % objects),
    ];
    const first = {
      small: await page(stores.small, small),
      large: await page(stores.large, large),
    };
    const again = {
      small: await page(stores.small, small),
      large: await page(stores.large, large),
    };
    // Pages near the end are shorter, and say nothing.
    if (first.small !== undefined && first.large !== undefined) {
      times.push({ first, again } as PageTimes);
    }
  }
  await stores.small.close();
  await stores.large.close();
  return { times, tableCount, peakBytes: peakBytes() };
}

/** undefined where fewer records follow. */
async function page(store: LocalStore, from: Uint8Array): Promise<number | undefined> {
  const start = performance.now();
  const { entries } = await store.scan({ from, to: Uint8Array.of(0x21), limit: PAGE_ENTRIES });
  const tookMs = performance.now() - start;
  return entries.length === PAGE_ENTRIES ? tookMs : undefined;
}

/** Writes, overwrites, deletes, reads and pages at once, as fast as they go. */
async function press(): Promise<PressResult> {
  const store = await open('large');
  const before = store.status();
  const endMs = performance.now() + PRESS_SECONDS * 1000;
  const counts = { writes: 0, gets: 0, pages: 0 };
  const repeat = async (body: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = 0; performance.now() < endMs; turn++) {
      await body(turn);
      // As requests do: they come one by one from the event loop.
      await nextTurn();
    }
  };
  const stalls = watchStalls();
  const writers = Array.from({ length: 8 }, (_, writer) =>
    repeat(async (turn) => {
      const number = scatter(turn * 8 + writer) % objects;
      const written = [0, 1, 2, 3].flatMap((each) => putObject((number + each) % objects));
      const deleted = putObject((number + 4) % objects).map(({ key }) => ({
        kind: 'delete' as const,
        key,
      }));
      await store.transact({ operations: [...written, ...deleted] });
      counts.writes++;
    }),
  );
  // Overwritten evenly, so that segments die and are rewritten.
  const overwriter = repeat((turn) => putChunk(store, scatter(turn) % 200, CHUNK_BYTES / 4));
  const readers = Array.from({ length: 4 }, (_, reader) =>
    repeat(async (turn) => {
      await store.get(objectKey(scatter(turn * 4 + reader) % objects));
      counts.gets++;
    }),
  );
  const pager = repeat(async (turn) => {
    await store.scan({ from: objectKey(scatter(turn) % objects), limit: PAGE_ENTRIES });
    counts.pages++;
  });
  await Promise.all([...writers, overwriter, ...readers, pager]);
  const watched = stalls();
  const after = store.status();
  await store.close();
  return {
    stalls: watched,
    peakBytes: peakBytes(),
    ...counts,
    flushes: after.flushes - before.flushes,
    merges: after.merges - before.merges,
    movedBytes: after.movedBytes - before.movedBytes,
  };
}

function countsOf(status: LocalStoreStatus): { readonly counts: StoreCounts } {
  const { tableEntries, tableCount, tableBytes, flushes, merges, estimatedMemoryBytes } = status;
  const counts = { tableEntries, tableCount, tableBytes, flushes, merges, estimatedMemoryBytes };
  // Values that compaction moved are as much a part of the log as those that it left.
  const movedBytes = status.extentFiles.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { counts: { ...counts, logBytes: status.wal.sizeBytes + movedBytes } };
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

const STEPS = { load, open: openOnly, settle, pages, press } as const;
const result = await STEPS[step as keyof typeof STEPS]();
process.stdout.write(`${JSON.stringify(result)}\n`);
await env.digests.close();
