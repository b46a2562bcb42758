import type { FileHandle } from '@holdfast/env';
import { createMemoryEnv, type DiskOperation, MemoryFiles } from '@holdfast/env/memory';
import { NodeClock } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { FileWindow } from '../src/file-window.ts';
import { codeOf } from './fixtures/logs.ts';

const KIB = 1024;
const FIRST_PIECE = 256 * KIB;
const WINDOW = 2 * 1024 * KIB;

/** A file of so many bytes, all near ones different, and the reads of it. */
async function fileOf(
  sizeBytes: number,
  files: MemoryFiles = new MemoryFiles(),
): Promise<{ handle: FileHandle; content: Uint8Array; files: MemoryFiles; reads: number[] }> {
  const handle = await files.open('file', 'create');
  const content = Uint8Array.from({ length: sizeBytes }, (_, at) => at % 251);
  await handle.write(content, 0);
  const reads: number[] = [];
  const watch = ({ kind, position }: DiskOperation): boolean => {
    if (kind === 'read') reads.push(position ?? -1);
    return false;
  };
  files.failWhen({ when: watch, code: 'FILE_IO' });
  return { handle, content, files, reads };
}

/** Fails the next read from a position on. */
function failRead(files: MemoryFiles, from: number): void {
  const when = (operation: DiskOperation): boolean =>
    operation.kind === 'read' && operation.position === from;
  files.failWhen({ when, code: 'FILE_IO' });
}

test('a window that is closed has given back the memory of what it handed out', async () => {
  const { handle } = await fileOf(4);
  const window = new FileWindow(handle, 4);
  const bytes = await window.bytes(1, 2);
  expect([...bytes]).toEqual([1, 2]);
  await window.close();
  expect(bytes.byteLength).toBe(0);
  await window.close();
  expect([...(await window.bytes(0, 2))]).toEqual([0, 1]);
  await window.close();
  await handle.close();
});

test('a window says at once what it holds, and holds nothing of what it would have to read', async () => {
  const { handle, content } = await fileOf(WINDOW + 100);
  const window = new FileWindow(handle, content.length);
  expect(window.held(0, 10)).toBeUndefined();
  await window.bytes(50, 10);
  expect(window.held(49, 10)).toBeUndefined();
  expect(window.held(60, 10)).toEqual(content.subarray(60, 70));
  const piece = 50 + FIRST_PIECE;
  expect(window.held(piece - 10, 10)).toEqual(content.subarray(piece - 10, piece));
  expect(window.held(piece - 10, 11)).toBeUndefined();
  expect(await window.bytes(piece - 10, 11)).toEqual(content.subarray(piece - 10, piece + 1));
  const end = 50 + WINDOW;
  await window.bytes(end - 10, 10);
  expect(window.held(end - 10, 11)).toBeUndefined();
  expect(await window.bytes(end - 10, 11)).toEqual(content.subarray(end - 10, end + 1));
  // Behind the end of the file there is nothing to read.
  expect(window.held(end, 1000)).toEqual(content.subarray(end));
  await window.close();
  expect(window.held(end, 10)).toBeUndefined();
  await handle.close();
});

test.each([1, 4096, 100_000, FIRST_PIECE + 1, WINDOW - 1, WINDOW + 5])(
  'a file is the same in steps of %i bytes, and each read brings what is behind the one before',
  async (step) => {
    const { handle, content, reads } = await fileOf(step === 1 ? 5000 : 3 * WINDOW + 77);
    const window = new FileWindow(handle, content.length);
    window.begin();
    for (let at = 0; at < content.length; at += step) {
      const expected = content.subarray(at, at + step);
      const bytes = window.held(at, step) ?? (await window.bytes(at, step));
      if (Buffer.compare(bytes, expected) !== 0) throw new Error(`other bytes at ${at}`);
    }
    expect(reads).toEqual(reads.toSorted((left, right) => left - right));
    expect(window.readBytes).toBeGreaterThanOrEqual(content.length);
    expect(window.readBytes).toBeLessThan(2 * content.length);
    await window.close();
    await handle.close();
  },
);

test('the next piece is on its way while one is looked at, and the first once it is begun', async () => {
  const { handle, content, reads } = await fileOf(WINDOW);
  const window = new FileWindow(handle, content.length);
  window.begin();
  expect(reads).toEqual([0]);
  await window.bytes(0, 10);
  expect(reads).toEqual([0, FIRST_PIECE]);
  await window.bytes(FIRST_PIECE, 10);
  expect(reads).toEqual([0, FIRST_PIECE, 3 * FIRST_PIECE]);
  await window.close();
  await handle.close();
});

test('a read that failed is told of where its bytes are asked for, and nowhere else', async () => {
  const { handle, content, files } = await fileOf(WINDOW);
  failRead(files, FIRST_PIECE);
  const window = new FileWindow(handle, content.length);
  expect(await window.bytes(0, 10)).toEqual(content.subarray(0, 10));
  // The one behind has failed by now, and a whole turn of the loop ago.
  await new NodeClock().turn();
  expect(await window.bytes(FIRST_PIECE - 10, 10)).toEqual(
    content.subarray(FIRST_PIECE - 10, FIRST_PIECE),
  );
  expect(await codeOf(window.bytes(FIRST_PIECE - 10, 11))).toBe('FILE_IO');
  // Whoever asks again has it read again.
  expect(await window.bytes(FIRST_PIECE - 10, 11)).toEqual(
    content.subarray(FIRST_PIECE - 10, FIRST_PIECE + 1),
  );
  failRead(files, 0);
  const unasked = new FileWindow(handle, content.length);
  unasked.begin();
  await unasked.close();
  await window.close();
  await handle.close();
});

test('a file that became shorter ends where it ends', async () => {
  const { handle, content } = await fileOf(FIRST_PIECE + 100);
  const window = new FileWindow(handle, WINDOW);
  expect(await window.bytes(FIRST_PIECE + 90, 20)).toHaveLength(10);
  expect(await window.bytes(FIRST_PIECE - 10, 1000)).toEqual(content.subarray(FIRST_PIECE - 10));
  await window.close();
  await handle.close();
});

test('the memory is not freed before a read into it is over', async () => {
  const { manualClock } = await createMemoryEnv();
  let latencyMs = 0;
  const files = new MemoryFiles({ clock: manualClock, latencyMs: () => latencyMs });
  const { handle, content } = await fileOf(WINDOW, files);
  const window = new FileWindow(handle, content.length);
  window.begin();
  latencyMs = 30;
  const bytes = await window.bytes(0, 10);
  let isClosed = false;
  const closing = window.close().then(() => {
    isClosed = true;
  });
  manualClock.advance(29);
  await handle.close();
  expect([isClosed, bytes.byteLength]).toEqual([false, 10]);
  manualClock.advance(1);
  await closing;
  expect([isClosed, bytes.byteLength]).toEqual([true, 0]);
});
