import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { xmlDocument } from '../xml-writer.ts';

/** Empty: it was never switched on. Source: AWS API reference, "GetBucketLogging". */
export async function getBucketLogging(call: S3Call): Promise<void> {
  await sendXml(call, 200, xmlDocument('BucketLoggingStatus', ''));
}
