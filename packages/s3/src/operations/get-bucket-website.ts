import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { websiteDocument } from '../website/website-document.ts';
import { WEBSITE_SETTING, type Website } from '../website/website-rules.ts';

/** Source: AWS API reference, "GetBucketWebsite". */
export async function getBucketWebsite(call: S3Call): Promise<void> {
  const text = call.openBucket.bucket.settings.get(WEBSITE_SETTING);
  if (text === undefined) {
    throw new S3Error('NoSuchWebsiteConfiguration', undefined, { BucketName: call.bucket });
  }
  await sendXml(call, 200, websiteDocument(JSON.parse(text) as Website));
}
