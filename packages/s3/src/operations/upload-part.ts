import type { BodyVerification, ChecksumAlgorithm, PartInfo, UploadInfo } from '@holdfast/objects';
import { sendEmpty } from '../answer.ts';
import { digestText } from '../body/index.ts';
import { readClaimedAlgorithm } from '../checksum-headers.ts';
import { customerKeyField } from '../encryption/customer-key.ts';
import { encryptionHeaders } from '../encryption/encryption-headers.ts';
import { readObjectBody } from '../object-body.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument, S3Error } from '../s3-error.ts';
import { readUploadAddress, requirePartNumber } from '../upload-address.ts';

/** Source: AWS API reference, "UploadPart". */
export async function uploadPart(call: S3Call): Promise<void> {
  const { store } = call.service;
  const versionId = call.parameter('versionId');
  if (versionId !== undefined) {
    throw invalidArgument('This operation does not accept a version-id.', 'versionId', versionId);
  }
  const partNumber = requirePartNumber(call);
  const address = readUploadAddress(call);
  const key = customerKeyField(call);
  if (call.headers.has('if-match') || call.headers.has('if-none-match')) {
    throw new S3Error('NotImplemented');
  }
  // Why before the body: a client that sends 100-continue learns NoSuchUpload without sending the part.
  const upload = await store.getMultipartUpload(address);
  checkClaimedAlgorithm(call, upload);
  const { body, verification } = readObjectBody(call, upload.checksumAlgorithm);
  // Why not what the part keeps: the client wants to see the checksum that it sent.
  let accepted: PartInfo['checksum'];
  const accept: BodyVerification['accept'] = (digests, sizeBytes) => {
    const algorithm = verification.accept(digests, sizeBytes);
    accepted = algorithm && { algorithm, value: digestText(digests, algorithm) };
    return algorithm;
  };
  const part = await store.uploadPart({
    ...address,
    partNumber,
    body,
    ...key,
    verification: { ...verification, accept },
  });
  const headers = ['ETag', `"${part.etag}"`, ...encryptionHeaders(call, part)];
  const shown = accepted ?? part.checksum;
  if (shown !== undefined) headers.push(`x-amz-checksum-${shown.algorithm}`, shown.value);
  await sendEmpty(call, 200, headers);
}

/** A part comes with a checksum of the upload's algorithm; to one of the whole object it may come without. */
function checkClaimedAlgorithm(call: S3Call, upload: UploadInfo): void {
  const { checksumAlgorithm: expected, checksumIsDefault, checksumType } = upload;
  if (expected === undefined || checksumIsDefault) return;
  const claimed = readClaimedAlgorithm(call);
  const isNeeded = checksumType === 'composite' && !call.service.answersAsCeph;
  if (claimed === undefined ? isNeeded : claimed !== expected) {
    throw typeMismatch(expected, claimed);
  }
}

function typeMismatch(expected: ChecksumAlgorithm, actual = 'null'): S3Error {
  return new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${actual}`,
  );
}
