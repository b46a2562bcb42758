import { authorizeDocument } from '../access/authorize.ts';
import { sendEmpty } from '../answer.ts';
import { versionHeaders } from '../object-metadata.ts';
import { encodeTags, OBJECT_TAGS, readTagging } from '../object-tags.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "PutObjectTagging". */
export async function putObjectTagging(call: S3Call): Promise<void> {
  const address = readVersionAddress(call);
  const tags = await readTagging(call, OBJECT_TAGS);
  const tagging = encodeTags(tags);
  await authorizeDocument(call, new Map([['x-amz-tagging', tagging]]));
  const kept = tags.length === 0 ? undefined : tagging;
  const info = await call.store.putObjectTagging(address, kept);
  await sendEmpty(call, 200, versionHeaders(info));
}
