import { utf8 } from '../utf8.ts';

/** Input and checksum of RFC 3720 appendix B.4 and of the field's check value. */
export const CRC32C_VECTORS: readonly {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly crc: number;
}[] = [
  { name: 'no bytes', bytes: new Uint8Array(0), crc: 0 },
  { name: '123456789', bytes: utf8('123456789'), crc: 0xe3069283 },
  { name: '32 bytes of 0x00', bytes: new Uint8Array(32), crc: 0x8a9136aa },
  { name: '32 bytes of 0xff', bytes: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
  { name: '0 to 31', bytes: Uint8Array.from({ length: 32 }, (_, i) => i), crc: 0x46dd794e },
  { name: '31 to 0', bytes: Uint8Array.from({ length: 32 }, (_, i) => 31 - i), crc: 0x113fdb5c },
];
