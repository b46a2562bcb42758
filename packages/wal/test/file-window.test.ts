import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { FileWindow } from '../src/file-window.ts';

test('a window that is closed has given back the memory of what it handed out', async () => {
  const { files } = await createMemoryEnv();
  const handle = await files.open('file', 'create');
  await handle.write(Uint8Array.of(1, 2, 3, 4), 0);
  const window = new FileWindow(handle, 4);
  const bytes = await window.bytes(1, 2);
  expect([...bytes]).toEqual([2, 3]);
  window.close();
  expect(bytes.byteLength).toBe(0);
  window.close();
  expect([...(await window.bytes(0, 2))]).toEqual([1, 2]);
  await handle.close();
});

test('a window says at once what it holds, and holds nothing of what it would have to read', async () => {
  const { files } = await createMemoryEnv();
  const handle = await files.open('file', 'create');
  const content = Uint8Array.from({ length: 2 * 1024 * 1024 + 100 }, (_, at) => at % 251);
  await handle.write(content, 0);
  const window = new FileWindow(handle, content.length);
  expect(window.held(0, 10)).toBeUndefined();
  await window.bytes(50, 10);
  expect(window.held(49, 10)).toBeUndefined();
  expect(window.held(60, 10)).toEqual(content.subarray(60, 70));
  const end = 50 + 2 * 1024 * 1024;
  expect(window.held(end - 10, 10)).toEqual(content.subarray(end - 10, end));
  expect(window.held(end - 10, 11)).toBeUndefined();
  expect(await window.bytes(end - 10, 11)).toEqual(content.subarray(end - 10, end + 1));
  // Behind the end of the file there is nothing to read.
  expect(window.held(end, 1000)).toEqual(content.subarray(end));
  window.close();
  expect(window.held(end, 10)).toBeUndefined();
  await handle.close();
});
