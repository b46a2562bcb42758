import { ACCESS_SETTINGS, type PublicAccessBlock } from '../access/bucket-access.ts';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { readXmlBody } from '../xml-body.ts';
import { type CheckedChildren, checkChildren, malformed } from '../xml-reader.ts';

/** Source: AWS API reference, "PutPublicAccessBlock". */
export async function putPublicAccessBlock(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'PublicAccessBlockConfiguration',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw malformed();
  const children = checkChildren(root, {
    BlockPublicAcls: 'optional',
    IgnorePublicAcls: 'optional',
    BlockPublicPolicy: 'optional',
    RestrictPublicBuckets: 'optional',
  });
  const block: PublicAccessBlock = {
    blockPublicAcls: readFlag(children, 'BlockPublicAcls'),
    ignorePublicAcls: readFlag(children, 'IgnorePublicAcls'),
    blockPublicPolicy: readFlag(children, 'BlockPublicPolicy'),
    restrictPublicBuckets: readFlag(children, 'RestrictPublicBuckets'),
  };
  const text = JSON.stringify(block);
  await call.store.putBucketSetting(call.bucket, ACCESS_SETTINGS.publicAccessBlock, text);
  await sendEmpty(call, 200);
}

function readFlag(children: CheckedChildren, name: string): boolean {
  const text = (children.text(name) ?? 'false').trim().toLowerCase();
  if (text !== 'true' && text !== 'false') throw malformed();
  return text === 'true';
}
