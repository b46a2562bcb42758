import type { DefaultRetention } from '@holdfast/objects';
import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { type CheckedChildren, checkChildren, malformed, type XmlElement } from '../xml-reader.ts';

/** Source: AWS API reference, "PutObjectLockConfiguration". */
export async function putObjectLockConfiguration(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'ObjectLockConfiguration',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw new S3Error('MissingRequestBodyError');
  const children = checkChildren(root, { ObjectLockEnabled: 'optional', Rule: 'optional' });
  if (children.text('ObjectLockEnabled')?.trim() !== 'Enabled') throw malformed();
  const rule = children.all('Rule')[0];
  const retention = rule === undefined ? undefined : readRule(rule);
  await call.store.putBucketObjectLock(call.bucket, retention);
  await sendEmpty(call, 200);
}

function readRule(rule: XmlElement): DefaultRetention {
  const retention = checkChildren(rule, { DefaultRetention: 'one' }).one('DefaultRetention');
  const children = checkChildren(retention, { Mode: 'one', Days: 'optional', Years: 'optional' });
  const mode = children.text('Mode')?.trim();
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') throw malformed();
  const days = readPeriod(children, 'Days', 36_500);
  const years = readPeriod(children, 'Years', 100);
  if ((days === undefined) === (years === undefined)) throw malformed();
  return { mode, ...(days !== undefined && { days }), ...(years !== undefined && { years }) };
}

function readPeriod(
  children: CheckedChildren,
  name: 'Days' | 'Years',
  limit: number,
): number | undefined {
  const text = children.text(name);
  if (text === undefined) return undefined;
  const value = /^\s*-?\d{1,9}\s*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw malformed();
  if (value >= 1 && value <= limit) return value;
  const message =
    value < 1
      ? 'Default retention period must be a positive integer value.'
      : 'Default retention period too large.';
  throw new S3Error('InvalidArgument', message, { ArgumentName: name });
}
