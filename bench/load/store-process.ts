/**
 * A store in a process of its own: its parent tells it what to do and reads what that cost. Keys and values
 * are made while the clock runs, the same for every store.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { openHoldfastStore } from '../peers/stores/holdfast-store.ts';
import { openLevelStore } from '../peers/stores/level-store.ts';
import { openLmdbStore } from '../peers/stores/lmdb-store.ts';
import type { PeerName, PeerStore } from '../peers/stores/peer-store.ts';
import { checkValue, entryKey, entryValue, scatter } from './store-entries.ts';
import type { StoreTask, StoreTaskResult } from './store-messages.ts';

const OPEN: Readonly<Record<PeerName, (directory: string) => Promise<PeerStore>>> = {
  holdfast: openHoldfastStore,
  'classic-level': openLevelStore,
  lmdb: openLmdbStore,
};
const PAGE_ENTRIES = 1000;
/** First word of the keys that the last sixteenth begins with. */
const LATE_KEYS = 0xf000_0000;
/** At rest is a process that used less than 2 % of a core for so long. */
const REST_MS = 500;

type Work = Exclude<StoreTask, { kind: 'open' | 'close' }>;

let store: PeerStore | undefined;

async function run(task: StoreTask): Promise<StoreTaskResult> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const cpu = process.cpuUsage();
  delay.enable();
  const start = performance.now();
  if (task.kind === 'open') store = await OPEN[task.name](task.directory);
  else if (store === undefined) throw new Error('no store is open');
  else if (task.kind === 'close') await store.close();
  else await work(store, task);
  const seconds = (performance.now() - start) / 1000;
  if (task.kind === 'load') await rest();
  delay.disable();
  const { user, system } = process.cpuUsage(cpu);
  const status = readFileSync('/proc/self/status', 'latin1');
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: field(status, 'VmHWM'),
    anonymousBytes: field(status, 'RssAnon'),
    longestDelayMs: delay.max / 1e6,
  };
}

async function work(target: PeerStore, task: Work): Promise<void> {
  if (task.kind === 'load') await load(target, task);
  else if (task.kind === 'scan') await scan(target, task);
  else {
    const share = Math.floor(task.count / task.atOnce);
    const readers = Array.from({ length: task.atOnce }, (_, reader) =>
      get(target, task.entries, share, task.seed + reader * share),
    );
    await Promise.all(readers);
  }
}

async function load(target: PeerStore, task: Extract<Work, { kind: 'load' }>): Promise<void> {
  for (let from = task.from; from < task.to; from += task.batch) {
    const entries = [];
    for (let number = from; number < Math.min(task.to, from + task.batch); number++) {
      entries.push({ key: entryKey(number), value: entryValue(number) });
    }
    await target.putBatch(entries);
  }
}

async function get(target: PeerStore, entries: number, count: number, seed: number): Promise<void> {
  for (let each = 0; each < count; each++) {
    const number = scatter(seed + each) % entries;
    const found = target.get(entryKey(number));
    checkValue(found instanceof Promise ? await found : found, number);
  }
}

async function scan(target: PeerStore, task: Extract<Work, { kind: 'scan' }>): Promise<void> {
  for (let each = 0; each < task.count; each++) {
    let number = scatter(task.seed + each) % task.entries;
    // Why: a page that begins near the last key would have fewer entries.
    while (scatter(number) >= LATE_KEYS) number = (number + 1) % task.entries;
    const page = await target.scan(entryKey(number), PAGE_ENTRIES);
    checkValue(page[0]?.value, number);
    if (page.length !== PAGE_ENTRIES) throw new Error(`${page.length} entries in a page`);
  }
}

async function rest(): Promise<void> {
  for (;;) {
    const before = process.cpuUsage();
    await pause(REST_MS);
    const { user, system } = process.cpuUsage(before);
    if (user + system < REST_MS * 20) return;
  }
}

function field(status: string, name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
}

function answer(message: { result?: StoreTaskResult; error?: string }, isLast: boolean): void {
  process.send?.(message, undefined, undefined, () => {
    if (isLast) process.disconnect();
  });
}

process.on('message', (task: StoreTask) => {
  run(task).then(
    (result) => answer({ result }, task.kind === 'close'),
    (error: unknown) =>
      answer(
        { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        false,
      ),
  );
});
