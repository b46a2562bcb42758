import { readFile } from 'node:fs/promises';
import type { Crc32c } from '@holdfast/bytes';
import { ByteReader, ByteWriter, fromHex, MalformedBytesError, toHex, utf8 } from '@holdfast/bytes';
import { loadCrc32c } from '@holdfast/env/node';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  beginEntries,
  chainOf,
  decodeStep,
  encodeHeader,
  encodePlacedEntry,
  frameRecord,
  payloadSizeOf,
} from '../src/image/journal-codec.ts';
import {
  decodeImageEntry,
  decodeValueName,
  encodeImageEntry,
  encodeValueName,
} from '../src/index.ts';
import { userKey } from '../src/key-space.ts';

/** The bytes of the page's example. */
async function example(name: string): Promise<Uint8Array> {
  const url = new URL('../../../docs/formats/image.md', import.meta.url);
  const text = await readFile(url, 'utf8');
  const found = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`image.md has no example ${name}`);
  return fromHex(found.replace(/\s/g, ''));
}

let crc32c: Crc32c;

beforeAll(async () => {
  ({ crc32c } = await loadCrc32c());
});

const HEADER = {
  identity: { clusterId: '0'.repeat(32), nodeId: '1'.repeat(32) },
  index: 300,
  term: 4,
  firstFileId: 9,
};
const INLINE = { kind: 'inline', version: 7, value: utf8('hi') } as const;
const EXTENT = { segmentId: 3, offset: 4160, length: 2000, crc: 0xaabbccdd };

describe('image.md', () => {
  test('the entries are what they say, and what is written', async () => {
    const writer = new ByteWriter();
    encodeImageEntry(writer, userKey(utf8('a')), INLINE);
    encodeImageEntry(writer, userKey(utf8('b')), { kind: 'extent', version: 8, extent: EXTENT });
    const bytes = writer.finish();
    expect(toHex(bytes)).toBe(toHex(await example('entries')));
    const reader = new ByteReader(bytes);
    expect(decodeImageEntry(reader)).toEqual({ key: userKey(utf8('a')), record: INLINE });
    expect(decodeImageEntry(reader).record).toEqual({
      kind: 'stored',
      version: 8,
      length: 2000,
      crc: 0xaabbccdd,
    });
  });

  test('the journal’s records are what they say, and what is written', async () => {
    const first = frameRecord(encodeHeader(HEADER), 0, crc32c);
    const header = await example('header');
    expect(first.length).toBe(4096);
    expect(toHex(first.subarray(0, header.length))).toBe(toHex(header));
    expect(first.subarray(header.length).every((byte) => byte === 0)).toBe(true);
    const writer = beginEntries(new ByteWriter());
    encodePlacedEntry(writer, { key: userKey(utf8('a')), record: INLINE });
    const record = { kind: 'extent', version: 8, extent: EXTENT } as const;
    encodePlacedEntry(writer, { key: userKey(utf8('b')), record });
    const payload = writer.finish();
    const chain = chainOf(encodeHeader(HEADER), 0, crc32c);
    const second = frameRecord(payload, chain, crc32c);
    const entries = await example('placed');
    expect(toHex(second.subarray(0, entries.length))).toBe(toHex(entries));
    expect(payloadSizeOf(second)).toBe(payload.length);
    expect(decodeStep(new ByteReader(encodeHeader(HEADER)))).toEqual({
      kind: 'header',
      header: HEADER,
    });
    expect(decodeStep(new ByteReader(payload))).toEqual({
      kind: 'entries',
      entries: [
        { key: userKey(utf8('a')), record: INLINE },
        { key: userKey(utf8('b')), record },
      ],
    });
  });

  test('no bytes are read as an entry or a name of more than a value’s size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeImageEntry, decodeValueName, decodeStep]) {
          try {
            decode(new ByteReader(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedBytesError);
          }
        }
      }),
    );
    const name = { key: utf8('k'), version: 3, length: 2 ** 20 + 1, crc: 0 };
    const writer = new ByteWriter();
    encodeValueName(writer, name);
    expect(() => decodeValueName(new ByteReader(writer.finish()))).toThrow(MalformedBytesError);
  });
});
