import type { MemoryEnv, MemoryFiles } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { openLocalStore, restoreBackup, verifyBackups } from '../src/index.ts';
import {
  type Contents,
  contentsOf,
  del,
  open,
  put,
  Script,
  TINY,
} from './fixtures/crash-enumeration.ts';

const TARGET = '/backups';
const FEW = { exhaustiveLimit: 2, garbled: false, sampleCount: 1 };

/** A disk with a store of two tables, three segments and a tail, that was closed. */
async function disk(): Promise<{ files: MemoryFiles; contents: Contents }> {
  const env = await createMemoryEnv();
  const store = await open(env);
  const script = new Script(store);
  await script.transact({ operations: [put('a', 6000), put('b', 7000)] });
  await store.flush();
  await script.transact({ operations: [put('c', 9000), put('d', 10)] });
  await store.flush();
  await script.transact({ operations: [put('a', 8000)] }, { operations: [del('b')] });
  await store.close();
  return { files: env.files, contents: script.ledger.states.at(-1) ?? [] };
}

async function contentsIn(env: MemoryEnv, directory: string): Promise<Contents> {
  const store = await openLocalStore({ env, directory, settings: TINY });
  try {
    return await contentsOf(store);
  } finally {
    await store.close();
  }
}

async function backUp(env: MemoryEnv, keep?: number): Promise<void> {
  const store = await open(env);
  try {
    await store.backup({ to: TARGET, ...(keep === undefined ? {} : { keep }) });
  } finally {
    await store.close().catch(() => undefined);
  }
}

/** Runs `action` again and again on a copy of the disk, stopped at each operation, and checks what is left. */
async function enumerate(
  files: MemoryFiles,
  action: (env: MemoryEnv) => Promise<unknown>,
  check: (env: MemoryEnv, where: string) => Promise<void>,
): Promise<{ operations: number; states: number }> {
  const counts = { operations: 0, states: 0 };
  for (let stopAt = 1; ; stopAt++) {
    const env = await createMemoryEnv({ files: files.clone() });
    env.files.stopAt(stopAt);
    await action(env).catch((error: unknown) => {
      if (!env.files.stopped) throw error;
    });
    if (!env.files.stopped) return counts;
    counts.operations++;
    for (const { label, files: after } of env.files.crashStates(FEW)) {
      counts.states++;
      await check(await createMemoryEnv({ files: after }), `stop at ${stopAt}, ${label}`);
    }
  }
}

test('a backup cut off anywhere harms no store, is whole or none, and is completed by the next', async () => {
  const { files, contents } = await disk();
  let none = 0;
  let seen = 0;
  const counts = await enumerate(files, backUp, async (env, where) => {
    expect(await contentsIn(env, '/data'), where).toEqual(contents);
    expect(await env.files.list('/data'), where).not.toContain('backup-pin');
    const found = await verifyBackups(env, TARGET).catch((error: Error) => error.message);
    if (typeof found === 'string') {
      expect(found, where).toContain('holds no finished backup');
      none++;
    } else expect(found[0]?.problems, where).toEqual([]);
    // Why not each: it takes longer than all the rest.
    if (++seen % 3 !== 0) return;
    await backUp(env);
    const [whole] = await verifyBackups(env, TARGET);
    expect(whole?.problems, where).toEqual([]);
    await restoreBackup(env, { from: TARGET, directory: '/new' });
    expect(await contentsIn(env, '/new'), where).toEqual(contents);
  });
  console.info(`checked ${JSON.stringify({ ...counts, none })}`);
  expect(counts.states).toBeGreaterThan(100);
  expect(none).toBeGreaterThan(20);
});

test('a second backup cut off anywhere leaves the first, even where it was to replace it', async () => {
  const { files } = await disk();
  const env = await createMemoryEnv({ files });
  await backUp(env);
  const store = await open(env);
  await store.transact({ operations: [put('a', 3000), put('z', 4000)] });
  await store.compact();
  await store.close();
  const counts = await enumerate(
    files,
    (each) => backUp(each, 1),
    async (after, where) => {
      const backups = await verifyBackups(after, TARGET);
      expect(backups.length, where).toBeGreaterThan(0);
      expect(
        backups.flatMap(({ problems }) => problems),
        where,
      ).toEqual([]);
    },
  );
  console.info(`checked ${JSON.stringify(counts)}`);
  expect(counts.states).toBeGreaterThan(100);
});

test('a restore cut off anywhere opens whole or not at all, and is completed by the next', async () => {
  const { files, contents } = await disk();
  const before = await createMemoryEnv({ files });
  await backUp(before);
  let refused = 0;
  const request = { from: TARGET, directory: '/new' };
  const counts = await enumerate(
    files,
    (env) => restoreBackup(env, request),
    async (env, where) => {
      if ((await env.files.stat('/new/node.json')) === undefined) {
        refused++;
        const begun = (await env.files.stat('/new/wal')) !== undefined;
        if (begun) {
          const copy = await createMemoryEnv({ files: env.files.clone() });
          await expect(contentsIn(copy, '/new'), where).rejects.toThrow('node.json: it is missing');
        }
        await restoreBackup(env, request);
      } else {
        const again = restoreBackup(env, request);
        await expect(again, where).rejects.toThrow('/new holds a store already');
      }
      expect(await contentsIn(env, '/new'), where).toEqual(contents);
    },
  );
  expect((await verifyBackups(before, TARGET))[0]?.problems).toEqual([]);
  console.info(`checked ${JSON.stringify({ ...counts, refused })}`);
  expect(refused).toBeGreaterThan(50);
});
