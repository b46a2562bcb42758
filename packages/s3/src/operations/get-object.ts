import { sendObject } from '../answer.ts';
import { openObject } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';

/** Source: AWS API reference, "GetObject". */
export async function getObject(call: S3Call): Promise<void> {
  const { reader, status, headers } = await openObject(call);
  await sendObject(call, status, headers, reader);
}
