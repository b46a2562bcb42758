import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { openWal, type Wal } from '../src/index.ts';
import { IDENTITY, put } from './fixtures/logs.ts';

/** More microtasks than any layer above the log spends between two requests of one poll. */
async function microtasks(): Promise<void> {
  for (let count = 0; count < 100; count++) await Promise.resolve();
}

/** A log on real files, where a write takes turns of the event loop. `batches`: those of `work`. */
async function batchesOf(work: (wal: Wal, env: Env) => Promise<unknown>): Promise<number> {
  const env = await createNodeEnv();
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-wal-'));
  try {
    const wal = await openWal({ env, directory, identity: IDENTITY, preallocate: false });
    await put(wal, 'first');
    // The log is at rest after the turn in which it would have gathered more, which may begin after ours.
    for (let turn = 0; turn < 2; turn++) await env.clock.turn();
    const before = wal.stats().batches;
    await work(wal, env);
    const { batches } = wal.stats();
    await wal.close();
    return batches - before;
  } finally {
    await env.digests.close();
    await rm(directory, { recursive: true });
  }
}

test('appends of one turn of the event loop share a batch, however many microtasks are between them', async () => {
  const batches = await batchesOf(async (wal) => {
    const one = put(wal, 'one');
    await microtasks();
    await Promise.all([one, put(wal, 'two')]);
  });
  expect(batches).toBe(1);
});

test('what is appended in the turn of an acknowledgement shares a batch with what waited for it', async () => {
  const batches = await batchesOf(async (wal, env) => {
    const one = put(wal, 'one');
    await env.clock.turn();
    const two = put(wal, 'two');
    await one;
    await microtasks();
    await Promise.all([two, put(wal, 'three')]);
  });
  expect(batches).toBe(2);
});

test('a batch that is large waits for no turn to end', async () => {
  const batches = await batchesOf(async (wal) => {
    const large = put(wal, 'large', new Uint8Array(256 * 1024));
    await microtasks();
    await Promise.all([large, put(wal, 'small')]);
  });
  expect(batches).toBe(2);
});
