import { type Bucket, notCurrent, type ObjectInfo, ObjectStoreError } from '@holdfast/objects';
import { corsAnswerHeaders } from '../cors/cors-answer.ts';
import { decodeTags } from '../object-tags.ts';
import type { Policy } from '../policy/index.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { type Acl, decodeAcl, ownerOnly } from './acl.ts';
import { type RequiredAction, requiredAction } from './action-table.ts';
import type { BucketAccess } from './bucket-access.ts';
import { conditionActions } from './condition-actions.ts';
import { mayAccess, mayOutside, POLICY_ACTIONS } from './decide-access.ts';
import { creationActions, headerActions } from './header-actions.ts';
import { ANONYMOUS_ID } from './new-object-access.ts';
import {
  type ContextFacts,
  requestContext,
  type SaidInBody,
  type Tags,
} from './request-context.ts';

/** A bucket, and what its settings say about who may do what. */
export interface OpenBucket {
  readonly bucket: Bucket;
  readonly access: BucketAccess;
}

/** What is to be done with what. */
export interface AccessTarget extends OpenBucket {
  readonly required: RequiredAction;
  readonly key?: string | undefined;
  readonly versionId?: string | undefined;
  /** What is to be listed, where the query does not say it. */
  readonly prefix?: string;
  /** What the body says of the object. */
  readonly said?: SaidInBody;
}

/** Operations that decide for themselves, for each key, or once they know who asks. */
const SELF_DECIDING: ReadonlySet<string> = new Set([
  'DeleteObjects',
  'PostObject',
  'Preflight',
  'TransactObjects',
]);

/**
 * Operations whose document says what policies may ask for: of an object what the headers of a write say, of a new bucket
 * where it is to be.
 */
const SAYS_IN_DOCUMENT: ReadonlyMap<string, RegExp> = new Map([
  ['CreateBucket', /^(s3:locationconstraint$|aws:(requesttag\/|tagkeys$))/i],
  ['PutObjectTagging', /^s3:requestobjecttag/i],
  ['PutObjectRetention', /^s3:object-lock-/i],
  ['PutObjectLegalHold', /^s3:object-lock-/i],
]);

const AUTHENTICATE = 'Anonymous users cannot invoke this API. Please authenticate.';

/**
 * What nobody may do without a signature, whatever policies and ACLs allow, and what S3 says then.
 *
 * Source: Amazon S3 User Guide, "Multipart upload API and permissions"; for the others, what S3 answers.
 */
const NEEDS_SIGNATURE: ReadonlyMap<string, string> = new Map([
  [
    'CreateMultipartUpload',
    'Anonymous users cannot initiate multipart uploads.  Please authenticate.',
  ],
  ['CopyObject', 'Anonymous users cannot copy objects.  Please authenticate.'],
  ['PutBucketAcl', AUTHENTICATE],
  ['PutObjectAcl', AUTHENTICATE],
  ...['PutBucketOwnershipControls', 'DeleteBucketOwnershipControls'].map(
    (name) => [name, 's3:PutBucketOwnershipControls does not support Anonymous requests!'] as const,
  ),
]);

/** Operations on an open upload that need no write of its object. */
const OF_OPEN_UPLOADS: ReadonlySet<string> = new Set(['AbortMultipartUpload', 'ListParts']);

/** Actions whose policies may ask for the tags that the object has. */
const READS_TAGS = /^s3:(Get|Put|Delete)Object(Version)?(Acl|Attributes|Tagging)?$/;

/**
 * Decides whether the request may do what `operation` does, before anything is done: one read of the bucket's record,
 * and one of the object's where its owner or ACL count.
 *
 * @throws S3Error AccessDenied, MethodNotAllowed; ObjectStoreError NoSuchBucket
 */
export async function authorize(call: S3Call, operation: string): Promise<void> {
  if (operation === 'ListBuckets') return requireOutside(call, 's3:ListAllMyBuckets', '*');
  if (operation === 'CreateBucket') {
    return asksForDocument(call, operation, {}) ? undefined : authorizeCreation(call, undefined);
  }
  const bucket = await call.store.getBucket(call.bucket);
  const access = call.service.bucketAccess.of(bucket);
  call.openBucket = { bucket, access };
  // Why before the decision: a page must be able to read its refusal.
  if (call.headers.has('origin')) call.corsHeaders = corsAnswerHeaders(call);
  checkExpectedOwner(call, 'x-amz-expected-bucket-owner', bucket);
  const unsigned = call.authentication.kind === 'anonymous' && NEEDS_SIGNATURE.get(operation);
  if (unsigned) throw new S3Error('AccessDenied', unsigned);
  if (SELF_DECIDING.has(operation) || asksForDocument(call, operation, access)) return;
  const { level } = call.target;
  const key = level === 'object' ? call.key : undefined;
  const versionId = level === 'object' ? call.parameter('versionId') : undefined;
  const target = { bucket, access, required: requiredAction(operation), key, versionId };
  // Why asked first: what is allowed without a look at the object waits for nothing.
  const allowed = !asksForInfo(call, target) && isAllowed(call, target, undefined);
  if (!allowed && !(await mayAsInitiator(call, operation, target)))
    await requireAccess(call, target);
  // Source: AWS API reference, "PutBucketPolicy": with the permission, and of another account, it is this.
  if (POLICY_ACTIONS.has(target.required.action) && call.user?.account.id !== bucket.ownerId) {
    throw new S3Error('MethodNotAllowed', undefined, {
      Method: call.method,
      ResourceType: 'BUCKETPOLICY',
    });
  }
  const { also } = target.required;
  if (also !== undefined) await requireAccess(call, { ...target, required: also });
  for (const required of headerActions(call, operation, access)) {
    await requireAccess(call, { bucket, access, required, key });
  }
  for (const required of conditionActions(call, operation)) {
    await requireAccess(call, { ...target, required });
  }
}

/**
 * Who began an upload may see its parts and give it up, where nothing denies it.
 *
 * Source: Amazon S3 User Guide, "Multipart upload API and permissions".
 */
async function mayAsInitiator(
  call: S3Call,
  operation: string,
  target: AccessTarget,
): Promise<boolean> {
  const uploadId = call.parameter('uploadId');
  if (!OF_OPEN_UPLOADS.has(operation) || uploadId === undefined) return false;
  const required = { ...target.required, enoughNotDenied: true };
  if (!isAllowed(call, { ...target, required }, undefined)) return false;
  const { bucket, key } = call;
  try {
    const { ownerId } = await call.store.getMultipartUpload({ bucket, key, uploadId });
    return ownerId === (call.user?.account.id ?? ANONYMOUS_ID);
  } catch (error) {
    if (error instanceof ObjectStoreError && error.code === 'NoSuchUpload') return false;
    throw error;
  }
}

/**
 * Decides with what the document of the request says: `authorize` leaves that open where a policy asks for it.
 *
 * @throws S3Error AccessDenied
 */
export async function authorizeDocument(call: S3Call, said: SaidInBody): Promise<void> {
  const required = requiredAction(call.operation);
  const versionId = call.parameter('versionId');
  await requireAccess(call, { ...call.openBucket, required, key: call.key, versionId, said });
}

/**
 * Decides with what the document of CreateBucket says; undefined where that is not read yet.
 *
 * Source: AWS API reference, "CreateBucket", "CreateBucketConfiguration": with tags it needs s3:TagResource too.
 *
 * @throws S3Error AccessDenied
 */
export async function authorizeCreation(
  call: S3Call,
  said: Pick<ContextFacts, 'location' | 'bucketTags'> | undefined,
): Promise<void> {
  const tagged = said?.bucketTags === undefined ? [] : ['s3:TagResource'];
  for (const action of [...creationActions(call), ...tagged]) {
    await requireOutside(call, action, call.bucket, said);
  }
}

function asksForDocument(
  call: S3Call,
  operation: string,
  { policy }: { readonly policy?: Policy | undefined },
): boolean {
  const keys = SAYS_IN_DOCUMENT.get(operation);
  if (keys === undefined) return false;
  return [...(policy === undefined ? [] : [policy]), ...(call.user?.policies ?? [])].some((one) =>
    one.statements.some(({ conditions }) => conditions.some(({ key }) => keys.test(key))),
  );
}

/** A bucket with what its settings say. Rejects with NoSuchBucket. */
export async function openBucket(call: S3Call, name: string): Promise<OpenBucket> {
  const bucket = await call.store.getBucket(name);
  return { bucket, access: call.service.bucketAccess.of(bucket) };
}

/** @throws S3Error AccessDenied */
export async function requireAccess(call: S3Call, target: AccessTarget): Promise<void> {
  if (!(await hasAccess(call, target))) throw new S3Error('AccessDenied');
}

/** Whether the request may do something with a bucket or an object. */
export async function hasAccess(call: S3Call, target: AccessTarget): Promise<boolean> {
  const { access, key, required } = target;
  const info = asksForInfo(call, target) ? await findInfo(call, target) : undefined;
  if (isAllowed(call, target, info)) return true;
  if (info !== undefined || required.grant?.on !== 'object') return false;
  // Nobody learns that a key is not there who may not list the bucket.
  return access.ownership !== 'BucketOwnerEnforced' && (await mayList(call, target, key));
}

/** Whether the request may do something, decided once it is known what is to be said of the object. */
export async function judgeSaid(
  call: S3Call,
  target: AccessTarget,
): Promise<(said: SaidInBody) => boolean> {
  const info = asksForInfo(call, target) ? await findInfo(call, target) : undefined;
  return (said) => isAllowed(call, { ...target, said }, info);
}

/** Whether who reads an object may be told what `operation` says of it. */
export function mayBeTold(call: S3Call, operation: string, info: ObjectInfo): boolean {
  const required = requiredAction(operation);
  const versionId = call.parameter('versionId');
  return isAllowed(call, { ...call.openBucket, required, key: info.key, versionId }, info);
}

function isAllowed(call: S3Call, target: AccessTarget, info: ObjectInfo | undefined): boolean {
  const { bucket, access, key, required, versionId } = target;
  // Also for `null`: that may be an older version as well as any.
  const version = versionId === undefined ? undefined : required.versionAction;
  const action = version ?? required.action;
  const grant =
    version !== undefined && required.noVersionGrant === true ? undefined : required.grant;
  const ofObject = required.grant?.on === 'object' && access.ownership !== 'BucketOwnerEnforced';
  const ownerId = (ofObject ? info?.metadata.ownerId : undefined) ?? bucket.ownerId;
  return mayAccess({
    user: call.user,
    action,
    resource: `arn:aws:s3:::${bucket.name}${key === undefined ? '' : `/${key}`}`,
    context: requestContext(call, {
      tags: info === undefined ? undefined : tagsOf(info),
      prefix: target.prefix,
      versionId,
      bucketOwnerId: bucket.ownerId,
      said: target.said,
    }),
    bucket: access,
    ownerId,
    enoughNotDenied: required.enoughNotDenied,
    grants: grant && {
      acl: grant.on === 'bucket' ? access.acl : objectAcl(info, ownerId),
      permission: grant.permission,
    },
  });
}

/** Whether the request may know whether there is this key. */
export function mayList(
  call: S3Call,
  { bucket, access }: OpenBucket,
  key: string | undefined,
): Promise<boolean> {
  const required = requiredAction('ListObjects');
  return hasAccess(call, { bucket, access, required, ...(key !== undefined && { prefix: key }) });
}

/** The grants on an object; none where it is not there. */
export function objectAcl(info: ObjectInfo | undefined, ownerId: string): Acl {
  const text = info?.metadata.acl;
  if (text !== undefined) return decodeAcl(text);
  return info === undefined ? [] : ownerOnly(ownerId);
}

/** A client that expects another owner must not touch the bucket. */
export function checkExpectedOwner(
  call: S3Call,
  header: 'x-amz-expected-bucket-owner' | 'x-amz-source-expected-bucket-owner',
  { ownerId }: Bucket,
): void {
  const expected = call.headers.get(header);
  if (expected !== undefined && expected !== ownerId) throw new S3Error('AccessDenied');
}

async function requireOutside(
  call: S3Call,
  action: string,
  name: string,
  facts?: ContextFacts,
): Promise<void> {
  const context = requestContext(call, facts);
  const request = { action, resource: `arn:aws:s3:::${name}`, context };
  if (!mayOutside(call.user, request)) throw new S3Error('AccessDenied');
}

/** Whether the object's owner, ACL or tags count. */
function asksForInfo({ user }: S3Call, { access, key, required }: AccessTarget): boolean {
  if (key === undefined) return false;
  if (required.grant?.on === 'object' && access.ownership !== 'BucketOwnerEnforced') return true;
  if (!READS_TAGS.test(required.action)) return false;
  if (access.policy?.readsTags === true) return true;
  return user?.policies?.some(({ readsTags }) => readsTags) === true;
}

/** The object; undefined where it is not there. NotCurrent where nothing would prove that it is so now. */
async function findInfo(
  call: S3Call,
  { bucket, key = '', versionId }: AccessTarget,
): Promise<ObjectInfo | undefined> {
  if (!call.isProven) throw notCurrent();
  try {
    return await call.store.headObject({
      bucket: bucket.name,
      key,
      anyKey: true,
      ...(versionId && { versionId }),
    });
  } catch (error) {
    if (error instanceof ObjectStoreError) return undefined;
    throw error;
  }
}

function tagsOf({ metadata }: ObjectInfo): Tags {
  return new Map(decodeTags(metadata.tagging));
}
