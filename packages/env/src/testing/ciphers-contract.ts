import { fromHex, toHex, utf8 } from '@holdfast/bytes';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CIPHER_TAG_BYTES, type CipherSeal, type Ciphers } from '../ciphers.ts';

export interface CiphersFixture {
  readonly ciphers: Ciphers;
  /** A buffer as `Digests.allocate` makes it. */
  readonly allocate: (sizeBytes: number) => Uint8Array;
  readonly close: () => Promise<void>;
}

const ZEROS: CipherSeal = {
  key: new Uint8Array(32),
  nonce: new Uint8Array(12),
  associated: new Uint8Array(0),
};

function patternBytes(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, at) => at * 31 + (at >>> 9));
}

/** What every `Ciphers` must do, as vitest tests; call it at the top level of a test file. */
export function ciphersContract(name: string, open: () => Promise<CiphersFixture>): void {
  describe(name, () => {
    let fixture: CiphersFixture;
    beforeEach(async () => {
      fixture = await open();
    });
    afterEach(() => fixture.close());

    test('seal and deriveKey give the published values', () => {
      const { ciphers } = fixture;
      // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 and 14.
      expect(toHex(ciphers.seal(ZEROS, new Uint8Array(0)))).toBe(
        '530f8afbc74536b9a963b4f1c4cb738b',
      );
      expect(toHex(ciphers.seal(ZEROS, new Uint8Array(16)))).toBe(
        'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
      );
      // RFC 4231, test case 2.
      expect(toHex(ciphers.deriveKey(utf8('Jefe'), utf8('what do ya want for nothing?')))).toBe(
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      );
    });

    test('what is sealed opens with the same key, nonce and associated data, and with no other', () => {
      const { ciphers } = fixture;
      const seal = { ...ZEROS, associated: utf8('chunk 1') };
      const plain = patternBytes(1000);
      const sealed = ciphers.seal(seal, plain);
      expect(sealed.length).toBe(plain.length + CIPHER_TAG_BYTES);
      expect(toHex(ciphers.open(seal, sealed) ?? ZEROS.nonce)).toBe(toHex(plain));
      const others: CipherSeal[] = [
        { ...seal, key: new Uint8Array(32).fill(1) },
        { ...seal, nonce: new Uint8Array(12).fill(1) },
        { ...seal, associated: utf8('chunk 2') },
      ];
      for (const other of others) expect(ciphers.open(other, sealed)).toBeUndefined();
      expect(ciphers.open(seal, sealed.subarray(0, sealed.length - 1))).toBeUndefined();
      expect(ciphers.open(seal, sealed.subarray(0, 15))).toBeUndefined();
    });

    test('every flipped bit is found', () => {
      const { ciphers } = fixture;
      const sealed = ciphers.seal(ZEROS, patternBytes(40));
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const garbled = sealed.slice();
        garbled[bit >>> 3] = (garbled[bit >>> 3] as number) ^ (1 << (bit & 7));
        expect(ciphers.open(ZEROS, garbled)).toBeUndefined();
      }
    });

    test.each([0, 1, 1000, 65_536, 65_537, 1_048_576])(
      'in place, %i bytes are sealed and opened as elsewhere, in buffers of both kinds',
      async (sizeBytes) => {
        const { ciphers, allocate } = fixture;
        const plain = patternBytes(sizeBytes);
        const expected = toHex(ciphers.seal(ZEROS, plain));
        for (const make of [allocate, (size: number) => new Uint8Array(size)]) {
          const bytes = make(sizeBytes + CIPHER_TAG_BYTES);
          bytes.set(plain);
          await ciphers.sealInPlace(ZEROS, bytes);
          expect(toHex(bytes)).toBe(expected);
          expect(await ciphers.openInPlace(ZEROS, bytes)).toBe(true);
          expect(toHex(bytes.subarray(0, sizeBytes))).toBe(toHex(plain));
        }
      },
    );

    test('in place, what is garbled does not open and stays as it is', async () => {
      const { ciphers, allocate } = fixture;
      for (const sizeBytes of [100, 200_000]) {
        const bytes = allocate(sizeBytes + CIPHER_TAG_BYTES);
        bytes.set(patternBytes(sizeBytes));
        await ciphers.sealInPlace(ZEROS, bytes);
        bytes[7] = (bytes[7] as number) ^ 1;
        const before = toHex(bytes);
        expect(await ciphers.openInPlace(ZEROS, bytes)).toBe(false);
        expect(toHex(bytes)).toBe(before);
      }
    });

    test('many buffers at the same time do not mix', async () => {
      const { ciphers, allocate } = fixture;
      const seals = [1, 2, 3, 4, 5, 6].map((n) => ({ ...ZEROS, key: fromHex('0'.repeat(63) + n) }));
      const plain = patternBytes(300_000);
      await Promise.all(
        seals.map(async (seal) => {
          const bytes = allocate(plain.length + CIPHER_TAG_BYTES);
          bytes.set(plain);
          await ciphers.sealInPlace(seal, bytes);
          expect(toHex(bytes)).toBe(toHex(ciphers.seal(seal, plain)));
          expect(await ciphers.openInPlace(seal, bytes)).toBe(true);
        }),
      );
    });
  });
}
