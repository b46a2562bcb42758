import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { xmlDocument } from '../xml-writer.ts';

/** Empty: nobody is told of anything. Source: AWS API reference, "GetBucketNotificationConfiguration". */
export async function getBucketNotificationConfiguration(call: S3Call): Promise<void> {
  await sendXml(call, 200, xmlDocument('NotificationConfiguration', ''));
}
