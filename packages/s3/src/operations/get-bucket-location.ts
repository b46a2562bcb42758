import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { escapeXml, xmlDocument } from '../xml-writer.ts';

/** The location of a us-east-1 bucket is empty. Source: AWS API reference, "GetBucketLocation". */
export async function getBucketLocation(call: S3Call): Promise<void> {
  const { region } = call.openBucket.bucket;
  const text = region === 'us-east-1' ? '' : escapeXml(region);
  await sendXml(call, 200, xmlDocument('LocationConstraint', text));
}
