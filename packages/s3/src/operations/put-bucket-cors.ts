import { sendEmpty } from '../answer.ts';
import { readCorsDocument } from '../cors/cors-document.ts';
import { CORS_SETTING } from '../cors/cors-rules.ts';
import type { S3Call } from '../s3-call.ts';
import { readXmlBody } from '../xml-body.ts';
import { malformed } from '../xml-reader.ts';

/** S3 takes no larger document. */
const LIMIT_BYTES = 64 * 1024;

/** Source: AWS API reference, "PutBucketCors". */
export async function putBucketCors(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'CORSConfiguration',
    limitBytes: LIMIT_BYTES,
    maxTags: 10_000,
    requireDigest: true,
  });
  if (root === undefined) throw malformed();
  const text = JSON.stringify(readCorsDocument(root));
  await call.store.putBucketSetting(call.bucket, CORS_SETTING, text);
  await sendEmpty(call, 200);
}
