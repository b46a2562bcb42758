import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv, SeededRandom } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { BlockIndexBuilder, BlockIndexDecoder } from '../src/block-index.ts';
import { KvError } from '../src/index.ts';
import { readCheckedSection } from '../src/section-reader.ts';

const COUNT = 20_000;
const PIECE_BYTES = 256 * 1024;
const { crc32c, files } = await createMemoryEnv();

/** The index of blocks of 1, 2, 3... bytes with keys of all lengths. */
function builtSection(): Uint8Array {
  const builder = new BlockIndexBuilder();
  for (let block = 0; block < COUNT; block++) builder.add(keyOf(block), block + 1);
  return builder.finish(crc32c);
}

function keyOf(block: number): Uint8Array {
  return utf8(
    `${String(block).padStart(6, '0')}${'x'.repeat(block % 97 === 0 ? 4000 : block % 19)}`,
  );
}

async function writtenAt(offset: number, bytes: Uint8Array, path: string) {
  const file = await files.open(path, 'create');
  await file.write(bytes, offset);
  return { file, section: { offset, sizeBytes: bytes.length } };
}

describe('the index of a large table', () => {
  for (const seed of [1, 2, 3]) {
    test(`is the same in whatever pieces it is read, seed ${seed}`, () => {
      const random = new SeededRandom(seed);
      const section = builtSection();
      const arriving = new Uint8Array(section.length);
      const decoder = new BlockIndexDecoder(COUNT, 16);
      for (let read = 0; read < section.length; ) {
        const next = Math.min(section.length, read + 1 + random.below(seed * 10_000));
        arriving.set(section.subarray(read, next), read);
        read = next;
        decoder.take(arriving, read);
      }
      const index = decoder.finish();
      expect(index.count).toBe(COUNT);
      let offset = 16;
      for (let block = 0; block < COUNT; block++) {
        expect(index.section(block)).toEqual({ offset, sizeBytes: block + 1 });
        if (block % 50 === 0) expect(index.blockOf(keyOf(block))).toBe(block);
        offset += block + 1;
      }
    });
  }

  test('is read and decoded in pieces of 256 KiB', async () => {
    const bytes = builtSection();
    const { file, section } = await writtenAt(100, bytes, '/pieces');
    const sizes: number[] = [];
    const read = await readCheckedSection(file, section, crc32c, (_, readBytes) => {
      sizes.push(readBytes);
    });
    expect(read).toEqual(bytes);
    expect(sizes.length).toBe(Math.ceil(bytes.length / PIECE_BYTES));
    expect(sizes.slice(0, 2)).toEqual([PIECE_BYTES, 2 * PIECE_BYTES]);
  });

  test('of which any byte is damaged is refused for its checksum, not for what it decodes to', async () => {
    const random = new SeededRandom(4);
    const section = builtSection();
    for (let turn = 0; turn < 20; turn++) {
      const bytes = section.slice();
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ 0x81;
      const written = await writtenAt(0, bytes, `/damaged-${turn}`);
      const decoder = new BlockIndexDecoder(COUNT, 16);
      const reading = readCheckedSection(written.file, written.section, crc32c, (all, read) =>
        decoder.take(all, read),
      );
      const error = await reading.catch((cause: unknown) => cause);
      expect(error, `byte ${at}`).toBeInstanceOf(KvError);
      expect((error as KvError).message).toContain('wrong checksum of the section at 0');
    }
  });

  test('with bytes left over, or fewer blocks than the table has, is malformed', () => {
    for (const count of [COUNT - 1, COUNT + 1]) {
      const decoder = new BlockIndexDecoder(count, 16);
      const section = builtSection();
      decoder.take(section, section.length);
      expect(() => decoder.finish()).toThrow(
        expect.objectContaining({ code: 'MALFORMED_BYTES' }) as Error,
      );
    }
  });
});
