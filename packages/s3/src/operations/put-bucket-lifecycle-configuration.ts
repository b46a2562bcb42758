import { toHex } from '@holdfast/bytes';
import { LIFECYCLE_SETTING } from '@holdfast/objects';
import { sendEmpty } from '../answer.ts';
import { readLifecycleDocument } from '../lifecycle/lifecycle-document.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { malformed } from '../xml-reader.ts';

const MINIMUM_SIZE = 'x-amz-transition-default-minimum-object-size';
const MINIMUM_SIZES: readonly string[] = ['all_storage_classes_128K', 'varies_by_storage_class'];

/** Source: AWS API reference, "PutBucketLifecycleConfiguration". */
export async function putBucketLifecycleConfiguration(call: S3Call): Promise<void> {
  const { store, env, limits } = call.service;
  const transitionMinimumSize = call.headers.get(MINIMUM_SIZE) ?? MINIMUM_SIZES[0] ?? '';
  if (!MINIMUM_SIZES.includes(transitionMinimumSize)) {
    throw new S3Error(
      'InvalidRequest',
      `Invalid TransitionDefaultMinimumObjectSize found: ${transitionMinimumSize}`,
    );
  }
  const root = await readXmlBody(call, {
    root: 'LifecycleConfiguration',
    limitBytes: limits.xmlSizeBytes,
    maxTags: 100_000,
    requireDigest: true,
  });
  if (root === undefined) throw malformed();
  const rules = readLifecycleDocument(root, () => toHex(env.random.bytes(24)));
  const text = JSON.stringify({ rules, transitionMinimumSize });
  await store.putBucketSetting(call.bucket, LIFECYCLE_SETTING, text);
  await sendEmpty(call, 200, [MINIMUM_SIZE, transitionMinimumSize]);
}
