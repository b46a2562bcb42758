import { authorizeDocument } from '../access/authorize.ts';
import { sendEmpty } from '../answer.ts';
import { requireObjectLock } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import { mayBypass, readRetention } from '../retention.ts';
import type { S3Call } from '../s3-call.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, malformed } from '../xml-reader.ts';

const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';

/** An empty document takes the retention away. Source: AWS API reference, "PutObjectRetention". */
export async function putObjectRetention(call: S3Call): Promise<void> {
  requireObjectLock(call);
  const address = readVersionAddress(call);
  const root = await readXmlBody(call, {
    root: 'Retention',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw malformed();
  const children = checkChildren(root, { Mode: 'optional', RetainUntilDate: 'optional' });
  const mode = children.text('Mode')?.trim();
  const until = children.text('RetainUntilDate')?.trim();
  if ((mode === undefined) !== (until === undefined)) throw malformed();
  const empty = mode === undefined || until === undefined;
  const retention = empty ? undefined : readRetention(call, mode, until);
  if (!empty && retention === undefined) throw malformed();
  const said = empty ? [] : [[MODE, mode] as const, [UNTIL, until] as const];
  await authorizeDocument(call, new Map(said));
  await call.store.putObjectRetention({
    ...address,
    retention,
    bypassGovernance: await mayBypass(call, call.key, call.parameter('versionId')),
  });
  await sendEmpty(call, 200);
}
