import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { xmlDocument } from '../xml-writer.ts';

/** Empty: versioning was never switched on. Source: AWS API reference, "GetBucketVersioning". */
export async function getBucketVersioning(call: S3Call): Promise<void> {
  await sendXml(call, 200, xmlDocument('VersioningConfiguration', ''));
}
