import { logIndex, term, utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { openWal, type WalRecord } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { openLocalStore, salvageStore, verifyStore } from '../src/index.ts';

const BLOCK_BYTES = 4096;
const CRC_AT: number = BLOCK_BYTES - 4;
const VERSION_AT = 4;
/** Of the log, in files of their own. */
const OF_THE_LOG = [
  ['the state', /^state-[ab]$/],
  ['a segment', /\.wal$/],
] as const;

/** A store with one key in a table and one that only the log has. */
async function stoppedStore(): Promise<MemoryEnv> {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  for (const key of ['in a table', 'in the log']) {
    await store.transact({ operations: [{ kind: 'put', key: utf8(key), value: utf8('v') }] });
    if (key === 'in a table') await store.flush();
  }
  await store.close();
  return env;
}

/** Raises the format version of the first block of each file of the log with such a name, as a newer Holdfast would write it. */
async function raiseFormat(env: MemoryEnv, names: RegExp): Promise<void> {
  const found = (await env.files.list('/d/wal')).filter((name) => names.test(name));
  expect(found).not.toEqual([]);
  for (const name of found) {
    const file = await env.files.open(`/d/wal/${name}`, 'write');
    const block = new Uint8Array(BLOCK_BYTES);
    await file.read(block, 0);
    const view = new DataView(block.buffer);
    view.setUint16(VERSION_AT, view.getUint16(VERSION_AT, true) + 1, true);
    view.setUint32(CRC_AT, env.crc32c(block.subarray(0, CRC_AT)), true);
    await file.write(block, 0);
    await file.sync();
    await file.close();
  }
}

async function all<T>(findings: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const finding of findings) found.push(finding);
  return found;
}

const NEWER = { code: 'KV_INCOMPATIBLE', message: expect.stringContaining('newer Holdfast') };

test.each(OF_THE_LOG)('a verification calls %s of a newer format no damage', async (_, names) => {
  const env = await stoppedStore();
  await raiseFormat(env, names);
  await expect(all(verifyStore(env, '/d'))).rejects.toMatchObject(NEWER);
});

test.each(OF_THE_LOG)(
  'a salvage takes no older state out of a folder with %s of a newer format',
  async (_, names) => {
    const env = await stoppedStore();
    await raiseFormat(env, names);
    await expect(all(salvageStore(env, '/d', '/new'))).rejects.toMatchObject(NEWER);
    expect(await env.files.stat('/new')).toBeUndefined();
  },
);

/** What a record of a newer Holdfast may be: of a kind, or a transaction of a format, that this one does not know. */
const RECORDS: readonly (readonly [string, Pick<WalRecord, 'kind' | 'head'>])[] = [
  ['of a newer format', { kind: 1, head: Uint8Array.of(3, 0, 0, 0) }],
  ['of a newer kind', { kind: 8, head: Uint8Array.of(1) }],
];

test.each(RECORDS)('a log with a record %s is refused, and is no damage', async (_, record) => {
  const env = await stoppedStore();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  const { identity } = store;
  await store.close();
  const wal = await openWal({ env, directory: '/d/wal', identity });
  const { index } = wal.append({ ...record, term: term(0), index: logIndex(wal.lastIndex + 1) });
  await wal.whenDurable(index);
  await wal.close();
  const open = () => openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  const refused = { code: 'KV_INCOMPATIBLE', message: expect.stringContaining('use the newer') };
  await expect(open()).rejects.toMatchObject(refused);
  await expect(all(verifyStore(env, '/d'))).rejects.toMatchObject(refused);
  await expect(all(salvageStore(env, '/d', '/new'))).rejects.toMatchObject(refused);
});
