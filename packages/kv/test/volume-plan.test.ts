import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { KvError, openLocalStore } from '../src/index.ts';
import { planVolume } from '../src/volume-plan.ts';
import { contentsOf, DIRECTORY, del, put, TINY } from './fixtures/crash-enumeration.ts';

const MIB = 1024 * 1024;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error instanceof KvError ? error.code : String(error)),
  );
}

async function volume(capacityBytes: number): Promise<MemoryEnv> {
  const env = await createMemoryEnv();
  await env.files.makeDirectory(`${DIRECTORY}/wal`);
  env.files.setCapacity(capacityBytes);
  return env;
}

describe('the sizes for a volume', () => {
  test('are the full ones on a large volume, and fit a small one', async () => {
    const plans = [256 * MIB, 1024 * MIB, 2048 * MIB, 1e13, 10 * MIB].map(async (capacity) => {
      const { segmentSizeBytes, ...plan } = await planVolume(await volume(capacity), DIRECTORY);
      expect(plan).toEqual({
        reserveSizeBytes: 3 * segmentSizeBytes,
        memtableSizeBytes: segmentSizeBytes / 2,
        replaySizeBytes: 4 * segmentSizeBytes,
      });
      return segmentSizeBytes / MIB;
    });
    expect(await Promise.all(plans)).toEqual([8, 32, 64, 64, 4]);
  });

  test('are the same whether the store has filled the volume or not', async () => {
    const env = await volume(256 * MIB);
    const empty = await planVolume(env, DIRECTORY);
    const file = await env.files.open(`${DIRECTORY}/wal/something`, 'create');
    const piece = new Uint8Array(16 * MIB);
    for (let at = 0; at < 15; at++) await file.write(piece, at * piece.length);
    expect(await env.files.freeBytes(DIRECTORY)).toBe(16 * MIB);
    expect(await planVolume(env, DIRECTORY)).toEqual(empty);
  });
});

describe('a volume that is full', () => {
  test('while writes wait for the flush: they are refused, and others go on when there is room', async () => {
    const env = await createMemoryEnv();
    const settings = { ...TINY, memtableSizeBytes: 20_000 };
    const store = await openLocalStore({ env, directory: DIRECTORY, settings });
    const fault = env.files.failWhen({
      when: ({ kind, path }) => kind === 'write' && path.endsWith('.table'),
      code: 'NO_SPACE',
      times: 1000,
    });
    const codes = await Promise.all(
      Array.from({ length: 400 }, (_, at) =>
        codeOf(store.transact({ operations: [put(`key-${at % 90}`, 900)] })),
      ),
    );
    for (let turn = 0; turn < 200; turn++) {
      codes.push(await codeOf(store.transact({ operations: [put(`key-${turn}`, 900)] })));
      if (turn % 20 === 0) env.manualClock.advance(1000);
    }
    expect([...new Set(codes)].sort()).toEqual(['KV_NO_SPACE', 'resolved']);
    fault.cancel();
    env.manualClock.advance(1000);
    await codeOf(store.transact({ operations: [del('key-1')] }));
    await store.flush();
    expect(await codeOf(store.transact({ operations: [put('later', 900)] }))).toBe('resolved');
    const expected = await contentsOf(store);
    await store.close();
    const again = await openLocalStore({ env, directory: DIRECTORY, settings });
    expect(await contentsOf(again)).toEqual(expected);
    await again.close();
  });

  test('at the start, while the log is replayed: reads and deletes work', async () => {
    const env = await createMemoryEnv();
    const settings = { ...TINY, wal: { segmentSizeBytes: 256 * 1024, preallocate: true } };
    const store = await openLocalStore({ env, directory: DIRECTORY, settings });
    for (let at = 0; at < 90; at++) {
      await store.transact({ operations: [put(`key-${at}`, 900)] });
    }
    const before = await contentsOf(store);
    await store.close();
    const fault = env.files.failWhen({
      when: ({ kind, path }) => kind === 'write' && path.endsWith('.table'),
      code: 'NO_SPACE',
      times: 1000,
    });
    const small = { ...settings, memtableSizeBytes: 10_000 };
    const again = await openLocalStore({ env, directory: DIRECTORY, settings: small });
    expect(again.recovery.replayedRecords).toBe(90);
    expect(await contentsOf(again)).toEqual(before);
    expect(again.status().flushedIndex).toBe(0);
    fault.cancel();
    env.manualClock.advance(1000);
    await again.flush();
    await again.transact({ operations: [del('key-1')] });
    expect((await contentsOf(again)).length).toBe(before.length - 1);
    await again.close();
  });
});
