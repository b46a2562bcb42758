import { logIndex, term } from '@holdfast/bytes';
import { createMemoryEnv, type DiskOperation, ManualClock } from '@holdfast/env/memory';
import { KvError } from '@holdfast/kv';
import type { Entry, PersistRequest } from '@holdfast/raft';
import { configurationOf, contentSizeBytes, nodeId } from '@holdfast/raft';
import { openWal, type Wal, type WalOptions } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { PersistQueue } from '../src/persist-queue.ts';

const IDENTITY = { clusterId: '0'.repeat(32), nodeId: '1'.repeat(32) };
/** A segment, also under the name that it is made under. */
const LOG_FILE = /\/wal\/(?!state)/;

/** Of a log that writes every `largeOf` entry in a batch of its own. */
const SMALL_BATCHES = { batchSizeLimitBytes: 4096 };
/** So large that two of them are no batch. */
const LARGE_BYTES = 3000;

/** `log`: of the log, where it is another one than the usual. */
async function openQueue(log: Partial<WalOptions> = {}) {
  const disk = { stateMs: 0, isFull: false };
  const latencyMs = ({ kind, path }: DiskOperation): number =>
    kind === 'writeSynced' && path.startsWith('/wal/state') ? disk.stateMs : 0;
  const clock = new ManualClock();
  const env = await createMemoryEnv({ clock, latencyMs });
  const wal = await openWal({
    env,
    directory: '/wal',
    identity: IDENTITY,
    segmentSizeBytes: 65_536,
    preallocate: false,
    ...log,
  });
  const durable: number[] = [];
  /** How far the log was durable when each was said to be. */
  const durableTo: number[] = [];
  const installed: number[] = [];
  /** Those whose messages may leave, and whose last entry is another one in the log. */
  const broken: number[] = [];
  const failures: unknown[] = [];
  let noSpace = 0;
  const queue = new PersistQueue({
    wal,
    clock,
    bodyChecksum: env.bodyChecksum,
    onAppended: () => undefined,
    onDurable: ({ ack }, isVoid) => {
      durable.push(ack.write);
      durableTo.push(wal.durableIndex);
      if (!isVoid && wal.termAt(ack.index) !== ack.term) broken.push(ack.write);
    },
    install: ({ ack }) => {
      installed.push(ack.write);
      if (!disk.isFull) return Promise.resolve();
      return Promise.reject(new KvError('KV_NO_SPACE', 'the volume is full'));
    },
    onNoSpace: () => noSpace++,
    onFailure: (cause) => failures.push(cause),
  });
  const told = { durable, durableTo, broken, installed, failures, noSpace: () => noSpace };
  return { env, clock, disk, wal, queue, ...told };
}

/** Term `write`, a vote, and so many entries of that term. */
function requestOf(write: number, first: number, count: number): PersistRequest {
  const content = { type: 'noop' } as const;
  const sizeBytes = contentSizeBytes(content);
  const entries = Array.from({ length: count }, (_, at): Entry => {
    return { index: logIndex(first + at), term: term(write), sizeBytes, content };
  });
  const index = logIndex(first + count - 1);
  return {
    snapshot: undefined,
    hardState: { term: term(write), votedFor: nodeId('n2'), commitIndex: logIndex(0) },
    truncateFrom: undefined,
    entries,
    messages: [],
    ack: { write, index, term: term(write) },
  };
}

/** More entries of that term, and no vote. */
function moreOf(write: number, ofTerm: number, first: number, count: number): PersistRequest {
  const request = requestOf(ofTerm, first, count);
  return { ...request, hardState: undefined, ack: { ...request.ack, write } };
}

/** As `requestOf`, without a vote, and of entries that have a batch each in a log of `SMALL_BATCHES`. */
function largeOf(write: number, first: number, count: number): PersistRequest {
  const request = requestOf(write, first, count);
  const command = { kind: 200, head: new Uint8Array(1), body: [new Uint8Array(LARGE_BYTES)] };
  const content = { type: 'command', command } as const;
  const entries = request.entries.map((entry) => ({ ...entry, content }));
  return { ...request, entries, hardState: undefined };
}

const SNAPSHOT = {
  index: logIndex(0),
  term: term(0),
  configuration: configurationOf([nodeId('n2')]),
};

async function pass(clock: ManualClock, durationMs: number): Promise<void> {
  for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs += 50) {
    await turns();
    clock.advance(50);
  }
  await turns();
}

/** Lets everything run that needs no time. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

function stateOf({ hardState, lastIndex }: Wal): readonly [number, number] {
  return [hardState.term, lastIndex];
}

test('where a vote finds no room it is tried again, and nothing behind it is written or promised before', async () => {
  const { env, clock, wal, queue, durable, failures, noSpace } = await openQueue();
  queue.submit(requestOf(1, 1, 2));
  await turns();
  expect(durable).toEqual([1]);
  const full = env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && path.startsWith('/wal/state'),
    code: 'NO_SPACE',
    times: Number.POSITIVE_INFINITY,
    applied: 'none',
  });
  queue.submit(requestOf(2, 3, 1));
  queue.submit(requestOf(3, 4, 1));
  for (const tries of [1, 2, 3]) {
    await turns();
    expect(noSpace()).toBe(tries);
    expect(stateOf(wal)).toEqual([1, 2]);
    expect(durable).toEqual([1]);
    if (tries === 3) full.cancel();
    clock.advance(200);
  }
  await turns();
  expect([durable, failures]).toEqual([[1, 2, 3], []]);
  expect(stateOf(wal)).toEqual([3, 4]);
  expect(noSpace()).toBe(3);
  await queue.stop();
  await wal.close();
});

test('what a full log took back is written again, in order, with what came meanwhile', async () => {
  const { env, clock, wal, queue, durable, failures, noSpace } = await openQueue();
  const full = env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && LOG_FILE.test(path),
    code: 'NO_SPACE',
    times: 2,
    applied: 'none',
  });
  queue.submit(requestOf(1, 1, 2));
  queue.submit(moreOf(2, 1, 3, 2));
  await turns();
  queue.submit(moreOf(3, 1, 5, 1));
  for (let tries = 0; tries < 4; tries++) {
    await turns();
    clock.advance(200);
  }
  await turns();
  expect(noSpace()).toBeGreaterThan(0);
  expect([durable, failures, wal.lastIndex]).toEqual([[1, 2, 3], [], 5]);
  full.cancel();
  await queue.stop();
  await wal.close();
});

test.each([
  ['it has entries', 1],
  ['it has none', 0],
])(
  'where the log took records back while the next request saved its vote, they come first: %s',
  async (_, count) => {
    const { env, clock, disk, wal, queue, durable, failures } = await openQueue();
    env.files.failWhen({
      when: ({ kind, path }) => kind === 'writeSynced' && LOG_FILE.test(path),
      code: 'NO_SPACE',
      times: 1,
      applied: 'none',
    });
    queue.submit({ ...requestOf(1, 1, 2), hardState: undefined });
    await turns();
    disk.stateMs = 150;
    queue.submit(requestOf(2, 3, count));
    for (let elapsedMs = 0; elapsedMs < 1000; elapsedMs += 50) {
      await turns();
      clock.advance(50);
    }
    await turns();
    expect([durable, failures]).toEqual([[1, 2], []]);
    expect(stateOf(wal)).toEqual([2, 2 + count]);
    disk.stateMs = 0;
    await queue.stop();
    await wal.close();
  },
);

test('what a full log took back is not promised where a later leader has put its own there', async () => {
  const { env, clock, wal, queue, durable, failures, broken } = await openQueue();
  queue.submit(requestOf(1, 1, 2));
  await turns();
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && LOG_FILE.test(path),
    code: 'NO_SPACE',
    times: 1,
    applied: 'none',
  });
  queue.submit(moreOf(2, 1, 3, 1));
  await turns();
  queue.submit({ ...requestOf(3, 3, 1), truncateFrom: logIndex(3) });
  for (let elapsedMs = 0; elapsedMs < 1000; elapsedMs += 50) {
    await turns();
    clock.advance(50);
  }
  expect([durable, failures]).toEqual([[1, 2, 3], []]);
  expect(broken).toEqual([]);
  expect([stateOf(wal), wal.termAt(logIndex(3))]).toEqual([[3, 3], 3]);
  await queue.stop();
  await wal.close();
});

test('what a full log took back is written again though a later request has cut its end', async () => {
  const { env, clock, wal, queue, durable, failures, broken } = await openQueue();
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && LOG_FILE.test(path),
    code: 'NO_SPACE',
    times: 1,
    applied: 'none',
  });
  queue.submit({ ...requestOf(1, 1, 3), hardState: undefined });
  queue.submit({ ...requestOf(2, 3, 1), hardState: undefined, truncateFrom: logIndex(3) });
  for (let elapsedMs = 0; elapsedMs < 1000; elapsedMs += 50) {
    await turns();
    clock.advance(50);
  }
  expect([durable.at(-1), failures, broken]).toEqual([2, [], []]);
  expect([wal.lastIndex, wal.termAt(logIndex(2)), wal.termAt(logIndex(3))]).toEqual([3, 1, 2]);
  await queue.stop();
  await wal.close();
});

test('what is cut of a request is not the end of it: what stays is written again where it found no room', async () => {
  const { env, clock, wal, queue, durable, failures, broken } = await openQueue(SMALL_BATCHES);
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && LOG_FILE.test(path),
    code: 'NO_SPACE',
    times: 1,
    applied: 'none',
  });
  queue.submit(largeOf(1, 1, 4));
  queue.submit({ ...requestOf(2, 4, 1), hardState: undefined, truncateFrom: logIndex(4) });
  await pass(clock, 1000);
  expect([failures, durable, broken]).toEqual([[], [1, 2], []]);
  expect([1, 2, 3, 4].map((at) => wal.termAt(logIndex(at)))).toEqual([1, 1, 1, 2]);
  await queue.stop();
  await wal.close();
});

test('what is cut of a request does not make the rest of it durable, nor what came behind it', async () => {
  const { clock, wal, queue, durable, durableTo, broken } = await openQueue(SMALL_BATCHES);
  queue.submit(largeOf(1, 1, 4));
  queue.submit(moreOf(2, 1, 5, 0));
  queue.submit({ ...requestOf(3, 4, 1), hardState: undefined, truncateFrom: logIndex(4) });
  await pass(clock, 100);
  expect([durable, broken]).toEqual([[1, 2, 3], []]);
  expect(durableTo[0]).toBeGreaterThanOrEqual(3);
  await queue.stop();
  await wal.close();
});

test('what was cut once waits for nothing that a later cut leaves', async () => {
  const { env, clock, wal, queue, durable, failures, broken } = await openQueue(SMALL_BATCHES);
  let files = 0;
  env.files.failWhen({
    // The first one takes what comes before the cuts.
    when: ({ kind }) => kind === 'create' && ++files === 2,
    code: 'NO_SPACE',
  });
  queue.submit(largeOf(1, 1, 3));
  queue.submit(moreOf(2, 1, 4, 2));
  queue.submit({ ...requestOf(3, 3, 1), hardState: undefined, truncateFrom: logIndex(3) });
  queue.submit(moreOf(4, 3, 4, 2));
  queue.submit({ ...requestOf(5, 5, 1), hardState: undefined, truncateFrom: logIndex(5) });
  await pass(clock, 1000);
  expect([failures, durable, broken]).toEqual([[], [1, 2, 3, 4, 5], []]);
  expect([1, 2, 3, 4, 5].map((at) => wal.termAt(logIndex(at)))).toEqual([1, 1, 3, 3, 5]);
  await queue.stop();
  await wal.close();
});

test('where a full log took a cut back, nothing is written behind what was to be cut', async () => {
  const { env, clock, wal, queue, durable, failures, broken } = await openQueue();
  queue.submit(requestOf(1, 1, 3));
  await turns();
  env.files.failWhen({ when: ({ kind }) => kind === 'create', code: 'NO_SPACE' });
  // As many as are cut, so that the log is as long as before.
  queue.submit({ ...requestOf(2, 2, 2), hardState: undefined, truncateFrom: logIndex(2) });
  await turns();
  queue.submit(moreOf(3, 2, 4, 1));
  await turns();
  expect([durable, wal.lastIndex]).toEqual([[1], 3]);
  await pass(clock, 400);
  expect([durable, failures]).toEqual([[1, 2, 3], []]);
  expect([1, 2, 3, 4].map((at) => wal.termAt(logIndex(at)))).toEqual([1, 2, 2, 2]);
  expect(broken).toEqual([]);
  await queue.stop();
  await wal.close();
});

test('where a full log took a cut back while the rest of the request waited, the rest is not written behind what was to be cut', async () => {
  const { env, clock, wal, queue, durable, failures } = await openQueue({
    ...SMALL_BATCHES,
    pendingSizeLimitBytes: 8192,
  });
  queue.submit(requestOf(1, 1, 3));
  await turns();
  const seen: unknown[] = [];
  env.files.failWhen({ when: ({ kind }) => kind === 'create', code: 'NO_SPACE' });
  env.files.watch(() => {
    if (wal.lastIndex > 3) seen.push(wal.termAt(logIndex(3)));
  });
  queue.submit({ ...largeOf(2, 2, 4), truncateFrom: logIndex(2) });
  await pass(clock, 1000);
  expect([durable, failures]).toEqual([[1, 2], []]);
  expect(new Set(seen)).toEqual(new Set([2]));
  await queue.stop();
  await wal.close();
});

test('a snapshot is installed once, though its vote finds no room', async () => {
  const { env, clock, wal, queue, durable, installed, failures } = await openQueue();
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && path.startsWith('/wal/state'),
    code: 'NO_SPACE',
    times: 2,
    applied: 'none',
  });
  queue.submit({ ...requestOf(1, 1, 1), snapshot: SNAPSHOT });
  await pass(clock, 1000);
  expect([installed, durable, failures]).toEqual([[1], [1], []]);
  await queue.stop();
  await wal.close();
});

test('a snapshot that finds no room is installed when there is some, and not once the queue is stopped', async () => {
  const { clock, disk, wal, queue, durable, installed, failures, noSpace } = await openQueue();
  disk.isFull = true;
  queue.submit({ ...requestOf(1, 1, 1), snapshot: SNAPSHOT });
  await pass(clock, 500);
  expect([durable, wal.lastIndex, noSpace() > 1]).toEqual([[], 0, true]);
  disk.isFull = false;
  await pass(clock, 500);
  expect([durable, wal.lastIndex]).toEqual([[1], 1]);
  disk.isFull = true;
  queue.submit({ ...requestOf(2, 2, 1), snapshot: SNAPSHOT });
  await turns();
  const stopped = queue.stop();
  installed.length = 0;
  disk.isFull = false;
  await pass(clock, 1000);
  await stopped;
  expect([installed, durable, failures]).toEqual([[], [1], []]);
  await wal.close();
});

test('it is stopped when nothing of it runs any more, and then takes and says nothing', async () => {
  const { clock, disk, wal, queue, durable, failures } = await openQueue();
  disk.stateMs = 100;
  queue.submit({ ...requestOf(1, 1, 1), hardState: undefined });
  queue.submit(requestOf(2, 2, 1));
  let isStopped = false;
  const stopping = queue.stop().then(() => {
    isStopped = true;
  });
  await turns();
  expect(isStopped).toBe(false);
  queue.submit(requestOf(3, 3, 1));
  for (let elapsedMs = 0; elapsedMs < 400; elapsedMs += 50) {
    clock.advance(50);
    await turns();
  }
  await stopping;
  disk.stateMs = 0;
  clock.advance(1000);
  await turns();
  expect([durable, failures]).toEqual([[], []]);
  expect(wal.lastIndex).toBeLessThan(3);
  expect(wal.hardState.term).toBeLessThan(3);
  await wal.close();
});
