import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NodeFiles } from '../src/node/index.ts';
import { fallsSilent, reads, throws, writesOn } from './fixtures/thread-tasks.ts';
import { makeTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

const { threads } = new NodeFiles();
let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await makeTemporaryFolder();
});

afterEach(() => folder.remove());

describe('a task', () => {
  test('runs on another thread, with the same files', async () => {
    const path = join(folder.path, 'file');
    writeFileSync(path, Uint8Array.of(1, 2, 3));
    const { bytes, isMainThread } = await threads.start(reads, { path }).answer;
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3));
    expect(isMainThread).toBe(false);
  });

  test('that throws rejects with THREAD_FAILED and the cause', async () => {
    await expect(threads.start(throws, undefined).answer).rejects.toMatchObject({
      code: 'THREAD_FAILED',
      retryable: true,
      cause: { name: 'RangeError', message: 'no such luck' },
    });
  });

  test('whose thread dies without a word rejects with THREAD_FAILED', async () => {
    await expect(threads.start(fallsSilent, undefined).answer).rejects.toMatchObject({
      code: 'THREAD_FAILED',
      message: expect.stringContaining('no answer') as string,
    });
  });

  test('of a module that is not there rejects with THREAD_FAILED', async () => {
    const lost = { ...reads, moduleUrl: new URL('./nowhere.ts', import.meta.url).href };
    await expect(threads.start(lost, { path: '' }).answer).rejects.toMatchObject({
      code: 'THREAD_FAILED',
    });
  });

  test('that is stopped ends at once, and rejects with THREAD_STOPPED', async () => {
    const path = join(folder.path, 'file');
    const files = new NodeFiles();
    const running = files.threads.start(writesOn, { path });
    while (((await files.stat(path))?.sizeBytes ?? 0) === 0);
    await running.stop();
    await running.stop();
    await expect(running.answer).rejects.toMatchObject({ code: 'THREAD_STOPPED' });
    await files.unlink(path);
    expect(files.threads.startedCount).toBe(1);
  });
});
