import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { readWebsiteDocument } from '../website/website-document.ts';
import { WEBSITE_SETTING } from '../website/website-rules.ts';
import { readXmlBody } from '../xml-body.ts';
import { malformed } from '../xml-reader.ts';

/** S3 takes no larger document. */
const LIMIT_BYTES = 128 * 1024;

/** Source: AWS API reference, "PutBucketWebsite". */
export async function putBucketWebsite(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'WebsiteConfiguration',
    limitBytes: LIMIT_BYTES,
    maxTags: 2000,
  });
  if (root === undefined) throw malformed();
  const text = JSON.stringify(readWebsiteDocument(root));
  await call.store.putBucketSetting(call.bucket, WEBSITE_SETTING, text);
  await sendEmpty(call, 200);
}
