import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { BufferPool } from '../src/buffer-pool.ts';

test('the memory of a buffer that is not kept for the next transfer is given back at once', async () => {
  const made: Uint8Array[] = [];
  const make = (): Uint8Array => {
    const buffer = new Uint8Array(new ArrayBuffer(16));
    made.push(buffer);
    return buffer;
  };
  const { clock } = await createMemoryEnv();
  const pool = new BufferPool({ count: 3, spareCount: 1, make, clock, waitMs: 1 });
  const all = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  for (const buffer of all) pool.release(buffer);
  expect(made.map(({ length }) => length)).toEqual([16, 0, 0]);
  expect(await pool.acquire()).toBe(made[0]);
});
