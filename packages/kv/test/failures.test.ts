import { crc32 } from 'node:zlib';
import { utf8 } from '@holdfast/bytes';
import type { DiskOperation, MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore, LocalStoreSettings } from '../src/index.ts';
import { KvError, openLocalStore } from '../src/index.ts';
import {
  contentsOf,
  DIRECTORY,
  del,
  open,
  put,
  settle,
  TINY,
} from './fixtures/crash-enumeration.ts';
import { runFullForMoments } from './fixtures/full-for-moments.ts';
import { watched } from './fixtures/open-files.ts';

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error instanceof KvError ? error.code : String(error)),
  );
}

/** A store with two tables and a tail of the log. */
async function filled(env: MemoryEnv): Promise<LocalStore> {
  const store = await open(env);
  await store.transact({ operations: [put('a', 10), put('b', 2000)] });
  await store.flush();
  await store.transact({ operations: [put('c', 10), put('d', 2000)] });
  await store.flush();
  await store.transact({ operations: [put('e', 10)] });
  return store;
}

describe('a log that fails', () => {
  test('leaves the outcome unknown, and after it the store refuses everything', async () => {
    const env = await createMemoryEnv();
    const store = await filled(env);
    env.files.failWhen({ when: ({ kind }) => kind === 'writeSynced', code: 'FILE_IO' });
    const running = [
      store.transact({ operations: [put('x', 1)] }),
      store.transact({ operations: [] }),
    ];
    expect(await Promise.all(running.map(codeOf))).toEqual(['KV_UNAVAILABLE', 'KV_UNAVAILABLE']);
    expect(await codeOf(store.transact({ operations: [] }))).toBe('KV_UNAVAILABLE');
    expect(await codeOf(store.get(utf8('a')))).toBe('KV_UNAVAILABLE');
    expect(await codeOf(store.scan({ limit: 1 }))).toBe('KV_UNAVAILABLE');
    await store.close().catch(() => undefined);
  });

  test('a sync of the index that fails stops the store, and nothing acknowledged is lost', async () => {
    const env = await createMemoryEnv();
    const store = await filled(env);
    const before = await contentsOf(store);
    env.files.failWhen({
      when: ({ kind, path }) => kind === 'sync' && path.endsWith('.table'),
      code: 'FILE_IO',
    });
    expect(await codeOf(store.flush())).toBe('KV_UNAVAILABLE');
    expect(await codeOf(store.transact({ operations: [] }))).toBe('KV_UNAVAILABLE');
    await store.close();
    const again = await open(env);
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });
});

const RESERVE_BYTES = 1024 * 1024;
const CAPACITY_BYTES = 12 * RESERVE_BYTES;
const RESERVED: LocalStoreSettings = { ...TINY, reserveSizeBytes: RESERVE_BYTES };

describe('a full volume', () => {
  test('refuses what adds, lets deletes through, and takes puts again when there is room', async () => {
    const env = await createMemoryEnv();
    const settings = { ...TINY, reserveSizeBytes: 1024 * 1024 };
    const store = await openLocalStore({ env, directory: DIRECTORY, settings });
    await store.transact({ operations: [put('a', 5000)] });
    env.files.setCapacity(env.files.usedBytes() + 512 * 1024);
    env.manualClock.advance(2000);
    let code = 'resolved';
    for (let turn = 0; turn < 5000 && code === 'resolved'; turn++) {
      env.manualClock.advance(1000);
      code = await codeOf(store.transact({ operations: [put('b', 100_000)] }));
    }
    expect(code).toBe('KV_NO_SPACE');
    expect(await codeOf(store.transact({ operations: [del('a'), put('note', 10)] }))).toBe(
      'resolved',
    );
    expect(await codeOf(store.transact({ operations: [put('c', 10)] }))).toBe('KV_NO_SPACE');
    expect((await store.get(utf8('note')))?.valueSizeBytes).toBe(10);
    env.files.setCapacity(Number.POSITIVE_INFINITY);
    env.manualClock.advance(1000);
    await codeOf(store.transact({ operations: [put('c', 10)] }));
    await store.sync();
    expect(await codeOf(store.transact({ operations: [put('c', 10)] }))).toBe('resolved');
    await store.close();
  });

  test('whose reserve is nearly used up gets room back from segments that are partly dead', async () => {
    const env = await createMemoryEnv({ capacityBytes: CAPACITY_BYTES });
    const store = await openLocalStore({ env, directory: DIRECTORY, settings: RESERVED });
    const count = await fill(env, store, 5000);
    const before = store.status().segments.length;
    // Another program takes most of the reserve. No segment is wholly dead: each keeps every eighth value.
    env.files.setCapacity(env.files.usedBytes() + 240 * 1024);
    for (let at = 0; at < count; at++) {
      env.manualClock.advance(100);
      if (at % 8 > 0) await store.transact({ operations: [del(`k${at}`)] });
    }
    let code = 'not tried';
    for (let turn = 0; turn < 100 && code !== 'resolved'; turn++) {
      env.manualClock.advance(1000);
      code = await codeOf(store.transact({ operations: [put('again', 5000)] }));
      await settle();
    }
    expect(code).toBe('resolved');
    expect(store.status().segments.length).toBeLessThan(before / 2);
    expect((await contentsOf(store)).length).toBe(Math.ceil(count / 8) + 1);
    await store.close();
  });

  test('deletes that would use up the reserve wait until something is given back', async () => {
    const env = await createMemoryEnv({ capacityBytes: CAPACITY_BYTES });
    const store = await openLocalStore({ env, directory: DIRECTORY, settings: RESERVED });
    const count = await fill(env, store, 2000);
    // Each delete takes 4 KiB of the log at least: all of them more than the reserve.
    expect((count * 4096) / RESERVE_BYTES).toBeGreaterThan(2);
    for (let at = 0; at < count; at++) {
      env.manualClock.advance(20);
      await store.transact({ operations: [del(`k${at}`)] });
    }
    expect(await contentsOf(store)).toEqual([]);
    await store.close();
  });

  test('a log that finds no room says so, loses nothing, and goes on when there is some', async () => {
    const env = await createMemoryEnv();
    const store = await filled(env);
    const before = await contentsOf(store);
    env.files.setCapacity(env.files.usedBytes());
    const codes = await Promise.all(
      Array.from({ length: 30 }, () => codeOf(store.transact({ operations: [put('x', 9000)] }))),
    );
    expect(codes).toContain('KV_NO_SPACE');
    expect(codes.filter((code) => code !== 'KV_NO_SPACE' && code !== 'resolved')).toEqual([]);
    env.files.setCapacity(Number.POSITIVE_INFINITY);
    await store.transact({ operations: [del('x'), put('y', 1)] });
    expect((await contentsOf(store)).length).toBe(before.length + 1);
    await store.close();
    const again = await open(env);
    expect((await contentsOf(again)).length).toBe(before.length + 1);
    await again.close();
  });

  for (const seed of [1, 2, 3, 4]) {
    test(`for moments under load loses nothing, and needs no restart: seed ${seed}`, async () => {
      await runFullForMoments(seed);
    });
  }

  test('an index that finds no room to flush keeps what it has and flushes later', async () => {
    const env = await createMemoryEnv();
    const store = await filled(env);
    const before = await contentsOf(store);
    const fault = env.files.failWhen({
      when: ({ kind, path }) => kind === 'write' && path.endsWith('.table'),
      code: 'NO_SPACE',
      times: 2,
    });
    expect(await codeOf(store.flush())).toBe('KV_NO_SPACE');
    await store.transact({ operations: [put('later', 2000)] });
    expect(await codeOf(store.flush())).toBe('KV_NO_SPACE');
    fault.cancel();
    expect((await contentsOf(store)).length).toBe(before.length + 1);
    await store.flush();
    expect(store.status().flushedIndex).toBe(store.status().revision);
    await store.close();
    const again = await open(env);
    expect((await contentsOf(again)).length).toBe(before.length + 1);
    await again.close();
  });

  // Why: what was unlinked and is still open takes its room on the volume, which has none.
  test('an index whose list finds no room keeps no table open that is not listed', async () => {
    const { env, openFiles } = watched(await createMemoryEnv());
    const store = await filled(env);
    const before = await contentsOf(store);
    const files = openFiles();
    const when = ({ kind, path }: DiskOperation): boolean =>
      kind === 'write' && path.endsWith('MANIFEST');
    env.files.failWhen({ when, code: 'NO_SPACE', times: 3 });
    for (let turn = 0; turn < 3; turn++) {
      expect(await codeOf(store.flush())).toBe('KV_NO_SPACE');
      await settle();
      expect(openFiles()).toEqual(files);
    }
    await store.flush();
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
    expect(openFiles()).toEqual([]);
  });
});

describe('damage', () => {
  test('every garbled byte range of a table is found, and never read as data', async () => {
    const env = await createMemoryEnv();
    const store = await filled(env);
    const expected = await contentsOf(store);
    await store.close();
    const names = await env.files.list(`${DIRECTORY}/kv`);
    let found = 0;
    for (const name of names.filter((each) => each.endsWith('.table'))) {
      const path = `${DIRECTORY}/kv/${name}`;
      const { sizeBytes } = (await env.files.stat(path)) ?? { sizeBytes: 0 };
      for (let position = 0; position < sizeBytes; position++) {
        const files = env.files.clone();
        const file = await files.open(path, 'write');
        const byte = new Uint8Array(1);
        await file.read(byte, position);
        await file.write(Uint8Array.of((byte[0] as number) ^ 0x10), position);
        const outcome = await openAndRead(await createMemoryEnv({ files }));
        if (typeof outcome === 'string') {
          expect(['KV_CORRUPTION', 'KV_INCOMPATIBLE']).toContain(outcome);
          found++;
        } else {
          expect(outcome.contents).toEqual(expected);
          found += outcome.healed;
        }
      }
      expect(found).toBeGreaterThan(sizeBytes * 0.9);
      found = 0;
    }
  });

  test('a table that the device cannot read is damaged, to a get and to a scan, and read again later', async () => {
    const env = await createMemoryEnv();
    const store = await filled(env);
    let isBroken = true;
    const when = ({ kind, path }: DiskOperation): boolean =>
      isBroken && kind === 'read' && path.endsWith('.table');
    env.files.failWhen({ when, code: 'FILE_IO', times: Infinity });
    for (const read of [() => store.get(utf8('b')), () => contentsOf(store)]) {
      await expect(read()).rejects.toMatchObject({
        code: 'KV_CORRUPTION',
        path: expect.stringMatching(/\.table$/),
        message: expect.stringContaining('the device could not read it'),
      });
    }
    isBroken = false;
    expect(Object.keys(await contentsOf(store))).toHaveLength(5);
    await store.close();
  });

  test('a missing MANIFEST beside tables, and a missing node.json beside a log, are refused', async () => {
    const env = await createMemoryEnv();
    await (await filled(env)).close();
    const manifest = { env: await createMemoryEnv({ files: env.files.clone() }) };
    await manifest.env.files.unlink(`${DIRECTORY}/kv/MANIFEST`);
    expect(await codeOf(open(manifest.env))).toBe('KV_CORRUPTION');
    await env.files.unlink(`${DIRECTORY}/node.json`);
    expect(await codeOf(open(env))).toBe('KV_CORRUPTION');
  });

  test('a folder that has lost its log is refused, with its index or without, and one whose first start was cut off is not', async () => {
    const env = await createMemoryEnv();
    await (await filled(env)).close();
    const lost = await createMemoryEnv({ files: env.files.clone() });
    for (const part of ['wal', 'kv']) {
      const path = `${DIRECTORY}/${part}`;
      for (const name of await lost.files.list(path)) await lost.files.unlink(`${path}/${name}`);
      await expect(open(lost)).rejects.toMatchObject({
        code: 'KV_CORRUPTION',
        message: expect.stringContaining('no log is there'),
      });
    }
    const cut = await createMemoryEnv();
    cut.files.failWhen({
      when: ({ kind, path }) => kind === 'makeDirectory' && path.endsWith('/wal'),
      code: 'FILE_IO',
    });
    await expect(open(cut)).rejects.toThrow();
    expect(await cut.files.list(DIRECTORY)).toContain('node.json');
    expect(await cut.files.list(DIRECTORY)).not.toContain('wal');
    await (await open(cut)).close();
  });

  test('a changed digit of an id in node.json is damage of that file, and not another node', async () => {
    const env = await createMemoryEnv();
    await (await filled(env)).close();
    const path = `${DIRECTORY}/node.json`;
    const { sizeBytes } = (await env.files.stat(path)) ?? { sizeBytes: 0 };
    const file = await env.files.open(path, 'read');
    const bytes = new Uint8Array(sizeBytes);
    await file.read(bytes, 0);
    await file.close();
    const offset = new TextDecoder().decode(bytes).indexOf('nodeId') + 12;
    // Bit 0 of a decimal digit makes another one of it, and of most letters too.
    env.files.corrupt(path, { offset, mask: 1 });
    await expect(open(env)).rejects.toMatchObject({ code: 'KV_CORRUPTION', path });
  });

  test('an index that lost its newest edit does not start on a log that was released', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (let turn = 0; turn < 6; turn++) await store.transact({ operations: [put('a', 6000)] });
    await store.compact();
    await store.close();
    const path = `${DIRECTORY}/kv/MANIFEST`;
    const { sizeBytes } = (await env.files.stat(path)) ?? { sizeBytes: 0 };
    const file = await env.files.open(path, 'write');
    await file.truncate(sizeBytes - 4096);
    await file.close();
    await expect(open(env)).rejects.toThrow(/the log begins at/);
  });
});

test('a CRC-32 that comes with a value is stored as it is, and a wrong one is damage of the log', async () => {
  const value = new Uint8Array(3000).fill(7);
  const operation = { kind: 'put', key: utf8('a'), value } as const;
  for (const [crc, outcome] of [
    [crc32(value), 'resolved'],
    [crc32(value) ^ 1, 'KV_CORRUPTION'],
  ] as const) {
    const env = await createMemoryEnv();
    const store = await open(env);
    await store.transact({ operations: [{ ...operation, crc: crc >>> 0 }] });
    await store.close();
    const opened = open(env);
    expect(await codeOf(opened)).toBe(outcome);
    if (outcome !== 'resolved') continue;
    const again = await opened;
    expect((await again.get(operation.key))?.value).toEqual(value);
    await again.close();
  }
});

describe('a folder', () => {
  test('is opened by one store at a time', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    expect(await codeOf(open(env))).toBe('KV_UNAVAILABLE');
    await store.close();
    await (await open(env)).close();
  });

  test('of another node is refused, and one of a newer format too', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    const identity = { ...store.identity, nodeId: 'a'.repeat(32) };
    await store.close();
    expect(await codeOf(openLocalStore({ env, directory: DIRECTORY, identity }))).toBe(
      'KV_INCOMPATIBLE',
    );
    const path = `${DIRECTORY}/node.json`;
    await env.files.unlink(path);
    const file = await env.files.open(path, 'create');
    await file.write(utf8('{"format":2}'), 0);
    await file.close();
    expect(await codeOf(open(env))).toBe('KV_INCOMPATIBLE');
  });
});

async function openAndRead(
  env: MemoryEnv,
): Promise<{ readonly contents: readonly string[]; readonly healed: number } | string> {
  let store: LocalStore | undefined;
  try {
    store = await open(env);
    return { contents: await contentsOf(store), healed: store.recovery.healed.length };
  } catch (error) {
    if (error instanceof KvError) return error.code;
    throw error;
  } finally {
    await store?.close();
  }
}

/** Puts until the volume is full. How many were taken. */
async function fill(env: MemoryEnv, store: LocalStore, sizeBytes: number): Promise<number> {
  for (let at = 0; at < 10_000; at++) {
    env.manualClock.advance(100);
    const code = await codeOf(store.transact({ operations: [put(`k${at}`, sizeBytes)] }));
    if (code === 'KV_NO_SPACE') return at;
    expect(code).toBe('resolved');
  }
  throw new Error('the volume is not full');
}
