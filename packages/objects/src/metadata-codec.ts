import type { ByteReader, ByteWriter } from '@holdfast/bytes';
import type { ChecksumAlgorithm, ObjectMetadata } from './object-store.ts';
import { newerField } from './record-version.ts';

/** Position is the bit in the record's mask: append only. */
const STANDARD_FIELDS = [
  'contentType',
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'expires',
  'websiteRedirectLocation',
  'storageClass',
  'ownerId',
  'acl',
  'tagging',
  'retention',
  'legalHold',
] as const;

type StandardField = (typeof STANDARD_FIELDS)[number];

/** A mask of the standard fields that are there, these, then the user's names and values. */
export function writeMetadata(writer: ByteWriter, metadata: ObjectMetadata): void {
  let mask = 0;
  for (let bit = 0; bit < STANDARD_FIELDS.length; bit++) {
    if (metadata[STANDARD_FIELDS[bit] as StandardField] !== undefined) mask |= 1 << bit;
  }
  writer.varint(mask);
  for (const field of STANDARD_FIELDS) {
    const value = metadata[field];
    if (value !== undefined) writer.text(value);
  }
  const names = Object.keys(metadata.user);
  writer.varint(names.length);
  for (const name of names) writer.text(name).text(metadata.user[name] as string);
}

export function readMetadata(reader: ByteReader): ObjectMetadata {
  const mask = reader.varint();
  if (mask >= 2 ** STANDARD_FIELDS.length) throw newerField('a field of an object');
  const user: Record<string, string> = {};
  const metadata: { user: Record<string, string> } & Partial<Record<StandardField, string>> = {
    user,
  };
  for (let bit = 0; bit < STANDARD_FIELDS.length; bit++) {
    if ((mask & (1 << bit)) === 0) continue;
    metadata[STANDARD_FIELDS[bit] as StandardField] = reader.text();
  }
  // Why defineProperty: `__proto__` is a legal header name, and only a name here.
  for (let rest = reader.varint(); rest > 0; rest--) {
    const name = reader.text();
    const value = reader.text();
    Object.defineProperty(user, name, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return metadata;
}

/** A checksum as stored: the digest's big-endian bytes. */
export interface RawChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly bytes: Uint8Array;
}

/** Position + 1 is the number on disk, 0 means none: append only. */
const ALGORITHMS: readonly ChecksumAlgorithm[] = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
  'sha512',
  'md5',
  'xxhash64',
  'xxhash3',
  'xxhash128',
];

export function writeAlgorithm(writer: ByteWriter, algorithm: ChecksumAlgorithm | undefined): void {
  writer.u8(algorithm === undefined ? 0 : ALGORITHMS.indexOf(algorithm) + 1);
}

export function readAlgorithm(reader: ByteReader): ChecksumAlgorithm | undefined {
  const number = reader.u8();
  if (number > ALGORITHMS.length) throw newerField('the algorithm of a checksum');
  return number === 0 ? undefined : ALGORITHMS[number - 1];
}

export function writeRawChecksum(writer: ByteWriter, checksum: RawChecksum | undefined): void {
  writeAlgorithm(writer, checksum?.algorithm);
  if (checksum !== undefined) writer.sized(checksum.bytes);
}

export function readRawChecksum(reader: ByteReader): RawChecksum | undefined {
  const algorithm = readAlgorithm(reader);
  return algorithm === undefined ? undefined : { algorithm, bytes: reader.sized() };
}
