import { sendXml } from '../answer.ts';
import { requireObjectLock } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "GetObjectLegalHold". */
export async function getObjectLegalHold(call: S3Call): Promise<void> {
  requireObjectLock(call);
  const info = await call.store.headObject({
    ...readVersionAddress(call),
    anyKey: true,
  });
  const { legalHold } = info.metadata;
  if (legalHold === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  await sendXml(call, 200, xmlDocument('LegalHold', element('Status', legalHold)));
}
