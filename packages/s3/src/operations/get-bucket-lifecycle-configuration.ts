import { sendXml } from '../answer.ts';
import { lifecycleDocument } from '../lifecycle/lifecycle-document.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

/** Source: AWS API reference, "GetBucketLifecycleConfiguration". */
export async function getBucketLifecycleConfiguration(call: S3Call): Promise<void> {
  const lifecycle = call.service.lifecycles.of(call.openBucket.bucket);
  if (lifecycle === undefined) {
    throw new S3Error('NoSuchLifecycleConfiguration', undefined, { BucketName: call.bucket });
  }
  await sendXml(call, 200, lifecycleDocument(lifecycle.rules), [
    'x-amz-transition-default-minimum-object-size',
    lifecycle.transitionMinimumSize,
  ]);
}
