import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { verifyStore } from '../src/index.ts';
import {
  contentsOf,
  DIRECTORY,
  del,
  extentBytesOf,
  open,
  put,
  settle,
  TINY,
} from './fixtures/crash-enumeration.ts';
import { halfDead, KEYS } from './fixtures/half-dead.ts';

/** Values of 4000 bytes are a small part of what one of its files may have. */
const LARGER = { ...TINY, wal: { segmentSizeBytes: 64 * 1024, preallocate: false } };

/** A segment with one value that stays, compacted to a small file. */
async function leaveLittle(store: LocalStore, round: number): Promise<void> {
  await store.transact({ operations: [put(`key-${round}`, 4000), put('gone', 60_000)] });
  await store.compact();
}

function physicalBytes(store: LocalStore): number {
  const { segments, extentFiles, tableBytes } = store.status();
  const files = [...segments, ...extentFiles].map(({ sizeBytes }) => sizeBytes);
  return files.reduce((sum, bytes) => sum + bytes, tableBytes);
}

/** The oldest extent file's path. */
function extentPath(store: LocalStore): string {
  const [file] = store.status().extentFiles;
  if (file === undefined) throw new Error('there is no extent file');
  return file.path;
}

describe('compaction', () => {
  test('moves what is live, gives the rest back, and changes nothing that is read', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    const before = await contentsOf(store);
    const beforeBytes = physicalBytes(store);
    const report = await store.compact();
    expect(report).toMatchObject({ movedBytes: 24_000, paused: false, damaged: [] });
    expect(report.rewrittenSegments).toBe(6);
    expect(await contentsOf(store)).toEqual(before);
    expect(physicalBytes(store)).toBeLessThan(beforeBytes / 2);
    expect(store.status().liveBytes).toBe(await extentBytesOf(store));
    await store.close();
    const again = await open(env);
    expect(again.recovery.replayedRecords).toBe(0);
    expect(await contentsOf(again)).toEqual(before);
    expect(again.status().liveBytes).toBe(24_000);
    await again.close();
  });

  test('puts the little that is left of many segments together in one file', async () => {
    const env = await createMemoryEnv();
    const store = await open(env, LARGER);
    const counts: number[] = [];
    for (let round = 0; round < 40; round++) {
      await leaveLittle(store, round);
      counts.push(store.status().extentFiles.length);
    }
    expect(Math.max(...counts)).toBe(16);
    expect(Math.min(...counts.slice(20))).toBeLessThan(3);
    const before = await contentsOf(store);
    expect(before.length).toBe(41);
    await store.close();
    const again = await open(env, LARGER);
    expect(await contentsOf(again)).toEqual(before);
    expect(again.status().liveBytes).toBe(40 * 4000 + 60_000);
    await again.close();
  });

  test('rewrites extent files in their turn, and removes dead ones', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    await store.compact();
    const first = extentPath(store);
    await store.transact({ operations: ['a', 'b', 'c'].map(del) });
    await store.compact();
    expect(extentPath(store)).not.toBe(first);
    expect(await env.files.stat(first)).toBeUndefined();
    expect((await store.get(utf8('d')))?.valueSizeBytes).toBe(4000);
    await store.transact({ operations: KEYS.map(del) });
    await store.compact();
    expect(store.status().extentFiles).toEqual([]);
    expect(
      (await env.files.list(`${DIRECTORY}/kv`)).filter((name) => /extents/.test(name)),
    ).toEqual([]);
    await store.close();
    await (await open(env)).close();
  });

  test('a value that is replaced or deleted while it is copied stays so', async () => {
    for (let turns = 0; turns < 60; turns++) {
      const env = await createMemoryEnv({ seed: turns });
      const store = await halfDead(env);
      const compacting = store.compact();
      for (let turn = 0; turn < turns * 3; turn++) await Promise.resolve();
      await store.transact({ operations: [put('a', 2000), del('b')] });
      await Promise.all([compacting, store.transact({ operations: [put('c', 3000)] })]);
      const expected = await contentsOf(store);
      expect(expected.map((line) => line.split(' ')[2]?.split('x')[0])).toEqual([
        '2000',
        '3000',
        '4000',
        '4000',
        '4000',
      ]);
      expect(store.status().liveBytes).toBe(17_000);
      await store.close();
      const again = await open(env);
      expect(await contentsOf(again)).toEqual(expected);
      expect(again.status().liveBytes).toBe(17_000);
      await again.close();
    }
  });

  test('a view that began before keeps the old places until it is closed', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    const view = await store.readView();
    const before = await contentsOf(store);
    const count = store.status().segments.length;
    await store.compact();
    expect(store.status().segments.length).toBe(count);
    const { entries } = await view.scan({ limit: 10 });
    expect(entries.map(({ value }) => value.length)).toEqual(KEYS.map(() => 4000));
    view.close();
    await store.collect();
    expect(store.status().segments.length).toBe(1);
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
  });

  test('never copies a damaged value: it is reported, and its segment kept', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env, { ...TINY, compactionLiveShare: 0 });
    await store.flush();
    const [first] = store.status().segments;
    await store.close();
    const file = await env.files.open(first?.path ?? '', 'write');
    await file.write(Uint8Array.of(255), 4096 + 64 + 500);
    await file.close();
    const again = await open(env);
    const report = await again.compact();
    expect(report.damaged.map(({ code, message }) => `${code} ${message}`)).toEqual([
      expect.stringMatching(/^KV_CORRUPTION .*00000001\.wal is damaged/),
    ]);
    expect(again.status().segments.map(({ segmentId }) => segmentId)).toContain(first?.segmentId);
    expect(again.status().damagedSegments).toBe(1);
    expect(report.rewrittenSegments).toBe(5);
    expect((await again.get(utf8('b')))?.valueSizeBytes).toBe(4000);
    await expect(again.get(utf8('a'))).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
    await again.close();
  });

  test('finds every garbled byte of an extent file, and a missing one', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    await store.compact();
    const path = extentPath(store);
    const expected = await contentsOf(store);
    await store.close();
    const { sizeBytes } = (await env.files.stat(path)) ?? { sizeBytes: 0 };
    for (let position = 0; position < sizeBytes; position += position < 16 ? 1 : 97) {
      const files = env.files.clone();
      const file = await files.open(path, 'write');
      const byte = new Uint8Array(1);
      await file.read(byte, position);
      await file.write(Uint8Array.of((byte[0] as number) ^ 0x10), position);
      const outcome = await readAgain(await createMemoryEnv({ files }));
      if (typeof outcome !== 'string') expect(outcome).toEqual(expected);
      else expect(outcome).toMatch(/KV_CORRUPTION|KV_INCOMPATIBLE/);
      const holdsValue = position >= 16 && position < 16 + 16_000;
      if (holdsValue) expect(typeof outcome, `byte ${position}`).toBe('string');
    }
    await env.files.unlink(path);
    await expect(open(env)).rejects.toThrow(/extents: the MANIFEST lists it, and it is missing/);
  });
});

describe('verification', () => {
  test('reads moved values and the directory that compaction needs', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    await store.compact();
    const path = extentPath(store);
    await store.close();
    const damagesAt = async (position: number | undefined): Promise<string[]> => {
      const files = env.files.clone();
      if (position !== undefined) {
        const file = await files.open(path, 'write');
        await file.write(Uint8Array.of(255), position);
        await file.close();
      }
      const damages: string[] = [];
      for await (const finding of verifyStore(await createMemoryEnv({ files }), DIRECTORY)) {
        if (finding.kind === 'damage') damages.push(`${finding.area} ${finding.file}`);
        if (finding.kind === 'end') {
          const extents = damages.some((each) => each.startsWith('extent')) ? 5 : 6;
          expect(finding).toMatchObject({ extents, extentFiles: 2 });
        }
      }
      return damages;
    };
    const file = path.slice(DIRECTORY.length + 1);
    expect(await damagesAt(undefined)).toEqual([]);
    expect(await damagesAt(16)).toEqual([`extent ${file}`]);

    expect(await damagesAt(16 + 16_000 + 1)).toEqual([`folder ${file}`]);
  });
});

describe('compaction on a volume without room', () => {
  test('leaves a list of files that opens, where its sync is what found none', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    const before = await contentsOf(store);
    let copied = false;
    env.files.failWhen({
      when: ({ kind, path }) => {
        copied ||= path.endsWith('.extents');
        return copied && kind === 'sync' && path.endsWith('/MANIFEST');
      },
      code: 'NO_SPACE',
    });
    await store.compact();
    expect(store.status().extentFiles).toEqual([]);
    await store.close();
    const again = await open(env);
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });

  test('ends without a trace, and is done when there is room', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    const before = await contentsOf(store);
    for (const when of ['write', 'sync', 'create'] as const) {
      env.files.failWhen({
        when: ({ kind, path }) => kind === when && path.endsWith('.extents'),
        code: 'NO_SPACE',
      });
      expect(await store.compact()).toMatchObject({ paused: true, movedBytes: 0 });
      expect((await env.files.list(`${DIRECTORY}/kv`)).join(' ')).not.toContain('extents');
    }
    env.files.failWhen({
      when: ({ kind, path }) => kind === 'write' && path.endsWith('MANIFEST'),
      code: 'NO_SPACE',
      applied: 'none',
    });
    expect(await contentsOf(store)).toEqual(before);
    expect(await store.compact()).toMatchObject({ paused: true, movedBytes: 0 });
    expect(await store.compact()).toMatchObject({ paused: false, movedBytes: 24_000 });
    expect(await contentsOf(store)).toEqual(before);
    await store.close();
  });

  test('keeps the old segments as long as the new places are not flushed', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    await store.flush();
    const before = await contentsOf(store);
    env.files.failWhen({
      when: ({ kind, path }) => kind === 'write' && path.endsWith('.table'),
      code: 'NO_SPACE',
    });
    await expect(store.compact()).rejects.toMatchObject({ code: 'KV_NO_SPACE' });
    expect(store.status().movedBytes).toBe(16_000);
    await store.collect();
    env.files.stop();
    await store.close().catch(() => undefined);
    const after = await createMemoryEnv({ files: env.files.crash().files });
    const again = await open(after);
    expect(await contentsOf(again)).toEqual(before);
    await again.compact();
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });

  test('leaves a part of the reserve alone', async () => {
    const env = await createMemoryEnv();
    const settings = { ...TINY, reserveSizeBytes: 1024 * 1024 };
    const store = await halfDead(env, settings);
    await store.flush();
    env.files.setCapacity(env.files.usedBytes() + 60 * 1024);
    expect(await store.compact()).toMatchObject({ paused: true, movedBytes: 0 });
    env.files.setCapacity(env.files.usedBytes() + 200 * 1024);
    expect(await store.compact()).toMatchObject({ paused: false, movedBytes: 24_000 });
    await store.close();
  });

  test('does not put small files together at the cost of the reserve', async () => {
    const env = await createMemoryEnv();
    const reserveSizeBytes = 400 * 1024;
    const store = await open(env, { ...LARGER, reserveSizeBytes });
    for (let round = 0; round < 16; round++) await leaveLittle(store, round);
    await store.transact({ operations: [put('key-16', 4000), put('gone', 60_000)] });
    env.files.setCapacity(env.files.usedBytes() + reserveSizeBytes - 300 * 1024);
    expect(await store.compact()).toMatchObject({ paused: false, movedBytes: 4000 });
    expect(store.status().extentFiles.length).toBe(16);
    env.files.setCapacity(env.files.usedBytes() + 2 * reserveSizeBytes);
    await store.compact();
    expect(store.status().extentFiles.length).toBeLessThan(3);
    await store.close();
  });
});

describe('compaction in the background', () => {
  const SLOW = { ...TINY, compactionBytesPerSecond: 8000 };

  test('keeps to its rate, and writes go on meanwhile', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env, SLOW);
    await store.flush();
    await store.collect();
    await store.transact({ operations: [put('other', 2000)] });
    await store.flush();
    await settle();
    expect(store.status().movedBytes).toBe(0);
    const movedAfter = async (durationMs: number): Promise<number> => {
      for (let ms = 0; ms < durationMs; ms += 100) {
        env.manualClock.advance(100);
        await settle();
      }
      return store.status().movedBytes;
    };
    // At 8000 bytes in a second: a file of 16,000, then the rest.
    expect(await movedAfter(1900)).toBe(0);
    expect(await movedAfter(200)).toBe(16_000);
    expect(await movedAfter(800)).toBe(16_000);
    expect(await movedAfter(300)).toBe(24_000);
    expect(store.status().segments.length).toBeLessThan(3);
    await store.close();
  });

  test('is ended by a close, which leaves nothing behind', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env, SLOW);
    const before = await contentsOf(store);
    await store.flush();
    await store.collect();
    await settle();
    await store.close();
    expect((await env.files.list(`${DIRECTORY}/kv`)).join(' ')).not.toContain('extents');
    const again = await open(env, SLOW);
    expect(await contentsOf(again)).toEqual(before);
    await again.close();
  });

  test('keeps the segments that it is copying, also when their values die meanwhile', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env, SLOW);
    await store.flush();
    await store.collect();
    await settle();
    const count = store.status().segments.length;
    await store.transact({ operations: KEYS.map(del) });
    await store.flush();
    expect(store.status().liveBytes).toBe(0);
    expect(store.status().segments.length).toBe(count);
    expect(await store.compact()).toMatchObject({ movedBytes: 0, damaged: [] });
    expect(store.status().segments.length).toBe(1);
    expect(store.status().extentFiles).toEqual([]);
    await store.close();
  });

  test('hurries when somebody waits for it', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env, SLOW);
    await store.flush();
    await store.collect();
    await settle();
    await store.compact();
    expect(store.status()).toMatchObject({ movedBytes: 24_000, compactionDebtBytes: 0 });
    await store.close();
  });
});

async function readAgain(env: MemoryEnv): Promise<readonly string[] | string> {
  let store: LocalStore | undefined;
  try {
    store = await open(env);
    return await contentsOf(store);
  } catch (error) {
    return String((error as { code?: unknown }).code);
  } finally {
    await store?.close();
  }
}
