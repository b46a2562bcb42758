import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import type { BackupReport } from '@holdfast/kv';
import { listBackups, openLocalStore } from '@holdfast/kv';
import { expect, test } from 'vitest';
import { BackupKeeper } from '../src/backup-keeper.ts';
import { silentLog } from '../src/log.ts';
import { turn } from './gate.ts';

const HOUR_MS = 3_600_000;
const schedule = { to: '/backups', intervalMs: HOUR_MS, keep: 2 };

test('a backup is made after each interval, a failed one again after a minute, and the age is told', async () => {
  const env = await createMemoryEnv();
  const { manualClock: clock } = env;
  const made: number[] = [];
  let fails = true;
  const store = {
    backup: async (): Promise<BackupReport> => {
      made.push(clock.nowMs());
      if (fails) throw new Error('no');
      return { createdMs: clock.nowMs() } as BackupReport;
    },
  };
  const startMs = clock.nowMs();
  const keeper = await BackupKeeper.start({ env, log: silentLog, store, schedule });
  expect(keeper.ageMs).toBeUndefined();
  clock.advance(0);
  await turn();
  expect(made.length).toBe(1);
  fails = false;
  clock.advance(60_000);
  await turn();
  expect(keeper.ageMs).toBe(0);
  clock.advance(HOUR_MS);
  expect(keeper.ageMs).toBe(HOUR_MS);
  await turn();
  expect(made.map((ms) => ms - startMs)).toEqual([0, 60_000, 60_000 + HOUR_MS]);
  keeper.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('a restarted server goes on with the schedule, and knows the age of what is there', async () => {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/data' });
  await store.transact({ operations: [{ kind: 'put', key: utf8('a'), value: utf8('b') }] });
  await store.backup({ to: schedule.to });
  env.manualClock.advance(HOUR_MS / 2);
  let backups = 0;
  const counting = {
    backup: (request: { readonly to: string }) => {
      backups++;
      return store.backup(request);
    },
  };
  const keeper = await BackupKeeper.start({ env, log: silentLog, store: counting, schedule });
  expect(keeper.ageMs).toBe(HOUR_MS / 2);
  env.manualClock.advance(HOUR_MS / 2 - 1);
  expect(backups).toBe(0);
  env.manualClock.advance(1);
  await turn();
  expect(backups).toBe(1);
  keeper.stop();
  // Closing ends the backup, without a manifest, or after it.
  await store.close();
  expect((await listBackups(env, schedule.to)).length).toBe(1);
});
