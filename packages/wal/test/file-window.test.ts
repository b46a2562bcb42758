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
