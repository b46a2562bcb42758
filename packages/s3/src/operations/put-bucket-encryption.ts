import { sendEmpty } from '../answer.ts';
import { ENCRYPTION_SETTING, readBucketEncryption } from '../encryption/bucket-encryption.ts';
import type { S3Call } from '../s3-call.ts';
import { readXmlBody } from '../xml-body.ts';
import { malformed } from '../xml-reader.ts';

/** Source: AWS API reference, "PutBucketEncryption". */
export async function putBucketEncryption(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'ServerSideEncryptionConfiguration',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw malformed();
  const document = JSON.stringify(readBucketEncryption(root));
  await call.store.putBucketSetting(call.bucket, ENCRYPTION_SETTING, document);
  await sendEmpty(call, 200);
}
