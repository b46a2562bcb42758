import { NOTIFICATION_SETTING } from '@holdfast/objects';
import { sendEmpty } from '../answer.ts';
import { readNotificationDocument } from '../notification/notification-document.ts';
import type { S3Call } from '../s3-call.ts';
import { readXmlBody } from '../xml-body.ts';
import { malformed } from '../xml-reader.ts';

/**
 * Takes the place of all rules before it; an empty document ends them. A change that commits later is told by these.
 * Source: AWS API reference, "PutBucketNotificationConfiguration".
 */
export async function putBucketNotificationConfiguration(call: S3Call): Promise<void> {
  const { limits, env, store, isNotificationTarget } = call.service;
  const root = await readXmlBody(call, {
    root: 'NotificationConfiguration',
    limitBytes: limits.xmlSizeBytes,
    maxTags: 5000,
  });
  if (root === undefined) throw malformed();
  const newId = (): string => Buffer.from(env.random.bytes(16)).toString('hex');
  const rules = readNotificationDocument(root, newId, isNotificationTarget);
  const text = rules.length === 0 ? undefined : JSON.stringify(rules);
  await store.putBucketSetting(call.bucket, NOTIFICATION_SETTING, text);
  await sendEmpty(call, 200);
}
