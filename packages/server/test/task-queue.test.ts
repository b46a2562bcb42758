import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { silentLog } from '../src/log.ts';
import { createTaskQueueFactory } from '../src/task-queue.ts';
import { gate, turn } from './gate.ts';

const { clock } = await createMemoryEnv();
const immediate = { clock, log: silentLog, retryDelayMs: 0 };

test('every task runs, and idle resolves only after the last one has ended', async () => {
  const done: string[] = [];
  const queue = createTaskQueueFactory(immediate)<string>('t', async (task) => {
    await Promise.resolve();
    done.push(task);
  });
  for (const name of ['a', 'b', 'c']) queue.push(name, name);
  await queue.idle();
  expect(done.toSorted()).toEqual(['a', 'b', 'c']);
  await queue.close();
});

test('no more tasks run at once than the concurrency allows', async () => {
  let running = 0;
  let most = 0;
  const all = gate();
  const queue = createTaskQueueFactory({ ...immediate, concurrency: 3 })<number>('t', async () => {
    running += 1;
    most = Math.max(most, running);
    if (running === 3) all.open();
    await all.opened;
    await turn();
    running -= 1;
  });
  for (let i = 0; i < 20; i++) queue.push(String(i), i);
  await queue.idle();
  expect(most).toBe(3);
  await queue.close();
});

test('a waiting task is replaced by a later one with the same id', async () => {
  const done: string[] = [];
  const first = gate();
  const queue = createTaskQueueFactory({ ...immediate, concurrency: 1 })<string>(
    't',
    async (task) => {
      if (task === 'blocker') {
        first.reached();
        await first.opened;
      }
      done.push(task);
    },
  );
  queue.push('blocker', 'blocker');
  await first.arrival;
  queue.push('same', 'old');
  queue.push('same', 'new');
  first.open();
  await queue.idle();
  expect(done).toEqual(['blocker', 'new']);
  await queue.close();
});

test('a task that waits to be run again is replaced by a later one with the same id', async () => {
  const runs: string[] = [];
  const queue = createTaskQueueFactory(immediate)<string>('t', async (task) => {
    runs.push(task);
    if (task !== 'old') return;
    queue.push('same', 'new');
    throw new Error('no');
  });
  queue.push('same', 'old');
  await queue.idle();
  expect(runs).toEqual(['old', 'new']);
  await queue.close();
});

test('each task has all its runs, whatever the tasks before it with the same id needed', async () => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warnings.push(message) };
  let runs = 0;
  const queue = createTaskQueueFactory({ ...immediate, log, attemptLimit: 2 })<string>(
    't',
    async () => {
      runs += 1;
      if (runs % 2 === 1) throw new Error('no');
    },
  );
  for (let i = 0; i < 3; i++) {
    queue.push('same', 'task');
    await queue.idle();
  }
  expect({ runs, warnings }).toEqual({ runs: 6, warnings: [] });
  await queue.close();
});

test('a failing task is run again, and given up and logged after the last attempt', async () => {
  const runs: string[] = [];
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warnings.push(message) };
  const queue = createTaskQueueFactory({ ...immediate, log, attemptLimit: 3 })<string>(
    't',
    async (task) => {
      runs.push(task);
      if (task === 'never' || runs.length < 2) throw new Error('no');
    },
  );
  queue.push('once', 'once');
  await queue.idle();
  expect(runs).toEqual(['once', 'once']);
  queue.push('never', 'never');
  await queue.idle();
  expect(runs.filter((task) => task === 'never')).toHaveLength(3);
  expect(warnings).toEqual(['background task given up']);
  await queue.close();
});

test('a full queue drops a task and says so', async () => {
  const done: string[] = [];
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warnings.push(message) };
  const queue = createTaskQueueFactory({ ...immediate, log, waitingLimit: 2 })<string>(
    't',
    async (task) => void done.push(task),
  );
  for (const name of ['a', 'b', 'c']) queue.push(name, name);
  await queue.idle();
  expect(done.toSorted()).toEqual(['a', 'b']);
  expect(warnings).toEqual(['background queue is full, task dropped']);
  await queue.close();
});

test('close drops what waits, waits for what runs, and takes nothing more', async () => {
  const done: string[] = [];
  const first = gate();
  const queue = createTaskQueueFactory({ ...immediate, concurrency: 1 })<string>(
    't',
    async (task) => {
      first.reached();
      await first.opened;
      done.push(task);
    },
  );
  queue.push('a', 'a');
  queue.push('b', 'b');
  await first.arrival;
  let closed = false;
  const closing = queue.close().then(() => {
    closed = true;
  });
  await turn();
  expect(closed).toBe(false);
  first.open();
  await closing;
  queue.push('c', 'c');
  await queue.idle();
  await queue.close();
  expect(done).toEqual(['a']);
});

test('close ends the pause before a retry and leaves no timer', async () => {
  const env = await createMemoryEnv();
  const failed = gate();
  let runs = 0;
  const queue = createTaskQueueFactory({ clock: env.clock, log: silentLog })<string>(
    't',
    async () => {
      runs += 1;
      failed.reached();
      throw new Error('no');
    },
  );
  queue.push('a', 'a');
  await failed.arrival;
  while (env.manualClock.pendingTimers === 0) await turn();
  await queue.close();
  expect(env.manualClock.pendingTimers).toBe(0);
  expect(runs).toBe(1);
});

test('a task that fails while the queue closes does not wait for another run', async () => {
  const env = await createMemoryEnv();
  const first = gate();
  let runs = 0;
  const queue = createTaskQueueFactory({ clock: env.clock, log: silentLog })<string>(
    't',
    async () => {
      runs += 1;
      first.reached();
      await first.opened;
      throw new Error('no');
    },
  );
  queue.push('a', 'a');
  await first.arrival;
  const closing = queue.close();
  first.open();
  await closing;
  expect({ runs, timers: env.manualClock.pendingTimers }).toEqual({ runs: 1, timers: 0 });
});
