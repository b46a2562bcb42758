import { logIndex, utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { segmentName } from '../src/file-names.ts';
import type { Extent, Wal } from '../src/index.ts';
import { STATE_FORMAT_VERSION } from '../src/layout.ts';
import { decodeStateSlot } from '../src/state-slots.ts';
import { codeOf, DIRECTORY, envOn, memoryEnv, open, T1 } from './fixtures/logs.ts';

const LOG = { segmentSizeBytes: 65536, preallocate: false, cacheSizeBytes: 0 };
const SLOTS = ['state-a', 'state-b'].map((name) => `${DIRECTORY}/${name}`);
const FIRST = `${DIRECTORY}/${segmentName(1, 1)}`;
const OLD = new Uint8Array(3000).fill(7);
const NEW = new Uint8Array(2000).fill(9);

/** A log as it was left by a Holdfast that knew no other checksum: bodies under CRC-32C, slots of format 2. */
async function oldLog(): Promise<MemoryEnv> {
  const env = await memoryEnv();
  const wal = await open(env, LOG);
  await append(wal, 'old', OLD, env.crc32c(OLD));
  // Both slots have the same, so that nothing else makes an open write them.
  await wal.saveHardState({ term: T1, votedFor: 'n', commitIndex: logIndex(1) });
  const left = await envOn(env.files.killed(1));
  for (const path of SLOTS) await toFormat(left, path, 2);
  await wal.close();
  return left;
}

async function append(wal: Wal, head: string, body: Uint8Array, bodyCrc?: number): Promise<Extent> {
  const appended = wal.append({ term: T1, kind: 1, head: utf8(head), body: [body], bodyCrc });
  await wal.whenDurable(appended.index);
  if (appended.body === undefined) throw new Error('no extent');
  return appended.body;
}

async function blockOf(env: MemoryEnv, path: string): Promise<Uint8Array> {
  const file = await env.files.open(path, 'read');
  const block = new Uint8Array(4096);
  await file.read(block, 0);
  await file.close();
  return block;
}

async function toFormat(env: MemoryEnv, path: string, formatVersion: number): Promise<void> {
  const block = await blockOf(env, path);
  block[4] = formatVersion;
  new DataView(block.buffer).setUint32(4092, env.crc32c(block.subarray(0, 4092)), true);
  const file = await env.files.open(path, 'write');
  await file.writeSynced(block, 0);
  await file.close();
}

test('a log with bodies under CRC-32C is opened, read and gone on with, and opened again', async () => {
  const env = await oldLog();
  const wal = await open(env, LOG);
  const added = await append(wal, 'new', NEW);
  expect(added.crc).toBe(env.bodyChecksum.of([NEW]));
  await wal.close();
  const again = await open(await envOn(env.files.clone()), LOG);
  const [old, young] = await again.readRange(logIndex(1), logIndex(3), 2 ** 20);
  expect(old?.bodyBytes).toEqual(OLD);
  expect(old?.body?.crc).toBe(env.crc32c(OLD));
  expect(young?.bodyBytes).toEqual(NEW);
  expect(young?.body).toEqual(added);
  for (const record of [old, young]) {
    if (record?.body === undefined) throw new Error('no extent');
    expect(await again.readExtent(record.body)).toEqual(record.bodyBytes);
  }
  await again.close();
});

test('slots of an older format are written anew, both, before a record is taken', async () => {
  const env = await oldLog();
  const wal = await open(env, LOG);
  const killed = await envOn(env.files.killed(1));
  for (const path of SLOTS) {
    const block = await blockOf(killed, path);
    expect(block[4]).toBe(STATE_FORMAT_VERSION);
    expect(decodeStateSlot(block, env.crc32c)).toMatchObject({ state: { durableIndex: 0 } });
  }
  await wal.close();
});

test('a changed bit of a body under either checksum is found by a scan and by every read', async () => {
  for (const index of [1, 2]) {
    const env = await oldLog();
    const wal = await open(env, LOG);
    await append(wal, 'new', NEW);
    await append(wal, 'behind', NEW);
    const { body } = await wal.read(logIndex(index));
    if (body === undefined) throw new Error('no extent');
    env.files.corrupt(FIRST, { offset: body.offset + 1000 });
    expect(await codeOf(wal.readExtent(body))).toBe('WAL_CORRUPTION');
    expect(await codeOf(wal.read(logIndex(index)))).toBe('WAL_CORRUPTION');
    await wal.close();
    expect(await codeOf(open(await envOn(env.files.clone()), LOG))).toBe('WAL_CORRUPTION');
  }
});
