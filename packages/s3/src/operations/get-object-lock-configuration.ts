import { defaultRetentionOf, hasObjectLock } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "GetObjectLockConfiguration". */
export async function getObjectLockConfiguration(call: S3Call): Promise<void> {
  const { bucket } = call.openBucket;
  if (!hasObjectLock(bucket)) {
    throw new S3Error('ObjectLockConfigurationNotFoundError', undefined, {
      BucketName: call.bucket,
    });
  }
  const retention = defaultRetentionOf(bucket);
  let inner = element('ObjectLockEnabled', 'Enabled');
  if (retention !== undefined) {
    const { mode, days, years } = retention;
    const period =
      days === undefined ? element('Years', String(years)) : element('Days', String(days));
    inner += `<Rule><DefaultRetention>${element('Mode', mode)}${period}</DefaultRetention></Rule>`;
  }
  await sendXml(call, 200, xmlDocument('ObjectLockConfiguration', inner));
}
