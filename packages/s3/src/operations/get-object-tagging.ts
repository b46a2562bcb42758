import { sendXml } from '../answer.ts';
import { versionHeaders } from '../object-metadata.ts';
import { decodeTags, taggingDocument } from '../object-tags.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "GetObjectTagging". */
export async function getObjectTagging(call: S3Call): Promise<void> {
  const info = await call.store.headObject({
    ...readVersionAddress(call),
    anyKey: true,
    markerToo: true,
  });
  const tags = decodeTags(info.metadata.tagging);
  await sendXml(call, 200, taggingDocument(tags), versionHeaders(info));
}
