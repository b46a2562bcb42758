import { createRequire } from 'node:module';
import { BODY_CHECKSUM_VECTORS, CRC32C_VECTORS } from '@holdfast/bytes/testing';
import { describe, expect, test } from 'vitest';
import { crc32Of } from '../src/node/crc32.ts';
import { Crc64Adder, Crc64Nvme } from '../src/node/crc64nvme.ts';
import { loadCrc32c } from '../src/node/index.ts';

const require = createRequire(import.meta.url);
const loaders = {
  native: require,
  portable: (name: string): unknown => {
    if (name === '@node-rs/crc32') throw new Error('no binary for this platform');
    return require(name);
  },
};

describe.each(Object.entries(loaders))('CRC-32C, %s', (implementation, load) => {
  test('is the one that was chosen', async () => {
    expect((await loadCrc32c({ load })).implementation).toBe(implementation);
  });

  test.each(CRC32C_VECTORS)('meets the vector of $name, whole and in two parts', async (vector) => {
    const { crc32c } = await loadCrc32c({ load });
    expect(crc32c(vector.bytes)).toBe(vector.crc);
    for (let cut = 0; cut <= vector.bytes.length; cut++) {
      const first = crc32c(vector.bytes.subarray(0, cut));
      expect(first).toBeGreaterThanOrEqual(0);
      expect(crc32c(vector.bytes.subarray(cut), first)).toBe(vector.crc);
    }
  });

  test('reads a view of a larger or shared buffer only within its bounds', async () => {
    const { crc32c } = await loadCrc32c({ load });
    const around = new Uint8Array(new SharedArrayBuffer(20)).fill(1);
    around.set(new TextEncoder().encode('123456789'), 5);
    expect(crc32c(around.subarray(5, 14))).toBe(0xe3069283);
  });
});

describe.each(Object.entries(loaders))('the checksum of bodies, %s', (_, load) => {
  test.each(BODY_CHECKSUM_VECTORS)(
    'meets the vector of $name, whole and in parts',
    async (vector) => {
      const { bodyChecksum, crc32c } = await loadCrc32c({ load });
      const { bytes, crc } = vector;
      for (let cut = 0; cut <= bytes.length; cut++) {
        const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
        expect(bodyChecksum.of(parts)).toBe(crc);
        expect(bodyChecksum.holds(parts, crc)).toBe(true);
        // What was written before has this one.
        expect(bodyChecksum.holds(parts, crc32c(bytes))).toBe(true);
      }
      expect(bodyChecksum.of([bytes])).toBe(crc);
    },
  );

  test('is CRC-32 where few bytes are and where many, in any memory, and not a sum of both kinds', async () => {
    const { bodyChecksum, crc32c } = await loadCrc32c({ load });
    for (const size of [1, 255, 256, 257, 5000]) {
      const bytes = new Uint8Array(new SharedArrayBuffer(size + 9)).subarray(5, 5 + size);
      for (let at = 0; at < size; at++) bytes[at] = (at * 131 + size) >>> (at % 3);
      let crc = 0;
      for (const byte of bytes) crc = slowCrc(0xedb88320, byte, crc);
      expect(bodyChecksum.of([bytes])).toBe(crc);
      const half = size >> 1;
      const parts = [bytes.subarray(0, half), bytes.subarray(half)];
      expect(bodyChecksum.of(parts)).toBe(crc);
      const mixed = crc32c(bytes.subarray(half), bodyChecksum.of([bytes.subarray(0, half)]));
      if (size > 1) expect(bodyChecksum.holds(parts, mixed)).toBe(false);
    }
  });

  test('finds any changed bit under either kind', async () => {
    const { bodyChecksum, crc32c } = await loadCrc32c({ load });
    const bytes = Uint8Array.from({ length: 300 }, (_, at) => at * 7);
    for (const crc of [bodyChecksum.of([bytes]), crc32c(bytes)]) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const changed = bytes.slice();
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(bodyChecksum.holds([changed], crc)).toBe(false);
      }
    }
  });
});

test('CRC-32C by tables is what the definition says, wherever bytes begin and end, in any memory', async () => {
  const { crc32c } = await loadCrc32c();
  for (const size of [300, 301, 303]) {
    for (const memory of [new ArrayBuffer(size), new SharedArrayBuffer(size)]) {
      const bytes = new Uint8Array(memory);
      for (let at = 0; at < size; at++) bytes[at] = (at * 131 + size) >>> (at % 3);
      for (let offset = 0; offset < 9; offset++) {
        const view = bytes.subarray(offset);
        let expected = 0;
        for (let end = 0; end <= view.length; end++) {
          expect(crc32c(view, 0, 0, end)).toBe(expected);
          if (end >= 5) expect(crc32c(view, crc32c(view, 0, 0, 5), 5, end)).toBe(expected);
          expected = slowCrc(0x82f63b78, view[end] ?? 0, expected);
        }
      }
    }
  }
});

test('CRC-32C by tables is of the array that is given, not of one that was there before', async () => {
  const { crc32c } = await loadCrc32c();
  const arrays = [1, 2, 1].map((value) => new Uint8Array(64).fill(value));
  const parts = [0, 64].map((start) => new Uint8Array(128).fill(3, 64).subarray(start, start + 64));
  for (const bytes of [...arrays, ...parts, ...arrays]) {
    let expected = 0;
    for (const byte of bytes) expected = slowCrc(0x82f63b78, byte, expected);
    expect(crc32c(bytes)).toBe(expected);
  }
});

/** One more byte, one bit at a time, straight from the definition. */
function slowCrc(polynomial: number, byte: number, previous: number): number {
  let crc = ~previous ^ byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  return ~crc >>> 0;
}

test('both implementations of CRC-32C agree on a megabyte', async () => {
  const bytes = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 131) >>> 3);
  const [native, portable] = await Promise.all(
    Object.values(loaders).map((load) => loadCrc32c({ load })),
  );
  expect(native?.crc32c(bytes)).toBe(portable?.crc32c(bytes));
});

test('where neither implementation loads, the second one says why', async () => {
  const load = (name: string): unknown => {
    throw new Error(`no ${name}`);
  };
  await expect(loadCrc32c({ load })).rejects.toThrow('no fast-crc32c');
});

/** One bit at a time, straight from the definition. */
function slowCrc64Nvme(bytes: Uint8Array): bigint {
  let crc = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n;
    }
  }
  return crc ^ 0xffff_ffff_ffff_ffffn;
}

test('CRC-64/NVME equals its definition at every length, alignment and cut', () => {
  const adder = new Crc64Adder();
  const bytes = Uint8Array.from({ length: 80 }, (_, at) => (at * 89 + 7) & 0xff);
  for (let from = 0; from < 9; from++) {
    for (let to = from; to <= 48; to++) {
      const part = bytes.subarray(from, to);
      const crc = new Crc64Nvme(adder);
      const cut = (from * 5 + to) % (part.length + 1);
      crc.update(part.subarray(0, cut));
      crc.update(part.subarray(cut));
      expect(new DataView(crc.digest().buffer).getBigUint64(0)).toBe(slowCrc64Nvme(part));
    }
  }
});

test('CRC-64/NVME of two bodies at once, of more bytes than are taken at a time', () => {
  const adder = new Crc64Adder();
  const bytes = Uint8Array.from({ length: 200_003 }, (_, at) => (at * 131) >>> 3);
  const whole = new Crc64Nvme(adder);
  const other = new Crc64Nvme(adder);
  const pieces = new Crc64Nvme(adder);
  other.update(bytes.subarray(1));
  whole.update(bytes);
  for (let at = 0; at < bytes.length; at += 65_537) {
    pieces.update(bytes.subarray(at, at + 65_537));
    other.update(bytes.subarray(0, 5));
  }
  expect(new DataView(whole.digest().buffer).getBigUint64(0)).toBe(slowCrc64Nvme(bytes));
  expect(pieces.digest()).toEqual(whole.digest());
});

describe.each(Object.keys(loaders))('CRC-32, %s', (implementation) => {
  const crc32 = crc32Of(implementation as keyof typeof loaders, require);

  test('is what the definition says, of few bytes and many, whole and in two parts', () => {
    const bytes = Uint8Array.from({ length: 700 }, (_, at) => (at * 131) >>> 3);
    let expected = 0;
    for (let end = 0; end <= bytes.length; end++) {
      expect(crc32(bytes.subarray(0, end))).toBe(expected);
      const cut = end >>> 2;
      expect(crc32(bytes.subarray(cut, end), crc32(bytes.subarray(0, cut)))).toBe(expected);
      expected = slowCrc(0xedb88320, bytes[end] ?? 0, expected);
    }
  });

  test('reads a view of a larger or shared buffer only within its bounds', () => {
    const around = new Uint8Array(new SharedArrayBuffer(2000)).fill(1);
    const inner = Uint8Array.from({ length: 1000 }, (_, at) => at * 3);
    around.set(inner, 5);
    expect(crc32(around.subarray(5, 1005))).toBe(crc32(inner));
  });
});
