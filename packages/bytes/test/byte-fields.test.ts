import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, MalformedBytesError } from '../src/index.ts';

/** A field: how it is written, and how it is read back as something comparable. */
type Field =
  | { readonly kind: 'u8' | 'u16' | 'u32' | 'u64' | 'varint'; readonly value: number }
  | { readonly kind: 'sized'; readonly value: Uint8Array }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'text'; readonly value: string };

const safe = fc.maxSafeNat();
const fields: fc.Arbitrary<Field[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 0xff }) }),
    fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 0xffff }) }),
    fc.record({
      kind: fc.constant('u32' as const),
      value: fc.integer({ min: 0, max: 0xffff_ffff }),
    }),
    fc.record({ kind: fc.constantFrom('u64' as const, 'varint' as const), value: safe }),
    fc.record({ kind: fc.constant('sized' as const), value: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) }),
  ),
  { maxLength: 12 },
);

function write(all: readonly Field[], writer: ByteWriter): Uint8Array {
  for (const field of all) {
    if (field.kind === 'sized') writer.sized(field.value);
    else if (field.kind === 'bytes') writer.bytes(field.value);
    else if (field.kind === 'text') writer.text(field.value);
    else writer[field.kind](field.value);
  }
  return writer.finish();
}

function read(all: readonly Field[], reader: ByteReader): unknown[] {
  return all.map((field) =>
    field.kind === 'bytes' ? reader.bytes(field.value.length) : reader[field.kind](),
  );
}

describe('a reader and a writer', () => {
  test('give back every field, and nothing is left over', () => {
    fc.assert(
      fc.property(fields, fc.integer({ min: 1, max: 64 }), (all, initialSizeBytes) => {
        const bytes = write(all, new ByteWriter(initialSizeBytes));
        const reader = new ByteReader(bytes);
        expect(read(all, reader)).toEqual(all.map(({ value }) => value));
        expect([reader.offset, reader.remaining]).toEqual([bytes.length, 0]);
      }),
    );
  });

  test('cut anywhere, the input is refused, and nothing beyond the cut is read', () => {
    fc.assert(
      fc.property(fields, (all) => {
        const bytes = write(all, new ByteWriter());
        // The bytes after the cut are there in the buffer: reading them would not be noticed otherwise.
        const around = new Uint8Array(bytes.length + 64).fill(0x01);
        around.set(bytes, 32);
        for (let length = 0; length < bytes.length; length++) {
          const reader = new ByteReader(around.subarray(32, 32 + length));
          expect(() => read(all, reader)).toThrow(MalformedBytesError);
          expect(reader.offset).toBeLessThanOrEqual(length);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('random bytes give values or a MalformedBytesError, never anything else', () => {
    fc.assert(
      fc.property(fields, fc.uint8Array({ maxLength: 200 }), (all, bytes) => {
        const reader = new ByteReader(bytes);
        try {
          read(all, reader);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytesError);
          expect(error).toMatchObject({ code: 'MALFORMED_BYTES', retryable: false });
        }
        expect(reader.offset).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe('the encoding', () => {
  test('bytes are written from where the caller says, few of them or many', () => {
    for (const length of [0, 1, 48, 49, 300]) {
      const value = Uint8Array.from({ length }, (_, at) => at & 0xff);
      for (const start of [0, 1, 200].filter((each) => each <= length)) {
        const written = new ByteWriter(2).u8(9).bytes(value, start).finish();
        expect([...written]).toEqual([9, ...value.subarray(start)]);
      }
    }
  });

  test('a writer that was given memory writes no further than that', () => {
    const memory = new Uint8Array(200).fill(9);
    const within = new ByteWriter(memory.subarray(0, 100)).bytes(new Uint8Array(100)).finish();
    expect(within.buffer).toBe(memory.buffer);
    expect(new ByteWriter(memory.subarray(0, 100)).bytes(new Uint8Array(101)).finish().length).toBe(
      101,
    );
    expect(memory.subarray(100)).toEqual(new Uint8Array(100).fill(9));
  });

  test('a writer that is reset begins anew', () => {
    const writer = new ByteWriter(2).u8(1).u8(2).u8(3);
    writer.finish();
    expect(writer.reset().length).toBe(0);
    expect([...writer.u8(7).finish()]).toEqual([7]);
  });

  const encode = (build: (writer: ByteWriter) => ByteWriter): number[] => [
    ...build(new ByteWriter()).finish(),
  ];

  test('is little-endian, and has not changed', () => {
    expect(encode((writer) => writer.u8(1).u16(0x0203).u32(0x0405_0607))).toEqual([
      1, 3, 2, 7, 6, 5, 4,
    ]);
    expect(encode((writer) => writer.u64(0x01_0203_0405_0607))).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
    expect(encode((writer) => writer.u64(Number.MAX_SAFE_INTEGER))).toEqual([
      255, 255, 255, 255, 255, 255, 31, 0,
    ]);
    expect(encode((writer) => writer.varint(0).varint(127).varint(128).varint(300))).toEqual([
      0, 0x7f, 0x80, 0x01, 0xac, 0x02,
    ]);
    expect(encode((writer) => writer.sized(Uint8Array.of(9)).text('é'))).toEqual([
      1, 9, 2, 0xc3, 0xa9,
    ]);
  });

  test('refuses numbers that do not fit their field', () => {
    for (const value of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(() => new ByteWriter().u8(value)).toThrow('not a u8');
      expect(() => new ByteWriter().u16(value)).toThrow('not a u16');
      expect(() => new ByteWriter().u32(value)).toThrow('not a u32');
    }
    expect(() => new ByteWriter().u8(0x100)).toThrow('not a u8');
    expect(() => new ByteWriter().u16(0x1_0000)).toThrow('not a u16');
  });

  test('refuses numbers that are no safe integers', () => {
    for (const value of [-1, 1.5, 2 ** 53, Number.NaN]) {
      expect(() => new ByteWriter().u64(value)).toThrow('not a u64');
      expect(() => new ByteWriter().varint(value)).toThrow('not a varint');
    }
  });

  test('a u64 or varint beyond the safe integers is malformed', () => {
    const large = Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0);
    expect(() => new ByteReader(large).u64()).toThrow(MalformedBytesError);
    const endless = new Uint8Array(20).fill(0xff);
    expect(() => new ByteReader(endless).varint()).toThrow(MalformedBytesError);
  });

  test('a length beyond the input is refused before anything is allocated for it', () => {
    const huge = new ByteWriter().varint(Number.MAX_SAFE_INTEGER).finish();
    expect(() => new ByteReader(huge).sized()).toThrow(MalformedBytesError);
    expect(() => new ByteReader(huge).text()).toThrow(MalformedBytesError);
  });

  test('text that is no UTF-8 is malformed', () => {
    expect(() => new ByteReader(Uint8Array.of(2, 0xc3, 0x28)).text()).toThrow('not UTF-8');
  });

  test('slices share memory with the source', () => {
    const source = Uint8Array.of(2, 5, 6);
    const slice = new ByteReader(source).sized();
    source[1] = 7;
    expect([...slice]).toEqual([7, 6]);
  });

  test('a negative or fractional length of bytes is refused', () => {
    const reader = new ByteReader(new Uint8Array(8));
    reader.u32();
    expect(() => reader.bytes(-2)).toThrow(MalformedBytesError);
    expect(() => reader.bytes(1.5)).toThrow(MalformedBytesError);
    expect(reader.offset).toBe(4);
  });
});
