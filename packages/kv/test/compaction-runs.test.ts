import { utf8 } from '@holdfast/bytes';
import type { DiskOperation, MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import type { LocalStore } from '../src/index.ts';
import { contentsOf, DIRECTORY, del, open, put, TINY } from './fixtures/crash-enumeration.ts';
import { halfDead, KEYS } from './fixtures/half-dead.ts';
import { watched } from './fixtures/open-files.ts';

const isExtents = ({ path }: DiskOperation): boolean => path.endsWith('.extents');

async function extentNames(env: MemoryEnv): Promise<string[]> {
  return (await env.files.list(`${DIRECTORY}/kv`)).filter((name) => name.endsWith('.extents'));
}

/** The same environment, whose first look at the room for the index is held back until it is let go. */
function holdsFreeBytes(inner: MemoryEnv): {
  readonly env: MemoryEnv;
  readonly held: Promise<void>;
  readonly letGo: () => void;
} {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const freeBytes = async (path: string): Promise<number> => {
    if (path === `${DIRECTORY}/kv`) {
      asked.resolve();
      await gate.promise;
    }
    return inner.files.freeBytes(path);
  };
  const files = new Proxy(inner.files, {
    get: (target, name) => {
      if (name === 'freeBytes') return freeBytes;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { env: { ...inner, files }, held: asked.promise, letGo: () => gate.resolve() };
}

describe('a run of compaction', () => {
  test.each([
    ['a part', KEYS.slice(0, 5), 4000],
    ['all', KEYS, 0],
  ])(
    'passes over %s of what was chosen, where it is removed before it is copied',
    async (_, gone, movedBytes) => {
      const { env, held, letGo } = holdsFreeBytes(await createMemoryEnv());
      const store = await halfDead(env, { ...TINY, reserveSizeBytes: 1024 * 1024 });
      const compacting = store.compact();
      await held;
      await store.transact({ operations: gone.map(del) });
      await store.flush();
      letGo();
      expect(await compacting).toMatchObject({ movedBytes, paused: false, damaged: [] });
      expect(await extentNames(env)).toHaveLength(movedBytes === 0 ? 0 : 1);
      expect((await contentsOf(store)).length).toBe(KEYS.length - gone.length);
      await store.close();
    },
  );

  test('is the only one, however many ask for it at once', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    // The first ends for want of room, and leaves all of it to the others.
    env.files.failWhen({
      when: (operation) => operation.kind === 'write' && isExtents(operation),
      code: 'NO_SPACE',
    });
    const reports = await Promise.all([store.compact(), store.compact(), store.compact()]);
    expect(reports.map(({ paused }) => paused)).toEqual([true, false, false]);
    expect(reports.map(({ rewrittenSegments }) => rewrittenSegments)).toEqual([0, 6, 0]);
    expect(store.status().movedBytes).toBe(24_000);
    await store.close();
  });

  test('moves values of long keys once, though their file is much larger than they are', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (let number = 0; number < 30; number++) {
      await store.transact({ operations: [put(`${number} ${'long'.repeat(500)}`, 1100)] });
    }
    const moved = async (which: LocalStore): Promise<number> => {
      let files = 0;
      const report = await which.compact(() => {
        if (++files > 10) throw new Error('it does not end');
      });
      return report.movedBytes;
    };
    expect(await moved(store)).toBeGreaterThan(20 * 1100);
    expect(await moved(store)).toBeLessThanOrEqual(7 * 1100);
    expect(await moved(store)).toBe(0);
    expect(store.status().compactionDebtBytes).toBe(0);
    await store.close();
    const again = await open(env);
    expect(await moved(again)).toBe(0);
    await again.close();
  });

  test('leaves no file open, whether it had room or not', async () => {
    const { env, openFiles } = watched(await createMemoryEnv());
    const store = await halfDead(env);
    env.files.failWhen({
      when: (operation) => operation.kind === 'sync' && isExtents(operation),
      code: 'NO_SPACE',
    });
    expect(await store.compact()).toMatchObject({ paused: true });
    expect(await store.compact()).toMatchObject({ paused: false, movedBytes: 24_000 });
    await store.close();
    expect(openFiles()).toEqual([]);
  });

  test('that finds no room to remove files leaves that to the next', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    await store.compact();
    const files = store.status().extentFiles.length;
    expect(files).toBe(2);
    await store.transact({ operations: KEYS.map(del) });
    env.files.failWhen({
      when: (operation) => operation.kind === 'unlink' && isExtents(operation),
      code: 'NO_SPACE',
    });
    await expect(store.compact()).rejects.toMatchObject({ code: 'KV_NO_SPACE' });
    expect(await extentNames(env)).toHaveLength(files);
    await store.transact({ operations: [put('new', 4000), put('gone', 6000)] });
    await store.transact({ operations: [put('last', 9000), del('gone')] });
    await store.compact();
    await store.transact({ operations: [del('new')] });
    await store.compact();
    const listed = store.status().extentFiles.map(({ path }) => path);
    expect((await extentNames(env)).map((name) => `${DIRECTORY}/kv/${name}`)).toEqual(listed);
    expect((await store.get(utf8('last')))?.valueSizeBytes).toBe(9000);
    await store.close();
  });

  test('whose list could not be synced leaves its file, which may be listed all the same', async () => {
    const env = await createMemoryEnv();
    const store = await halfDead(env);
    const before = await contentsOf(store);
    let copied = false;
    env.files.failWhen({
      when: (operation) => {
        copied ||= isExtents(operation);
        return copied && operation.kind === 'sync' && operation.path.endsWith('/MANIFEST');
      },
      code: 'FILE_IO',
    });
    await expect(store.compact()).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
    await store.close();
    const again = await open(env);
    expect(again.status().extentFiles).toHaveLength(1);
    expect(await contentsOf(again)).toEqual(before);
    expect((await again.get(utf8('a')))?.valueSizeBytes).toBe(4000);
    await again.close();
  });
});
