import { readNotificationRules } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { notificationDocument } from '../notification/notification-document.ts';
import type { S3Call } from '../s3-call.ts';

/** Empty where nobody is told of anything. Source: AWS API reference, "GetBucketNotificationConfiguration". */
export async function getBucketNotificationConfiguration(call: S3Call): Promise<void> {
  const rules = readNotificationRules(call.openBucket.bucket.settings);
  await sendXml(call, 200, notificationDocument(rules));
}
