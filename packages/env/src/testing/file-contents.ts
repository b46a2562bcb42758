import { describe, expect, test } from 'vitest';
import type { FileHandle } from '../files.ts';
import { expectFileError } from './expect-file-error.ts';
import type { FilesFixture } from './files-contract.ts';

const BLOCK_BYTES = 4096;

async function contentOf(handle: FileHandle): Promise<Uint8Array> {
  const content = new Uint8Array(await handle.sizeBytes());
  expect(await handle.read(content, 0)).toBe(content.length);
  return content;
}

function refuse(): never {
  throw new Error('cannot be read in place');
}

export function describeContents(fixture: () => FilesFixture): void {
  describe('contents', () => {
    const path = (name: string): string => `${fixture().directory}/${name}`;
    const create = (name: string, direct: boolean | 'bulk' = false): Promise<FileHandle> =>
      fixture().files.open(path(name), 'create', { direct });

    test('a new file is empty', async () => {
      const file = await create('a');
      expect(await file.sizeBytes()).toBe(0);
      expect(await file.read(new Uint8Array(10), 0)).toBe(0);
      expect(file.path).toBe(path('a'));
      await file.close();
    });

    test('bytes read back as written, and a hole reads as zeros', async () => {
      const file = await create('a');
      await file.write(Uint8Array.of(1, 2, 3), 5000);
      const expected = new Uint8Array(5003);
      expected.set([1, 2, 3], 5000);
      expect(await contentOf(file)).toEqual(expected);
      await file.close();
    });

    test('a read gives fewer bytes only at the end, and leaves the rest of its target alone', async () => {
      const file = await create('a');
      await file.write(Uint8Array.of(1, 2, 3), 0);
      const target = new Uint8Array(5).fill(9);
      expect(await file.read(target, 1)).toBe(2);
      expect([...target]).toEqual([2, 3, 9, 9, 9]);
      expect(await file.read(target, 3)).toBe(0);
      expect(await file.read(target, 1000)).toBe(0);
      if (file.readNow !== undefined) {
        target.fill(9);
        expect(file.readNow(target, 1)).toBe(2);
        expect([...target]).toEqual([2, 3, 9, 9, 9]);
        expect(file.readNow(target, 3)).toBe(0);
      }
      await file.close();
      expect(() => file.readNow?.(target, 0) ?? refuse()).toThrow();
    });

    test('a write of nothing changes nothing', async () => {
      const file = await create('a');
      await file.write(new Uint8Array(0), 1000);
      await file.writeSynced(new Uint8Array(0), 1000);
      expect(await file.sizeBytes()).toBe(0);
      expect(await file.read(new Uint8Array(0), 0)).toBe(0);
      await file.close();
    });

    test('the source of a write is not kept', async () => {
      const file = await create('a');
      const source = new Uint8Array(BLOCK_BYTES * 2).fill(1);
      await file.write(source, 0);
      source.fill(2);
      expect((await contentOf(file)).every((byte) => byte === 1)).toBe(true);
      await file.close();
    });

    test('truncate cuts, and bytes that come back read as zeros', async () => {
      const file = await create('a');
      await file.write(new Uint8Array(10_000).fill(7), 0);
      await file.truncate(5000);
      expect(await file.sizeBytes()).toBe(5000);
      await file.truncate(9000);
      const expected = new Uint8Array(9000).fill(7, 0, 5000);
      expect(await contentOf(file)).toEqual(expected);
      await file.close();
    });

    test('writes that run at the same time all arrive', async () => {
      const file = await create('a');
      const count = 50;
      await Promise.all(
        Array.from({ length: count }, (_, index) =>
          file.write(new Uint8Array(700).fill(index + 1), index * 700),
        ),
      );
      await file.sync();
      const content = await contentOf(file);
      for (let at = 0; at < count * 700; at += 100) {
        expect(content[at]).toBe(Math.floor(at / 700) + 1);
      }
      await file.close();
    });

    test('writeSynced and sync work with any position and length', async () => {
      const file = await create('a');
      await file.writeSynced(Uint8Array.of(1, 2, 3), 1);
      await file.write(Uint8Array.of(4), 4);
      await file.sync();
      expect([...(await contentOf(file))]).toEqual([0, 1, 2, 3, 4]);
      await file.close();
    });

    test('a direct handle writes blocks, and reads and writes anything in between', async () => {
      const file = await create('a', true);
      const block = fixture().files.allocate(2 * BLOCK_BYTES);
      expect(block.every((byte) => byte === 0)).toBe(true);
      await file.writeSynced(block.fill(1), BLOCK_BYTES);
      await file.write(Uint8Array.of(5, 6), 10);
      await file.writeSynced(block.subarray(BLOCK_BYTES).fill(2), 2 * BLOCK_BYTES);
      const expected = new Uint8Array(3 * BLOCK_BYTES)
        .fill(1, BLOCK_BYTES)
        .fill(2, 2 * BLOCK_BYTES);
      expected.set([5, 6], 10);
      expect(await contentOf(file)).toEqual(expected);
      await file.close();
    });

    test('a handle for bulk writes blocks, synced together or alone, between other bytes', async () => {
      const file = await create('a', 'bulk');
      const block = fixture().files.allocate(BLOCK_BYTES);
      await file.write(block.fill(1), 0);
      await file.write(block.fill(2), BLOCK_BYTES);
      await file.sync();
      await file.writeSynced(block.fill(3), BLOCK_BYTES);
      const reader = await fixture().files.open(path('a'), 'read');
      const expected = new Uint8Array(2 * BLOCK_BYTES).fill(1).fill(3, BLOCK_BYTES);
      expect(await contentOf(reader)).toEqual(expected);
      await Promise.all([file.close(), reader.close()]);
    });

    test('a direct handle overwrites bytes that were read before', async () => {
      const { files } = fixture();
      const file = await create('a', true);
      const block = files.allocate(BLOCK_BYTES);
      for (let round = 1; round < 5; round++) {
        await file.writeSynced(block.fill(round), 0);
        expect((await contentOf(file)).every((byte) => byte === round)).toBe(true);
      }
      await file.close();
    });

    test('two handles of a file see the same bytes', async () => {
      const { files } = fixture();
      const first = await create('a');
      const second = await files.open(path('a'), 'write', { direct: true });
      const reader = await files.open(path('a'), 'read');
      await second.writeSynced(files.allocate(BLOCK_BYTES).fill(3), 0);
      await first.write(Uint8Array.of(4), BLOCK_BYTES);
      expect(await contentOf(reader)).toEqual(await contentOf(second));
      expect(await reader.sizeBytes()).toBe(BLOCK_BYTES + 1);
      await Promise.all([first.close(), second.close(), reader.close()]);
    });

    test('buffers of allocate do not overlap and start zeroed', async () => {
      const { files } = fixture();
      const sizes = [BLOCK_BYTES, 65_536, BLOCK_BYTES, 1 << 20, 5 << 20, BLOCK_BYTES];
      const buffers = sizes.map((sizeBytes) => files.allocate(sizeBytes));
      for (const [index, buffer] of buffers.entries()) {
        expect(buffer.length).toBe(sizes[index]);
        expect(buffer.every((byte) => byte === 0)).toBe(true);
        buffer.fill(index + 1);
      }
      for (const [index, buffer] of buffers.entries()) {
        expect(buffer.every((byte) => byte === index + 1)).toBe(true);
      }
      expect(() => files.allocate(100)).toThrow('multiple of 4096');
    });

    test('direct writes that are not aligned are a mistake of the caller', async () => {
      const file = await create('a', true);
      const block = fixture().files.allocate(2 * BLOCK_BYTES);
      await expect(file.writeSynced(block, 512)).rejects.toThrow('aligned');
      await expect(file.writeSynced(block.subarray(0, 100), 0)).rejects.toThrow('aligned');
      await expect(file.writeSynced(block.subarray(1, BLOCK_BYTES + 1), 0)).rejects.toThrow(
        'aligned',
      );
      const bulk = await create('b', 'bulk');
      await expect(bulk.write(block, 512)).rejects.toThrow('aligned');
      await expect(bulk.write(block.subarray(0, 100), 0)).rejects.toThrow('aligned');
      await Promise.all([file.close(), bulk.close()]);
    });

    test('a handle opened to read refuses to write', async () => {
      const file = await create('a');
      const reader = await fixture().files.open(path('a'), 'read');
      await expectFileError(reader.write(Uint8Array.of(1), 0), 'FILE_IO', path('a'));
      await expectFileError(reader.writeSynced(Uint8Array.of(1), 0), 'FILE_IO', path('a'));
      await Promise.all([file.close(), reader.close()]);
    });

    test('a closed handle refuses everything but another close', async () => {
      const file = await create('a');
      await Promise.all([file.close(), file.close()]);
      await file.close();
      await expectFileError(file.read(new Uint8Array(1), 0), 'FILE_IO', path('a'));
      await expectFileError(file.write(Uint8Array.of(1), 0), 'FILE_IO', path('a'));
      await expectFileError(file.writeSynced(Uint8Array.of(1), 0), 'FILE_IO', path('a'));
      await expectFileError(file.sync(), 'FILE_IO', path('a'));
      await expectFileError(file.truncate(0), 'FILE_IO', path('a'));
      await expectFileError(file.sizeBytes(), 'FILE_IO', path('a'));
    });
  });
}
