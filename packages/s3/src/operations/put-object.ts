import { newObjectAccess } from '../access/new-object-access.ts';
import { sendEmpty } from '../answer.ts';
import { checksumHeaders } from '../checksum-headers.ts';
import { readWriteConditions } from '../conditional-headers.ts';
import { encryptionField, encryptionHeaders } from '../encryption/encryption-headers.ts';
import { expirationHeaders } from '../lifecycle/lifecycle-headers.ts';
import { readObjectBody } from '../object-body.ts';
import { newVersionHeaders, readMetadata, refuseUnsupportedHeaders } from '../object-metadata.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "PutObject". */
export async function putObject(call: S3Call): Promise<void> {
  refuseUnsupportedHeaders(call);
  const metadata = Object.assign(readMetadata(call), newObjectAccess(call, call.openBucket));
  const conditions = readWriteConditions(call);
  const { encryption } = encryptionField(call);
  // Why CRC64NVME: it is what S3 computes and stores for a client that names no checksum.
  const { body, verification } = readObjectBody(call, 'crc64nvme');
  const result = await call.store.putObject({
    bucket: call.bucket,
    key: call.key,
    body,
    verification,
    metadata,
    conditions,
    encryption,
    bucketVersion: call.judgedVersion,
  });
  await sendEmpty(call, 200, [
    'ETag',
    `"${result.etag}"`,
    ...newVersionHeaders(result),
    ...expirationHeaders(call, result),
    ...encryptionHeaders(call, result),
    ...checksumHeaders(result.checksum),
  ]);
}
