import { ACCESS_SETTINGS } from '../access/bucket-access.ts';
import { sendEmpty } from '../answer.ts';
import { checkPolicy, isPublicPolicy, parseBucketPolicy } from '../policy/index.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readTextBody } from '../xml-body.ts';

/** Source: AWS user guide, "Bucket policies". */
const POLICY_LIMIT_BYTES = 20 * 1024;

/** Source: AWS API reference, "PutBucketPolicy". */
export async function putBucketPolicy(call: S3Call): Promise<void> {
  const text = await readTextBody(call, { limitBytes: call.service.limits.xmlSizeBytes });
  if (text === undefined) {
    throw new S3Error(
      'MalformedPolicy',
      "Policies must be valid JSON and the first byte must be '{'",
    );
  }
  if (Buffer.byteLength(text) > POLICY_LIMIT_BYTES) {
    throw new S3Error(
      'InvalidArgument',
      `The policy exceeds the limit of ${POLICY_LIMIT_BYTES} bytes`,
    );
  }
  const policy = parseBucketPolicy(text, call.bucket);
  checkPolicy(text, policy, call.service.answersAsCeph);
  const { publicAccessBlock } = call.openBucket.access;
  if (publicAccessBlock?.blockPublicPolicy === true && isPublicPolicy(policy)) {
    throw new S3Error('AccessDenied');
  }
  await call.store.putBucketSetting(call.bucket, ACCESS_SETTINGS.policy, text);
  await sendEmpty(call, 204);
}
