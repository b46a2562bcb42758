import { logIndex, term } from '@holdfast/bytes';
import { createMemoryEnv, type DiskOperation, ManualClock } from '@holdfast/env/memory';
import type { Entry, PersistRequest } from '@holdfast/raft';
import { contentSizeBytes, nodeId } from '@holdfast/raft';
import { openWal, type Wal } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { PersistQueue } from '../src/persist-queue.ts';

const IDENTITY = { clusterId: '0'.repeat(32), nodeId: '1'.repeat(32) };
/** A segment, also under the name that it is made under. */
const LOG_FILE = /\/wal\/(?!state)/;

async function openQueue() {
  const disk = { stateMs: 0 };
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
  });
  const durable: number[] = [];
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
      if (!isVoid && wal.termAt(ack.index) !== ack.term) broken.push(ack.write);
    },
    install: () => Promise.resolve(),
    onNoSpace: () => noSpace++,
    onFailure: (cause) => failures.push(cause),
  });
  return { env, clock, disk, wal, queue, durable, broken, failures, noSpace: () => noSpace };
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
  queue.submit({ ...requestOf(1, 3, 2), hardState: undefined, ack: requestOf(2, 3, 2).ack });
  await turns();
  queue.submit({ ...requestOf(1, 5, 1), hardState: undefined, ack: requestOf(3, 5, 1).ack });
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
  queue.submit({ ...requestOf(1, 3, 1), hardState: undefined, ack: requestOf(2, 3, 1).ack });
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
