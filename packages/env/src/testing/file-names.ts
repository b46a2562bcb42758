import { describe, expect, test } from 'vitest';
import { expectFileError } from './expect-file-error.ts';
import type { FilesFixture } from './files-contract.ts';

export function describeNames(fixture: () => FilesFixture): void {
  const path = (name: string): string => `${fixture().directory}/${name}`;
  const touch = async (name: string, byte: number = 0): Promise<void> => {
    const file = await fixture().files.open(path(name), 'create');
    await file.write(Uint8Array.of(byte), 0);
    await file.close();
  };
  const byteOf = async (name: string): Promise<number | undefined> => {
    const file = await fixture().files.open(path(name), 'read');
    const target = new Uint8Array(1);
    await file.read(target, 0);
    await file.close();
    return target[0];
  };

  describe('names', () => {
    test('create refuses a name that is taken; read and write refuse one that is not', async () => {
      const { files } = fixture();
      await touch('a');
      await expectFileError(files.open(path('a'), 'create'), 'FILE_EXISTS', path('a'));
      await expectFileError(files.open(path('b'), 'read'), 'FILE_NOT_FOUND', path('b'));
      await expectFileError(files.open(path('b'), 'write'), 'FILE_NOT_FOUND', path('b'));
      await expectFileError(files.open(path('no/b'), 'create'), 'FILE_NOT_FOUND', path('no/b'));
      await expectFileError(files.open(path('a/b'), 'create'), 'FILE_NOT_FOUND', path('a/b'));
    });

    test('rename replaces what is there and keeps open handles on their file', async () => {
      const { files } = fixture();
      await touch('a', 1);
      await touch('b', 2);
      const handle = await files.open(path('b'), 'read');
      await files.rename(path('a'), path('b'));
      expect(await byteOf('b')).toBe(1);
      expect(await files.list(fixture().directory)).toEqual(['b']);
      const target = new Uint8Array(1);
      await handle.read(target, 0);
      expect(target[0]).toBe(2);
      await handle.close();
      await expectFileError(files.rename(path('a'), path('c')), 'FILE_NOT_FOUND', path('a'));
    });

    test('a folder is renamed with all that is in it', async () => {
      const { files } = fixture();
      await files.makeDirectory(path('x/y'));
      await touch('x/y/a', 5);
      await files.rename(path('x'), path('z'));
      expect(await byteOf('z/y/a')).toBe(5);
      expect(await files.stat(path('x'))).toBeUndefined();
    });

    test('a link is a second name of the same file', async () => {
      const { files } = fixture();
      await touch('a', 1);
      await files.link(path('a'), path('b'));
      await expectFileError(files.link(path('a'), path('b')), 'FILE_EXISTS', path('b'));
      const file = await files.open(path('b'), 'write');
      await file.write(Uint8Array.of(9), 0);
      await file.close();
      expect(await byteOf('a')).toBe(9);
      await files.unlink(path('a'));
      expect(await byteOf('b')).toBe(9);
      expect(await files.list(fixture().directory)).toEqual(['b']);
    });

    test('an unlinked file lives on for its handles', async () => {
      const { files } = fixture();
      const file = await files.open(path('a'), 'create');
      await files.unlink(path('a'));
      await file.write(Uint8Array.of(1), 0);
      await file.sync();
      expect(await file.sizeBytes()).toBe(1);
      expect(await files.stat(path('a'))).toBeUndefined();
      await file.close();
      await expectFileError(files.unlink(path('a')), 'FILE_NOT_FOUND', path('a'));
    });

    test('makeDirectory makes parents and may be repeated', async () => {
      const { files } = fixture();
      await files.makeDirectory(path('x/y/z'));
      await files.makeDirectory(path('x/y/z'));
      expect(await files.list(path('x/y'))).toEqual(['z']);
      expect(await files.stat(path('x/y'))).toMatchObject({ kind: 'directory' });
      await touch('f');
      await expectFileError(files.makeDirectory(path('f')), 'FILE_EXISTS', path('f'));
    });

    test('removeDirectory removes an empty folder only', async () => {
      const { files } = fixture();
      await files.makeDirectory(path('x/y'));
      await expectFileError(files.removeDirectory(path('x')), 'FILE_IO', path('x'));
      await files.removeDirectory(path('x/y'));
      await files.removeDirectory(path('x'));
      await expectFileError(files.removeDirectory(path('x')), 'FILE_NOT_FOUND', path('x'));
    });

    test('list is sorted by code unit; a folder that is not there is FILE_NOT_FOUND', async () => {
      const { files, directory } = fixture();
      for (const name of ['b', 'a', 'B', 'a0', 'ä', '10', '9']) await touch(name);
      expect(await files.list(directory)).toEqual(['10', '9', 'B', 'a', 'a0', 'b', 'ä']);
      await expectFileError(files.list(path('no')), 'FILE_NOT_FOUND', path('no'));
      await expectFileError(files.list(path('a')), 'FILE_NOT_FOUND', path('a'));
    });

    test('stat tells size and kind, and undefined where there is nothing', async () => {
      const { files, directory } = fixture();
      await touch('a');
      expect(await files.stat(path('a'))).toMatchObject({ sizeBytes: 1, kind: 'file' });
      expect(await files.stat(directory)).toMatchObject({ kind: 'directory' });
      expect(await files.stat(path('b'))).toBeUndefined();
      expect(await files.stat(path('a/b'))).toBeUndefined();
    });

    test('syncDirectory takes a folder; one that is not there is FILE_NOT_FOUND', async () => {
      const { files, directory } = fixture();
      await files.syncDirectory(directory);
      await expectFileError(files.syncDirectory(path('no')), 'FILE_NOT_FOUND', path('no'));
    });

    test('freeBytes is positive for a folder that is there', async () => {
      const { files, directory } = fixture();
      expect(await files.freeBytes(directory)).toBeGreaterThan(0);
      await expectFileError(files.freeBytes(path('no')), 'FILE_NOT_FOUND', path('no'));
    });
  });

  describe('locks', () => {
    test('a lock is held by one at a time, and can be taken again after release', async () => {
      const { files } = fixture();
      const first = await files.lock(path('lock'));
      await expectFileError(files.lock(path('lock')), 'FILE_LOCKED', path('lock'));
      await first.release();
      const second = await files.lock(path('lock'));
      await first.release();
      await expectFileError(files.lock(path('lock')), 'FILE_LOCKED', path('lock'));
      await second.release();
    });

    test('of many who ask at once, one gets it', async () => {
      const { files } = fixture();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, () => files.lock(path('lock'))),
      );
      const held = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(held.length).toBe(1);
      for (const outcome of held) await outcome.value.release();
    });

    test('the lock file is there, empty, and alone', async () => {
      const { files, directory } = fixture();
      const lock = await files.lock(path('lock'));
      expect(await files.list(directory)).toEqual(['lock']);
      expect(await files.stat(path('lock'))).toMatchObject({ sizeBytes: 0 });
      await lock.release();
      expect(await files.list(directory)).toEqual(['lock']);
      await expectFileError(files.lock(path('no/lock')), 'FILE_NOT_FOUND', path('no/lock'));
      const inFile = path('lock/lock');
      await expectFileError(files.lock(inFile), 'FILE_NOT_FOUND', inFile);
    });

    test('locks on different files do not disturb each other', async () => {
      const { files } = fixture();
      const locks = await Promise.all([files.lock(path('a')), files.lock(path('b'))]);
      await Promise.all(locks.map((lock) => lock.release()));
    });
  });
}
