import type {
  ChecksumAlgorithm,
  CompleteMultipartUploadRequest,
  StoredChecksum,
  UploadInfo,
} from '@holdfast/objects';
import type { HeaderList } from './answer.ts';
import type { S3Call } from './s3-call.ts';
import { invalidArgument, S3Error } from './s3-error.ts';
import { element, optionalElement } from './xml-writer.ts';

/** Element names of checksums in documents, without `Checksum`, in their order there. */
const XML_NAMES: Readonly<Record<ChecksumAlgorithm, string>> = {
  crc32: 'CRC32',
  crc32c: 'CRC32C',
  crc64nvme: 'CRC64NVME',
  sha1: 'SHA1',
  sha256: 'SHA256',
  sha512: 'SHA512',
  md5: 'MD5',
  xxhash64: 'XXHASH64',
  xxhash3: 'XXHASH3',
  xxhash128: 'XXHASH128',
};

/** Every algorithm, in the order in which documents list them. */
export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = Object.keys(
  XML_NAMES,
) as ChecksumAlgorithm[];

/** S3's name of an algorithm: `CRC64NVME`. */
export function checksumName(algorithm: ChecksumAlgorithm): string {
  return XML_NAMES[algorithm];
}

/** The element of an algorithm's value: `ChecksumCRC64NVME`. */
export function checksumElementName(algorithm: ChecksumAlgorithm): string {
  return `Checksum${XML_NAMES[algorithm]}`;
}

/** `x-amz-checksum-…` and its type, for the answer to a write or to a read that asks for it. */
export function checksumHeaders(checksum: StoredChecksum | undefined): HeaderList {
  if (checksum === undefined) return [];
  return [
    `x-amz-checksum-${checksum.algorithm}`,
    checksum.value,
    'x-amz-checksum-type',
    checksumTypeName(checksum.type),
  ];
}

/** `FULL_OBJECT` or `COMPOSITE`. */
export function checksumTypeName(type: StoredChecksum['type']): string {
  return type === 'composite' ? 'COMPOSITE' : 'FULL_OBJECT';
}

/** The checksum's elements for a document. */
export function checksumElements(checksum: StoredChecksum | undefined): string {
  if (checksum === undefined) return '';
  return (
    element(checksumElementName(checksum.algorithm), checksum.value) +
    element('ChecksumType', checksumTypeName(checksum.type))
  );
}

/** The checksum that an upload asked for. */
export function uploadChecksumElements(
  upload: Pick<UploadInfo, 'checksumAlgorithm' | 'checksumType'> | undefined,
): string {
  const { checksumAlgorithm: algorithm, checksumType: type } = upload ?? {};
  return (
    optionalElement('ChecksumAlgorithm', algorithm && checksumName(algorithm)) +
    optionalElement('ChecksumType', type && checksumTypeName(type))
  );
}

/** The value of `x-amz-checksum-algorithm` of a copy or of a new upload. */
export function readChecksumAlgorithm(call: S3Call): ChecksumAlgorithm | undefined {
  const value = call.headers.get('x-amz-checksum-algorithm');
  if (value === undefined) return undefined;
  const algorithm = CHECKSUM_ALGORITHMS.find((name) => XML_NAMES[name] === value.toUpperCase());
  if (algorithm === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_ALGORITHMS.map(checksumName).join(', ')}]`,
    );
  }
  return algorithm;
}

/** The value of `x-amz-checksum-type`. */
export function readChecksumType(call: S3Call): StoredChecksum['type'] | undefined {
  const value = call.headers.get('x-amz-checksum-type');
  if (value === undefined) return undefined;
  if (value === 'FULL_OBJECT') return 'full-object';
  if (value === 'COMPOSITE') return 'composite';
  throw invalidArgument(
    'Value for x-amz-checksum-type header is invalid.',
    'x-amz-checksum-type',
    value,
  );
}

/** A whole object's checksum in the headers of CompleteMultipartUpload, as far as they say it. */
export function readChecksumValue(call: S3Call): CompleteMultipartUploadRequest['checksum'] {
  const type = readChecksumType(call);
  const name = (algorithm: ChecksumAlgorithm): string => `x-amz-checksum-${algorithm}`;
  const algorithm = CHECKSUM_ALGORITHMS.find((each) => call.headers.has(name(each)));
  if (algorithm === undefined) return type && { type };
  const value = call.headers.get(name(algorithm)) ?? '';
  return { algorithm, value, ...(type !== undefined && { type }) };
}

/** The algorithm that a body's checksum is claimed in, whether its value is in a header or in a trailer. */
export function readClaimedAlgorithm(call: S3Call): ChecksumAlgorithm | undefined {
  const trailer = call.headers.get('x-amz-trailer')?.trim().toLowerCase();
  return CHECKSUM_ALGORITHMS.find((algorithm) => {
    const name = `x-amz-checksum-${algorithm}`;
    return call.headers.has(name) || trailer === name;
  });
}

/** Whether a GET or HEAD asks for the stored checksum. */
export function wantsChecksum(call: S3Call): boolean {
  return call.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
}
