import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { KvError } from '@holdfast/kv';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CollectionStep } from '../src/collect-now.ts';
import type { ControlCommands } from '../src/control-socket.ts';
import {
  controlPath,
  openControlSocket,
  requestBackup,
  requestCollection,
} from '../src/control-socket.ts';

const REPORT = {
  index: 7,
  oldestIndex: 3,
  createdMs: 1,
  files: 2,
  sizeBytes: 3,
  copiedBytes: 4,
  linkedBytes: 5,
  reusedBytes: 6,
  durationMs: 7,
};

const COLLECTED = { beforeBytes: 9, afterBytes: 4, liveBytes: 3, paused: false, damaged: ['one'] };

/** Commands of which a test expects only those that it gives. */
function commands(given: Partial<ControlCommands>): ControlCommands {
  const unexpected = () => Promise.reject(new Error('not asked for'));
  return { backUp: unexpected, collect: unexpected, ...given };
}

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'c-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('only the owner can reach it, and a socket of a process that died is replaced', async () => {
  const path = controlPath(directory);
  const first = await openControlSocket(path, commands({ backUp: async () => REPORT }));
  await first.close();
  await writeFile(path, '');
  // Of a folder that was copied, or made by another program.
  await chmod(dirname(path), 0o755);
  const socket = await openControlSocket(path, commands({ backUp: async () => REPORT }));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(directory, 'control'))).mode & 0o777).toBe(0o700);
  await socket.close();
  await expect(stat(path)).rejects.toThrow('ENOENT');
});

test('a backup is asked for, and its report or its refusal comes back', async () => {
  const path = controlPath(directory);
  expect(await requestBackup(path, { to: '/b' })).toBeUndefined();
  const asked: unknown[] = [];
  const socket = await openControlSocket(
    path,
    commands({
      backUp: async (request) => {
        asked.push(request);
        if (asked.length === 2) throw new KvError('KV_BUSY', 'a backup is running already');
        return REPORT;
      },
    }),
  );
  expect(await requestBackup(path, { to: '/b', keep: 3 })).toEqual(REPORT);
  await expect(requestBackup(path, { to: '/c' })).rejects.toThrow('a backup is running already');
  expect(asked).toEqual([{ to: '/b', keep: 3 }, { to: '/c' }]);
  await socket.close();
});

test('a server that goes away in the middle is told as that', async () => {
  const path = controlPath(directory);
  const begun = Promise.withResolvers<void>();
  const never = Promise.withResolvers<typeof REPORT>();
  const socket = await openControlSocket(
    path,
    commands({
      backUp: () => {
        begun.resolve();
        return never.promise;
      },
    }),
  );
  const asking = requestBackup(path, { to: '/b' });
  await begun.promise;
  await Promise.all([
    expect(asking).rejects.toThrow('The server went away during the backup'),
    socket.close(),
  ]);
});

const STEPS: readonly CollectionStep[] = [
  { step: 'begun', fileBytes: 9, liveBytes: 3 },
  { step: 'swept', deletedChunks: 1, deletedBytes: 2 },
  { step: 'rewritten', rewrittenSegments: 1, movedBytes: 3 },
];

test('a collection is asked for; each step comes as it is done, and the report or the refusal last', async () => {
  const path = controlPath(directory);
  const seen: CollectionStep[] = [];
  const note = (step: CollectionStep) => seen.push(step);
  expect(await requestCollection(path, note)).toBeUndefined();
  const firstSeen = Promise.withResolvers<void>();
  let refuses: 'never' | 'first' | 'late' = 'never';
  const collect: ControlCommands['collect'] = async (onStep) => {
    if (refuses === 'first') throw new KvError('KV_BUSY', 'a collection is running already');
    const [first, ...rest] = STEPS;
    if (first !== undefined) onStep(first);
    // The rest is done only when the client has seen the first.
    await firstSeen.promise;
    if (refuses === 'late') throw new Error('the device is gone');
    for (const step of rest) onStep(step);
    return COLLECTED;
  };
  const socket = await openControlSocket(path, commands({ collect }));
  const report = await requestCollection(path, (step) => {
    note(step);
    firstSeen.resolve();
  });
  expect([report, seen]).toEqual([COLLECTED, STEPS]);
  refuses = 'first';
  await expect(requestCollection(path, note)).rejects.toThrow('a collection is running already');
  refuses = 'late';
  await expect(requestCollection(path, note)).rejects.toThrow('the device is gone');
  await socket.close();
});

test('a server that goes away in the middle of a collection is told as that', async () => {
  const path = controlPath(directory);
  const never = Promise.withResolvers<typeof COLLECTED>();
  const collect: ControlCommands['collect'] = (onStep) => {
    onStep(STEPS[0] as CollectionStep);
    return never.promise;
  };
  const socket = await openControlSocket(path, commands({ collect }));
  const begun = Promise.withResolvers<void>();
  const asking = requestCollection(path, () => begun.resolve());
  await begun.promise;
  await Promise.all([
    expect(asking).rejects.toThrow('The server went away during the collection'),
    socket.close(),
  ]);
});
