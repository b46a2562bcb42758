import { utf8 } from '../utf8.ts';

/** Input and CRC-32: the field's check value, and what zlib computes. */
export const BODY_CHECKSUM_VECTORS: readonly {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly crc: number;
}[] = [
  { name: 'no bytes', bytes: new Uint8Array(0), crc: 0 },
  { name: '123456789', bytes: utf8('123456789'), crc: 0xcbf43926 },
  { name: '32 bytes of 0x00', bytes: new Uint8Array(32), crc: 0x190a55ad },
  { name: '32 bytes of 0xff', bytes: new Uint8Array(32).fill(0xff), crc: 0xff6cab0b },
  { name: '0 to 31', bytes: Uint8Array.from({ length: 32 }, (_, i) => i), crc: 0x91267e8a },
];
