/**
 * ETag and checksum of an object made of parts.
 * Source: Amazon S3 User Guide, "Checking object integrity", full object and composite checksums.
 */
import { concatBytes } from '@holdfast/bytes';
import type { Digests } from '@holdfast/env';
import { combineCrcs, isCrc } from './crc-combine.ts';
import { ObjectStoreError } from './errors.ts';
import type { ObjectRecord } from './object-record.ts';
import type { ChecksumAlgorithm, StoredChecksum } from './object-store.ts';
import type { PartRecord } from './part-record.ts';

/** MD5 of the parts' MD5s, what the ETag is before its `-N`. */
export function md5OfParts(digests: Digests, parts: readonly PartRecord[]): Uint8Array {
  const md5s = concatBytes(parts.map((part) => part.md5));
  return digests.compute(['md5'], md5s).get('md5') as Uint8Array;
}

/** Full-object for a CRC that is asked so or can be nothing else; composite for all others. */
export function checksumTypeOf(
  algorithm: ChecksumAlgorithm | undefined,
  wanted: StoredChecksum['type'] | undefined,
): StoredChecksum['type'] | undefined {
  if (algorithm === undefined) {
    if (wanted === undefined) return undefined;
    throw invalidType('A checksum type needs a checksum algorithm.');
  }
  const type = wanted ?? (algorithm === 'crc64nvme' ? 'full-object' : 'composite');
  if (type === 'full-object' && !isCrc(algorithm)) {
    throw invalidType(
      `The FULL_OBJECT checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    );
  }
  if (type === 'composite' && algorithm === 'crc64nvme') {
    throw invalidType(
      `The COMPOSITE checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    );
  }
  return type;
}

/** The object's checksum; undefined where the upload has no algorithm. */
export function checksumOfParts(
  digests: Digests,
  algorithm: ChecksumAlgorithm | undefined,
  type: StoredChecksum['type'] | undefined,
  parts: readonly PartRecord[],
): ObjectRecord['checksum'] {
  if (algorithm === undefined || type === undefined) return undefined;
  const pieces = parts.map(({ partNumber, checksum, sizeBytes }) => {
    if (checksum?.algorithm !== algorithm) {
      throw new ObjectStoreError('InvalidPart', `A part has no ${algorithm} checksum.`, {
        partNumber,
      });
    }
    return { crc: checksum.bytes, sizeBytes };
  });
  if (type === 'full-object' && isCrc(algorithm)) {
    return { algorithm, type, bytes: combineCrcs(algorithm, pieces) };
  }
  const checksums = concatBytes(pieces.map((piece) => piece.crc));
  const bytes = digests.compute([algorithm], checksums).get(algorithm) as Uint8Array;
  return { algorithm, type, bytes };
}

function invalidType(message: string): ObjectStoreError {
  return new ObjectStoreError('InvalidRequest', message);
}
