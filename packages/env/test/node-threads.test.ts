import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NodeFiles, NodeThreads } from '../src/node/index.ts';
import {
  counts,
  diesLater,
  fallsSilent,
  fills,
  reads,
  throws,
  writesOn,
} from './fixtures/thread-tasks.ts';
import { makeTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

const files = new NodeFiles();
const { threads } = files;
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

  test('is given the memory that is handed over, and nobody else has it', async () => {
    const memory = new ArrayBuffer(8);
    new Uint8Array(memory).fill(7);
    const { answer } = threads.start(fills, { memory, byte: 9 }, [memory]);
    expect(memory.detached).toBe(true);
    expect(await answer).toEqual({ before: 7, after: 9 });
  });

  test('that is stopped ends at once, and rejects with THREAD_STOPPED', async () => {
    const path = join(folder.path, 'file');
    const own = new NodeFiles();
    const running = own.threads.start(writesOn, { path });
    while (((await files.stat(path))?.sizeBytes ?? 0) === 0);
    await running.stop();
    await running.stop();
    await expect(running.answer).rejects.toMatchObject({ code: 'THREAD_STOPPED' });
    await files.unlink(path);
    expect(own.threads.startedCount).toBe(1);
  });
});

describe('a thread', () => {
  test('that is done is kept for the next task', async () => {
    const fresh = new NodeThreads({});
    expect(await fresh.start(counts, undefined).answer).toBe(1);
    expect(fresh.hasIdle).toBe(true);
    const running = fresh.start(counts, undefined);
    expect(fresh.hasIdle).toBe(false);
    expect(await running.answer).toBe(2);
    expect(fresh.startedCount).toBe(1);
  });

  test('runs one task: of two at one time each has its own, and one is kept', async () => {
    const fresh = new NodeThreads({});
    const both = [fresh.start(counts, undefined), fresh.start(counts, undefined)];
    expect(await Promise.all(both.map(({ answer }) => answer))).toEqual([1, 1]);
    expect(fresh.startedCount).toBe(2);
    expect(await fresh.start(counts, undefined).answer).toBe(2);
    expect(fresh.startedCount).toBe(2);
  });

  test('goes on with another task where one that it has answered is stopped', async () => {
    const fresh = new NodeThreads({});
    const first = fresh.start(counts, undefined);
    await first.answer;
    const second = fresh.start(counts, undefined);
    await first.stop();
    expect(await second.answer).toBe(2);
    expect(fresh.startedCount).toBe(1);
  });

  test('whose task failed or was stopped is not used again', async () => {
    const fresh = new NodeThreads({});
    await expect(fresh.start(throws, undefined).answer).rejects.toThrow('no such luck');
    expect(fresh.hasIdle).toBe(false);
    const stopped = fresh.start(counts, undefined);
    await stopped.stop();
    await expect(stopped.answer).rejects.toMatchObject({ code: 'THREAD_STOPPED' });
    expect(await fresh.start(counts, undefined).answer).toBe(1);
    expect(fresh.startedCount).toBe(3);
  });

  test('that dies while it has nothing to do is not used again, and harms nobody', async () => {
    const fresh = new NodeThreads({}, 1_000_000);
    await fresh.start(diesLater, undefined).answer;
    while (fresh.hasIdle) await files.stat(folder.path);
    expect(await fresh.start(counts, undefined).answer).toBe(1);
    expect(fresh.startedCount).toBe(2);
  });

  test('that has nothing to do for its time ends', async () => {
    const fresh = new NodeThreads({}, 1);
    await fresh.start(counts, undefined).answer;
    while (fresh.hasIdle) await files.stat(folder.path);
    expect(await fresh.start(counts, undefined).answer).toBe(1);
    expect(fresh.startedCount).toBe(2);
  });
});
