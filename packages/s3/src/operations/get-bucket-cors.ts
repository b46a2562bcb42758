import { sendXml } from '../answer.ts';
import { corsRules } from '../cors/cors-answer.ts';
import { corsDocument } from '../cors/cors-document.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** Source: AWS API reference, "GetBucketCors". */
export async function getBucketCors(call: S3Call): Promise<void> {
  const rules = corsRules(call);
  if (rules === undefined) {
    throw new S3Error('NoSuchCORSConfiguration', undefined, { BucketName: call.bucket });
  }
  await sendXml(call, 200, corsDocument(rules));
}
