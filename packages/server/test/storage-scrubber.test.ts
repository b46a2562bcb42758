import { createMemoryEnv } from '@holdfast/env/memory';
import type { StoreDamage } from '@holdfast/kv';
import { openLocalStore } from '@holdfast/kv';
import { expect, test } from 'vitest';
import type { Log } from '../src/log.ts';
import { silentLog } from '../src/log.ts';
import { startStorageScrubber } from '../src/storage-scrubber.ts';
import { turn } from './gate.ts';

test('a byte that rots is logged as an error with what to do and counted, and the store serves on', async () => {
  const env = await createMemoryEnv();
  const wal = { segmentSizeBytes: 64 * 1024, preallocate: false };
  const kv = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0, wal } });
  for (let at = 0; at < 20; at++) {
    const value = new Uint8Array(6000).fill(at);
    await kv.transact({ operations: [{ kind: 'put', key: Uint8Array.of(at), value }] });
  }
  const [segment] = kv.status().segments;
  env.files.corrupt(segment!.path, { offset: 4096 + 1000 });
  const errors: object[] = [];
  const counted: StoreDamage[] = [];
  const log: Log = { ...silentLog, error: (fields) => errors.push(fields) };
  const scrubber = startStorageScrubber({
    env,
    directory: '/d',
    kv,
    log,
    bytesPerSecond: 1 << 20,
    onDamage: (damage) => counted.push(damage),
    firstPassAfterMs: 0,
  });
  for (let step = 0; step < 500 && scrubber.counters.passes === 0; step++) {
    env.manualClock.advance(20);
    await turn();
  }
  await scrubber.stop();
  expect(scrubber.counters.passes).toBe(1);
  expect(counted).toMatchObject([{ area: 'segment', offset: 4096 }]);
  expect(errors).toMatchObject([{ area: 'segment', offset: 4096, advice: expect.any(String) }]);
  expect(await kv.get(Uint8Array.of(19))).toMatchObject({ valueSizeBytes: 6000 });
  await kv.close();
});
