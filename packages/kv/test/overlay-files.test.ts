import { utf8 } from '@holdfast/bytes';
import type { FileHandle, Files } from '@holdfast/env';
import type { MemoryFiles } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { beforeEach, expect, test } from 'vitest';
import { OverlayFiles } from '../src/overlay-files.ts';

let base: MemoryFiles;
let overlay: OverlayFiles;

const write = async (files: Files, path: string, text: string, at = 0): Promise<void> => {
  const handle = await files.open(path, 'write');
  await handle.write(utf8(text), at);
  await handle.close();
};

const textOf = async (files: Files, path: string): Promise<string> => {
  const handle: FileHandle = await files.open(path, 'read');
  const bytes = new Uint8Array(await handle.sizeBytes());
  await handle.read(bytes, 0);
  await handle.close();
  return new TextDecoder().decode(bytes);
};

beforeEach(async () => {
  ({ files: base } = await createMemoryEnv());
  await base.makeDirectory('/d');
  await (await base.open('/d/a', 'create')).close();
  await write(base, '/d/a', 'x'.repeat(9000));
  overlay = new OverlayFiles(base);
});

test('what is written, made, renamed, linked, cut and removed is so in the view, and not below', async () => {
  await write(overlay, '/d/a', 'abc', 4095);
  expect(await textOf(overlay, '/d/a')).toBe(`${'x'.repeat(4095)}abc${'x'.repeat(4902)}`);
  const handle = await overlay.open('/d/a', 'write');
  await handle.truncate(4097);
  await handle.writeSynced(utf8('end'), 5000);
  expect(await textOf(overlay, '/d/a')).toBe(`${'x'.repeat(4095)}ab${'\0'.repeat(903)}end`);
  await overlay.rename('/d/a', '/d/b');
  await overlay.link('/d/b', '/d/c');
  await overlay.unlink('/d/b');
  await overlay.open('/d/new', 'create');
  expect(await overlay.list('/d')).toEqual(['c', 'new']);
  expect(await overlay.stat('/d/a')).toBeUndefined();
  await expect(overlay.open('/d/a', 'write')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  await expect(overlay.open('/d/c', 'create')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  expect(await base.list('/d')).toEqual(['a']);
  expect(await textOf(base, '/d/a')).toBe('x'.repeat(9000));
  await overlay.close();
});

test('what is held stays as it was, and frozen names stay, whatever is done below', async () => {
  await overlay.hold('/d/a');
  await overlay.freezeNames('/d');
  await write(base, '/d/a', 'changed');
  await (await base.open('/d/later', 'create')).close();
  expect(await textOf(overlay, '/d/a')).toBe('x'.repeat(9000));
  expect(await overlay.list('/d')).toEqual(['a']);
  await overlay.close();
});
