import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { silentLog } from '../src/log.ts';
import { startPeriodicPass } from '../src/periodic-pass.ts';
import { gate, turn } from './gate.ts';

const nothing = {};

test('a pass runs after each interval, and a failed one is repeated in its turn', async () => {
  const { manualClock: clock } = await createMemoryEnv();
  let passes = 0;
  const collector = startPeriodicPass({
    clock,
    log: silentLog,
    intervalMs: 1_000,
    name: 'a pass',
    run: async () => {
      passes += 1;
      if (passes === 1) throw new Error('no');
      return nothing;
    },
  });
  clock.advance(999);
  expect(passes).toBe(0);
  clock.advance(1);
  expect(passes).toBe(1);
  await turn();
  clock.advance(1_000);
  expect(passes).toBe(2);
  await turn();
  await collector.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('a pass that takes long is not joined by a second one', async () => {
  const { manualClock: clock } = await createMemoryEnv();
  const slow = gate();
  let passes = 0;
  const collector = startPeriodicPass({
    clock,
    log: silentLog,
    intervalMs: 10,
    name: 'a pass',
    run: async () => {
      passes += 1;
      await slow.opened;
      return nothing;
    },
  });
  clock.advance(10);
  await turn();
  clock.advance(1_000);
  expect(passes).toBe(1);
  slow.open();
  await collector.stop();
});

test('stop waits for the pass that runs and starts no further one', async () => {
  const { manualClock: clock } = await createMemoryEnv();
  const slow = gate();
  const collector = startPeriodicPass({
    clock,
    log: silentLog,
    intervalMs: 10,
    name: 'a pass',
    run: async () => {
      await slow.opened;
      return nothing;
    },
  });
  clock.advance(10);
  let stopped = false;
  const stopping = collector.stop().then(() => {
    stopped = true;
  });
  await turn();
  expect(stopped).toBe(false);
  slow.open();
  await stopping;
  expect(clock.pendingTimers).toBe(0);
});
