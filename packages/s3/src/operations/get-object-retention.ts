import { parseRetention } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { requireObjectLock } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import { retentionDate } from '../retention.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "GetObjectRetention". */
export async function getObjectRetention(call: S3Call): Promise<void> {
  requireObjectLock(call);
  const info = await call.store.headObject({
    ...readVersionAddress(call),
    anyKey: true,
  });
  const retention = parseRetention(info.metadata.retention);
  if (retention === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  const inner =
    element('Mode', retention.mode) + element('RetainUntilDate', retentionDate(retention));
  await sendXml(call, 200, xmlDocument('Retention', inner));
}
