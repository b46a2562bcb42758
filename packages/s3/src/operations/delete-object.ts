import { sendEmpty } from '../answer.ts';
import { parseETags } from '../conditional-headers.ts';
import { parseHttpDate } from '../http-date.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';

/** Source: AWS API reference, "DeleteObject". */
export async function deleteObject(call: S3Call): Promise<void> {
  const { headers, bucket, key } = call;
  const match = headers.get('if-match');
  const size = headers.get('x-amz-if-match-size');
  const modifiedMs = parseHttpDate(headers.get('x-amz-if-match-last-modified-time'));
  const conditional = match !== undefined || size !== undefined || modifiedMs !== undefined;
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw invalidArgument('The size to match must be a number', 'x-amz-if-match-size', size);
  }
  await call.service.store.deleteObject({
    bucket,
    key,
    ...(conditional && {
      conditions: {
        ...(match !== undefined && { ifMatch: parseETags(match) }),
        ...(size !== undefined && { ifSizeBytes: Number(size) }),
        ...(modifiedMs !== undefined && { ifLastModifiedMs: modifiedMs }),
      },
    }),
  });
  await sendEmpty(call, 204);
}
