import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KvError } from '@holdfast/kv';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { controlPath, openControlSocket, requestBackup } from '../src/control-socket.ts';

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

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'c-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('only the owner can reach it, and a socket of a process that died is replaced', async () => {
  const path = controlPath(directory);
  const first = await openControlSocket(path, async () => REPORT);
  await first.close();
  await writeFile(path, '');
  const socket = await openControlSocket(path, async () => REPORT);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(directory, 'control'))).mode & 0o777).toBe(0o700);
  await socket.close();
  await expect(stat(path)).rejects.toThrow('ENOENT');
});

test('a backup is asked for, and its report or its refusal comes back', async () => {
  const path = controlPath(directory);
  expect(await requestBackup(path, { to: '/b' })).toBeUndefined();
  const asked: unknown[] = [];
  const socket = await openControlSocket(path, async (request) => {
    asked.push(request);
    if (asked.length === 2) throw new KvError('KV_BUSY', 'a backup is running already');
    return REPORT;
  });
  expect(await requestBackup(path, { to: '/b', keep: 3 })).toEqual(REPORT);
  await expect(requestBackup(path, { to: '/c' })).rejects.toThrow('a backup is running already');
  expect(asked).toEqual([{ to: '/b', keep: 3 }, { to: '/c' }]);
  await socket.close();
});

test('a server that goes away in the middle is told as that', async () => {
  const path = controlPath(directory);
  const begun = Promise.withResolvers<void>();
  const never = Promise.withResolvers<typeof REPORT>();
  const socket = await openControlSocket(path, () => {
    begun.resolve();
    return never.promise;
  });
  const asking = requestBackup(path, { to: '/b' });
  await begun.promise;
  await Promise.all([
    expect(asking).rejects.toThrow('The server went away during the backup'),
    socket.close(),
  ]);
});
