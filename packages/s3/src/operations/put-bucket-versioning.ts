import { sendEmpty } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, malformed } from '../xml-reader.ts';

/** Source: AWS API reference, "PutBucketVersioning". */
export async function putBucketVersioning(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'VersioningConfiguration',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 100,
  });
  if (root === undefined) throw malformed();
  const children = checkChildren(root, { Status: 'optional', MfaDelete: 'optional' });
  if (children.text('MfaDelete')?.trim() === 'Enabled') {
    throw new S3Error('NotImplemented', undefined, { Header: 'x-amz-mfa' });
  }
  const status = children.text('Status')?.trim();
  if (status === undefined) {
    throw new S3Error(
      'IllegalVersioningConfigurationException',
      'The Versioning element must be specified',
    );
  }
  if (status !== 'Enabled' && status !== 'Suspended') throw malformed();
  await call.store.putBucketVersioning(call.bucket, status);
  await sendEmpty(call, 200);
}
