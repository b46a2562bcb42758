import { sendEmpty } from '../answer.ts';
import { versionHeaders } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "DeleteObjectTagging". */
export async function deleteObjectTagging(call: S3Call): Promise<void> {
  const info = await call.store.putObjectTagging(readVersionAddress(call), undefined);
  await sendEmpty(call, 204, versionHeaders(info));
}
