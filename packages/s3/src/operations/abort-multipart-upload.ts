import { sendEmpty } from '../answer.ts';
import { refuseUnsupportedHeaders } from '../object-metadata.ts';
import type { S3Call } from '../s3-call.ts';
import { readUploadAddress } from '../upload-address.ts';

/** Source: AWS API reference, "AbortMultipartUpload". */
export async function abortMultipartUpload(call: S3Call): Promise<void> {
  refuseUnsupportedHeaders(call);
  await call.store.abortMultipartUpload(readUploadAddress(call));
  await sendEmpty(call, 204);
}
