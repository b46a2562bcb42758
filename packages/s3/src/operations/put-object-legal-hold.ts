import { authorizeDocument } from '../access/authorize.ts';
import { sendEmpty } from '../answer.ts';
import { requireObjectLock } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, malformed } from '../xml-reader.ts';

/** Source: AWS API reference, "PutObjectLegalHold". */
export async function putObjectLegalHold(call: S3Call): Promise<void> {
  const address = readVersionAddress(call);
  const root = await readXmlBody(call, {
    root: 'LegalHold',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw malformed();
  const status = checkChildren(root, { Status: 'one' }).text('Status')?.trim();
  if (status !== 'ON' && status !== 'OFF') throw malformed();
  requireObjectLock(call);
  await authorizeDocument(call, new Map([['x-amz-object-lock-legal-hold', status]]));
  await call.store.putObjectLegalHold(address, status);
  await sendEmpty(call, 200);
}
