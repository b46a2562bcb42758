import { sendXml } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { xmlDocument } from '../xml-writer.ts';

/** The owner pays: there is no other way. Source: AWS API reference, "GetBucketRequestPayment". */
export async function getBucketRequestPayment(call: S3Call): Promise<void> {
  await sendXml(
    call,
    200,
    xmlDocument('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
  );
}
