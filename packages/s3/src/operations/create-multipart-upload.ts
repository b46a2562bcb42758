import { ANONYMOUS_ID, newObjectAccess } from '../access/new-object-access.ts';
import { sendXml } from '../answer.ts';
import {
  checksumName,
  checksumTypeName,
  readChecksumAlgorithm,
  readChecksumType,
} from '../checksum-headers.ts';
import { encryptionField, encryptionHeaders } from '../encryption/encryption-headers.ts';
import { abortHeaders } from '../lifecycle/lifecycle-headers.ts';
import { readMetadata, refuseUnsupportedHeaders } from '../object-metadata.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "CreateMultipartUpload". */
export async function createMultipartUpload(call: S3Call): Promise<void> {
  refuseUnsupportedHeaders(call);
  const access = newObjectAccess(call, call.openBucket);
  const checksumAlgorithm = readChecksumAlgorithm(call);
  const checksumType = readChecksumType(call);
  if (checksumType !== undefined && checksumAlgorithm === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const upload = await call.store.createMultipartUpload({
    bucket: call.bucket,
    key: call.key,
    ownerId: call.user?.account.id ?? ANONYMOUS_ID,
    metadata: { ...readMetadata(call), ...access },
    ...encryptionField(call),
    ...(checksumAlgorithm !== undefined && { checksumAlgorithm }),
    ...(checksumType !== undefined && { checksumType }),
  });
  const headers = [...abortHeaders(call, upload), ...encryptionHeaders(call, upload)];
  if (upload.checksumAlgorithm !== undefined && !upload.checksumIsDefault) {
    headers.push('x-amz-checksum-algorithm', checksumName(upload.checksumAlgorithm));
  }
  if (upload.checksumType !== undefined && !upload.checksumIsDefault) {
    headers.push('x-amz-checksum-type', checksumTypeName(upload.checksumType));
  }
  const inner =
    element('Bucket', call.bucket) +
    element('Key', call.key) +
    element('UploadId', upload.uploadId);
  await sendXml(call, 200, xmlDocument('InitiateMultipartUploadResult', inner), headers);
}
