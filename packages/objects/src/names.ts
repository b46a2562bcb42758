/**
 * What names and metadata S3 allows.
 * Source: Amazon S3 User Guide, "General purpose bucket naming rules", "Naming Amazon S3 objects",
 * "Working with object metadata".
 */
import { utf8 } from '@holdfast/bytes';
import { ObjectStoreError } from './errors.ts';
import { KEY_SIZE_LIMIT_BYTES, PART_NUMBER_LIMIT, USER_METADATA_LIMIT_BYTES } from './limits.ts';
import type { ObjectMetadata } from './object-store.ts';

const BUCKET_NAME = /^[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;
const IP_ADDRESS = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const RESERVED_PREFIXES: readonly string[] = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const RESERVED_SUFFIXES: readonly string[] = [
  '-s3alias',
  '--ol-s3',
  '.mrap',
  '--x-s3',
  '--table-s3',
];

/** InvalidBucketName unless a bucket may be made with this name. */
export function checkBucketName(name: string): void {
  const allowed =
    BUCKET_NAME.test(name) &&
    !IP_ADDRESS.test(name) &&
    // Each label must be the name of a host, for the virtual-host style.
    !/\.-|-\./.test(name) &&
    !RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix)) &&
    !RESERVED_SUFFIXES.some((suffix) => name.endsWith(suffix));
  if (!allowed) {
    throw new ObjectStoreError('InvalidBucketName', 'The specified bucket is not valid.', {
      bucket: name,
    });
  }
}

/** Refuses an object key that is empty, longer than 1024 bytes of UTF-8, or not Unicode. */
export function checkObjectKey(key: string): void {
  if (key.length === 0) {
    throw new ObjectStoreError('InvalidArgument', 'An object key has at least one byte.', { key });
  }
  // Why: a UTF-16 unit is one to three bytes of UTF-8, so most keys need not be encoded to be judged.
  if (key.length * 3 > KEY_SIZE_LIMIT_BYTES && utf8(key).length > KEY_SIZE_LIMIT_BYTES) {
    throw new ObjectStoreError('KeyTooLongError', 'Your key is too long', { key });
  }
  if (!key.isWellFormed()) {
    throw new ObjectStoreError('InvalidArgument', 'The object key is not valid Unicode.', { key });
  }
}

export function checkPartNumber(partNumber: number): void {
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > PART_NUMBER_LIMIT) {
    throw new ObjectStoreError(
      'InvalidArgument',
      `Part number must be an integer between 1 and ${PART_NUMBER_LIMIT}, inclusive`,
      { partNumber },
    );
  }
}

/** MetadataTooLarge where user metadata is larger than 2 KiB, names and values together. */
export function checkMetadata(metadata: ObjectMetadata): void {
  let sizeBytes = 0;
  for (const name in metadata.user) {
    sizeBytes += utf8(name).length + utf8(metadata.user[name] as string).length;
  }
  if (sizeBytes > USER_METADATA_LIMIT_BYTES) {
    throw new ObjectStoreError(
      'MetadataTooLarge',
      'Your metadata headers exceed the maximum allowed metadata size',
      { sizeBytes },
    );
  }
}
