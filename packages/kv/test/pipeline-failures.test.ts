import { utf8 } from '@holdfast/bytes';
import type { DiskOperation } from '@holdfast/env/memory';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { LocalStore, LocalStoreSettings, Operation, Transaction } from '../src/index.ts';
import { KvError, openLocalStore } from '../src/index.ts';
import { contentsOf, DIRECTORY, open, put, TINY } from './fixtures/crash-enumeration.ts';

const SLOW_MS = 1000;

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'committed',
    (error: unknown) => (error instanceof KvError ? error.code : String(error)),
  );
}

/** A store whose disk and log do what a test says, on a clock that only `advance` moves. */
async function slowStore(settings: LocalStoreSettings) {
  const clock = new ManualClock();
  let isSlow: (operation: DiskOperation) => boolean = () => false;
  const env = await createMemoryEnv({
    clock,
    latencyMs: (operation) => (isSlow(operation) ? SLOW_MS : 0),
  });
  const store = await openLocalStore({ env, directory: DIRECTORY, settings });
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await env.files.stat('/');
  };
  const advance = async (): Promise<void> => {
    clock.advance(SLOW_MS);
    await turns();
  };
  return {
    env,
    store,
    turns,
    advance,
    slowDown: (when: (operation: DiskOperation) => boolean) => {
      isSlow = when;
    },
  };
}

const many = (store: LocalStore, count: number, sizeBytes: number): Promise<string>[] =>
  Array.from({ length: count }, (_, at) =>
    outcomeOf(store.transact({ operations: [put(`key-${at}`, sizeBytes)] })),
  );

test('where the log fails all that wait for it are answered, and nothing waits any more', async () => {
  const settings = { ...TINY, wal: { ...TINY.wal, pendingSizeLimitBytes: 10_000 } };
  const { env, store, turns, advance, slowDown } = await slowStore(settings);
  await store.transact({ operations: [put('before', 10)] });
  slowDown(({ kind }) => kind === 'writeSynced');
  env.files.failWhen({
    when: ({ kind }) => kind === 'writeSynced',
    code: 'FILE_IO',
    times: Number.POSITIVE_INFINITY,
  });
  const outcomes = many(store, 20, 2000);
  await turns();
  expect(store.status().waitingBytes).toBeGreaterThan(10_000);
  for (let turn = 0; turn < 5; turn++) await advance();
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['KV_UNAVAILABLE']));
  expect(store.status().waitingBytes).toBe(0);
  expect(await outcomeOf(store.transact({ operations: [put('x', 1)] }))).toBe('KV_UNAVAILABLE');
  slowDown(() => false);
  await store.close().catch(() => undefined);
  const again = await open({ ...env, files: env.files.crash().files });
  expect((await again.get(utf8('before')))?.valueSizeBytes).toBe(10);
  await again.close();
});

test('where a transaction cannot be applied, since a table cannot be read, all are answered and nothing is lost', async () => {
  const env = await createMemoryEnv();
  const store = await open(env, { ...TINY, blockCacheSizeBytes: 0 });
  const operations: Operation[] = Array.from({ length: 40 }, (_, at) => put(`key-${at}`, 30));
  await store.transact({ operations });
  await store.flush();
  const expected = await contentsOf(store);
  let isBroken = true;
  env.files.failWhen({
    when: ({ kind, path }) => isBroken && kind === 'read' && path.endsWith('.table'),
    code: 'FILE_IO',
    times: Number.POSITIVE_INFINITY,
  });
  const asking: Transaction = {
    conditions: [{ kind: 'versionEquals', key: utf8('key-20'), version: 1 }],
    operations: [{ kind: 'delete', key: utf8('key-20') }],
  };
  const outcomes = [asking, { operations: [put('new', 10)] }, asking].map((transaction) =>
    outcomeOf(store.transact(transaction)),
  );
  expect(await Promise.all(outcomes)).toEqual(['KV_CORRUPTION', 'KV_CORRUPTION', 'KV_CORRUPTION']);
  expect(await outcomeOf(store.transact({ operations: [put('x', 1)] }))).toBe('KV_CORRUPTION');
  isBroken = false;
  await store.close().catch(() => undefined);
  const again = await open({ ...env, files: env.files.killed() });
  const found = new Set(await contentsOf(again));
  // What was refused may have been done: it was in the log.
  expect(expected.filter((line) => !found.has(line)).length).toBeLessThanOrEqual(1);
  await again.close();
});

test('what waits for a flush that finds no room is refused, and later writes are taken when there is some', async () => {
  const settings = { ...TINY, memtableSizeBytes: 4096, flushThreadSizeBytes: 1024 * 1024 };
  const { env, store, turns, advance, slowDown } = await slowStore(settings);
  slowDown(({ kind, path }) => kind !== 'read' && path.endsWith('.table'));
  const full = env.files.failWhen({
    when: ({ kind, path }) => kind === 'write' && path.endsWith('.table'),
    code: 'NO_SPACE',
    times: Number.POSITIVE_INFINITY,
    applied: 'none',
  });
  const outcomes: Promise<string>[] = [];
  for (let at = 0; at < 3000 && store.status().waitingBytes < 60_000; at++) {
    outcomes.push(outcomeOf(store.transact({ operations: [put(`key-${at}`, 50)] })));
    await env.files.stat('/');
  }
  expect(store.status().waitingBytes).toBeGreaterThanOrEqual(60_000);
  for (let turn = 0; turn < 5; turn++) await advance();
  const answers = await Promise.all(outcomes);
  expect(new Set(answers)).toEqual(new Set(['committed', 'KV_NO_SPACE']));
  expect(store.status().waitingBytes).toBe(0);
  full.cancel();
  slowDown(() => false);
  for (let turn = 0; turn < 3; turn++) await advance();
  await turns();
  await store.flush();
  expect(await outcomeOf(store.transact({ operations: [put('later', 10)] }))).toBe('committed');
  const committed = answers.filter((answer) => answer === 'committed').length;
  expect((await store.scan({ limit: 5000, values: false })).entries.length).toBe(committed + 1);
  await store.close();
});
