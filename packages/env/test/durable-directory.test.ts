import { describe, expect, test } from 'vitest';
import { makeDurableDirectory } from '../src/index.ts';
import { MemoryFiles } from '../src/memory/index.ts';

/** What a power cut leaves of a disk where it takes every name that is not durable. */
function withoutUnsynced(files: MemoryFiles): MemoryFiles {
  return [...files.crashStates({ sampleCount: 0 })].at(-1)?.files ?? files;
}

describe('a folder that was made', () => {
  test.each(['/a', '/a/b/c/d', 'a/b/c', '/a//b/./c/'])(
    'as %s is there after a power cut, whenever an earlier process was killed that made it or one below it',
    async (path) => {
      let kills = 0;
      for (let isKilled = true; isKilled; kills++) {
        const first = new MemoryFiles();
        first.stopAt(kills + 1);
        await makeDurableDirectory(first, `${path}/deeper/still`).catch(() => undefined);
        isKilled = first.stopped;
        const next = first.killed();
        await makeDurableDirectory(next, path);
        const left = await withoutUnsynced(next).stat(path);
        expect(left?.kind, `killed at ${kills + 1}`).toBe('directory');
      }
      expect(kills).toBeGreaterThan(6);
    },
  );

  test('costs one sync where it is there already, however deep it is', async () => {
    const files = new MemoryFiles();
    await makeDurableDirectory(files, '/a/b/c/d');
    const before = files.operationCount;
    await makeDurableDirectory(files, '/a/b/c/d');
    expect(files.operations().slice(before)).toMatchObject([
      { kind: 'syncDirectory', path: '/a/b/c' },
    ]);
  });

  test.each([
    ['it is there', '/others/own'],
    ['it is not', '/others/own/new/folder'],
  ])('may have a parent above it that may not be read, where %s', async (_, path) => {
    const files = new MemoryFiles();
    await files.makeDirectory('/others/own');
    files.failWhen({
      when: (operation) => operation.kind === 'syncDirectory' && operation.path === '/others',
      code: 'FILE_ACCESS_DENIED',
      times: Number.POSITIVE_INFINITY,
    });
    await makeDurableDirectory(files, path);
    expect((await files.stat(path))?.kind).toBe('directory');
  });

  test('is not said to be there where its name cannot be made durable', async () => {
    const files = new MemoryFiles();
    await files.makeDirectory('/a');
    for (const path of ['/a', '/a/b']) {
      files.failWhen({ when: ({ kind }) => kind === 'syncDirectory', code: 'FILE_IO' });
      await expect(makeDurableDirectory(files, path)).rejects.toMatchObject({ code: 'FILE_IO' });
    }
  });
});
