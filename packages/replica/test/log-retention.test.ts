import { logIndex, term } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { openWal, type Wal } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { LogRetention } from '../src/log-retention.ts';
import { leaderAlone, settle } from './fixtures/lone-raft.ts';

const IDENTITY = { clusterId: '0'.repeat(32), nodeId: '1'.repeat(32) };
const SEGMENT_BYTES = 65_536;
const COUNT = 60;
const ALL = Number.MAX_SAFE_INTEGER;

/** A log of some segments, of whose entries those up to `committed` are committed, and those up to `applied` applied. */
async function logOf(retainedLogBytes: number, committed: number = COUNT, applied = committed) {
  const raft = leaderAlone();
  const head = new Uint8Array(3000);
  while (raft.status().lastIndex < committed) raft.propose({ kind: 1, head });
  settle(raft);
  raft.applied(logIndex(applied));
  while (raft.status().lastIndex < COUNT) raft.propose({ kind: 1, head });
  const env = await createMemoryEnv();
  const wal = await openWal({
    env,
    directory: '/wal',
    identity: IDENTITY,
    segmentSizeBytes: SEGMENT_BYTES,
    preallocate: false,
  });
  for (let at = 0; at < COUNT; at++) {
    await wal.whenDurable(wal.append({ term: term(1), kind: 1, head }).index);
  }
  const retention = new LogRetention(raft, wal, retainedLogBytes);
  return { raft, wal, retention, firstIndex: () => raft.status().firstIndex };
}

/** The first indexes of its segments. */
function firstsOf(wal: Wal): number[] {
  return wal.segments().map(({ firstIndex }) => firstIndex);
}

test('the newest segments stay, as many as fit, and one at least; Raft knows it', async () => {
  const { wal: same } = await logOf(ALL);
  const sizes = same.segments().map(({ sizeBytes }) => sizeBytes);
  await same.close();
  const ofLast = (count: number): number => sizes.slice(-count).reduce((sum, one) => sum + one, 0);
  for (const [retainedLogBytes, kept] of [
    [1, 1],
    [ofLast(2), 2],
    [ofLast(3) - 1, 2],
    [ofLast(3), 3],
  ] as const) {
    const { wal, retention, firstIndex } = await logOf(retainedLogBytes);
    const first = firstsOf(wal).at(-kept) ?? 0;
    expect(first).toBeGreaterThan(1);
    expect(retention.releasable(logIndex(COUNT))).toBe(first - 1);
    expect(firstIndex()).toBe(first);
    await wal.releasePrefix(logIndex(first - 1));
    expect(retention.releasable(logIndex(COUNT))).toBe(first - 1);
    await wal.close();
  }
});

test('what the tables do not hold stays, and so does what is not known to be applied', async () => {
  const { wal, retention, firstIndex } = await logOf(1, COUNT, 30);
  expect(retention.releasable(logIndex(10))).toBe(10);
  expect(firstIndex()).toBe(11);
  expect(retention.releasable(logIndex(COUNT))).toBe(30);
  await wal.close();
});

test('a log that is kept whole is not released for its length, and up to damage it is', async () => {
  const { wal, retention, firstIndex } = await logOf(ALL);
  expect(retention.releasable(logIndex(COUNT))).toBe(0);
  expect(firstIndex()).toBe(1);
  expect(retention.giveUp(logIndex(20), logIndex(29))).toBe(true);
  expect(firstIndex()).toBe(30);
  // Damage before it does not make the other damage good.
  expect(retention.giveUp(logIndex(3), logIndex(5))).toBe(true);
  expect(retention.releasable(logIndex(25))).toBe(25);
  expect(retention.releasable(logIndex(COUNT))).toBe(29);
  await wal.close();
});

test('what is damaged and not committed is given up by nobody, and what is not applied only later', async () => {
  const { wal, retention, firstIndex } = await logOf(ALL, 30, 20);
  expect(retention.giveUp(logIndex(31), logIndex(40))).toBe(false);
  expect(retention.giveUp(logIndex(30), logIndex(40))).toBe(true);
  expect(firstIndex()).toBe(1);
  expect(retention.releasable(logIndex(COUNT))).toBe(0);
  expect(retention.giveUp(logIndex(15), logIndex(40))).toBe(true);
  expect(firstIndex()).toBe(21);
  expect(retention.releasable(logIndex(COUNT))).toBe(20);
  await wal.close();
});
