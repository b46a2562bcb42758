import { ObjectStoreError } from '@holdfast/objects';
import { sameAcl } from '../access/acl.ts';
import { authorizeCreation, openBucket } from '../access/authorize.ts';
import { newBucketAccess } from '../access/new-bucket-access.ts';
import { sendEmpty } from '../answer.ts';
import { bucketArnHeader } from '../bucket-arn.ts';
import { refuseUnsupportedHeaders } from '../object-metadata.ts';
import {
  BUCKET_TAGS,
  encodeTags,
  readTagSet,
  TAGGING_SETTING,
  type TagList,
} from '../object-tags.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren } from '../xml-reader.ts';

/** Source: AWS API reference, "CreateBucket". */
export async function createBucket(call: S3Call): Promise<void> {
  const { service, bucket } = call;
  refuseUnsupportedHeaders(call);
  const locked = call.headers.get('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true';
  const ownerId = call.requester.account.id;
  const { acl, settings } = newBucketAccess(call, ownerId);
  const { location, tags } = await readConfiguration(call);
  const bucketTags = tags === undefined || tags.length === 0 ? undefined : new Map(tags);
  await authorizeCreation(call, { location, bucketTags });
  const region = regionOf(call, location);
  const all = new Map<string, string>([
    ...settings,
    ...(locked ? OBJECT_LOCK_SETTINGS : []),
    ...(tags === undefined || tags.length === 0
      ? []
      : [[TAGGING_SETTING, encodeTags(tags)] as const]),
  ]);
  try {
    await call.store.createBucket(bucket, { ownerId, region, settings: all });
  } catch (error) {
    const again = error instanceof ObjectStoreError && error.code === 'BucketAlreadyOwnedByYou';
    if (!again) throw error;
    // Why: success would say that the bucket now has this ACL.
    const { access } = await openBucket(call, bucket);
    if (!sameAcl(access.acl, acl)) {
      throw new S3Error('BucketAlreadyExists', undefined, { BucketName: bucket });
    }
    // Nor that it has these tags.
    if (!service.recreateBuckets || bucketTags !== undefined) throw error;
  }
  await sendEmpty(call, 200, ['Location', `/${bucket}`, ...bucketArnHeader(bucket)]);
}

/** Object lock needs versioning, and both stay on. */
const OBJECT_LOCK_SETTINGS = [
  ['versioning', 'Enabled'],
  ['object-lock', '{}'],
] as const;

interface BucketConfiguration {
  /** As it is written; undefined where there is none. */
  readonly location?: string | undefined;
  readonly tags?: TagList;
}

async function readConfiguration(call: S3Call): Promise<BucketConfiguration> {
  const { limits } = call.service;
  const root = await readXmlBody(call, {
    root: 'CreateBucketConfiguration',
    limitBytes: limits.xmlSizeBytes,
    maxTags: 1000,
  });
  if (root === undefined) return {};
  const configuration = checkChildren(root, {
    LocationConstraint: 'optional',
    Location: 'optional',
    Bucket: 'optional',
    Tags: 'optional',
  });
  for (const name of ['Location', 'Bucket']) {
    if (configuration.all(name).length > 0) {
      throw new S3Error('NotImplemented', undefined, { Header: name });
    }
  }
  const tagSet = configuration.all('Tags')[0];
  const tags = tagSet === undefined ? {} : { tags: readTagSet(tagSet, BUCKET_TAGS) };
  return { location: configuration.text('LocationConstraint') || undefined, ...tags };
}

/** What can be the name of a region of AWS. */
const REGION = /^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/;

/** @throws S3Error IllegalLocationConstraintException for another than the server's, InvalidLocationConstraint for what is none */
function regionOf({ service }: S3Call, location: string | undefined): string {
  const wanted = location === 'EU' ? 'eu-west-1' : location;
  if (wanted === undefined || wanted === service.region) return service.region;
  if (!REGION.test(wanted)) {
    throw new S3Error('InvalidLocationConstraint', undefined, { LocationConstraint: location });
  }
  throw new S3Error(
    'IllegalLocationConstraintException',
    `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`,
  );
}
