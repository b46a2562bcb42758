import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { optionalElement, xmlDocument } from '../xml-writer.ts';

/** Empty where versioning was never switched on. Source: AWS API reference, "GetBucketVersioning". */
export async function getBucketVersioning(call: S3Call): Promise<void> {
  const status = call.openBucket.bucket.settings.get('versioning');
  const inner = optionalElement('Status', status);
  await sendXml(call, 200, xmlDocument('VersioningConfiguration', inner));
}
