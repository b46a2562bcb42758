import { parseAmzDate } from '../auth/amz-date.ts';
import { tagsInHeader } from '../object-tags.ts';
import { percentDecode } from '../query.ts';
import { retentionEndMs } from '../retention-date.ts';
import type { S3Call } from '../s3-call.ts';
import { principalArn } from './principal-arn.ts';

/** Tags of an object, by name. */
export type Tags = ReadonlyMap<string, string>;

/** What a request says of an object elsewhere than in its headers, as the headers of a write would say it. */
export type SaidInBody = ReadonlyMap<string, string>;

/** What the request is about, beside what it says itself. */
export interface ContextFacts {
  /** Those that the object has. */
  readonly tags?: Tags | undefined;
  /** Asked for instead of the query's. */
  readonly prefix?: string | undefined;
  /** The version that it is about, if it is named. */
  readonly versionId?: string | undefined;
  /** Whose the bucket is; undefined where there is none. */
  readonly bucketOwnerId?: string | undefined;
  readonly said?: SaidInBody | undefined;
  /** `LocationConstraint` of a bucket that is to be made, as it is written. */
  readonly location?: string | undefined;
  /** Tags of a bucket that is to be made with some. */
  readonly bucketTags?: Tags | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Whether an operation that needs s3:PutObject makes an object; the parts of one and its beginning do not. */
const CREATIONS: ReadonlyMap<string, boolean> = new Map([
  ['PutObject', true],
  ['PostObject', true],
  ['CopyObject', true],
  ['RenameObject', true],
  ['CompleteMultipartUpload', true],
  ['TransactObjects', true],
  ['CreateMultipartUpload', false],
  ['UploadPart', false],
  ['UploadPartCopy', false],
]);

const LISTINGS: ReadonlySet<string> = new Set([
  'ListObjects',
  'ListObjectsV2',
  'ListObjectVersions',
  'ListMultipartUploads',
]);
const EXISTING_TAG = 's3:existingobjecttag/';
const WRITE_HEADERS: RegExp =
  /^x-amz-(acl|grant-|copy-source|metadata-directive|storage-class|website-)/;
/** Of an operation on many objects: it says for each of them in its body. A header of it does nothing. */
const SAID_FOR_EACH: RegExp = /^(if-|x-amz-(copy-source|metadata-directive|tagging))/;
const FOR_MANY: ReadonlySet<string> = new Set(['DeleteObjects', 'TransactObjects']);
const REQUEST_TAG = 's3:requestobjecttag/';
const BUCKET_TAG = 'aws:requesttag/';
const OBJECT_LOCK = 's3:object-lock-';

/**
 * The values that a request has for the condition keys of policies; undefined for a key that it has none for.
 *
 * Source: Service Authorization Reference, "Condition keys for Amazon S3"; IAM user guide, "AWS global condition
 * context keys".
 */
export function requestContext(
  call: S3Call,
  facts: ContextFacts = {},
): (key: string) => readonly string[] | undefined {
  return (key) => {
    const name = key.toLowerCase();
    if (name.startsWith(EXISTING_TAG)) return one(facts.tags?.get(key.slice(EXISTING_TAG.length)));
    if (name.startsWith(REQUEST_TAG)) {
      return one(requestTags(call, facts).get(key.slice(REQUEST_TAG.length)));
    }
    if (name.startsWith(BUCKET_TAG)) {
      return one(facts.bucketTags?.get(key.slice(BUCKET_TAG.length)));
    }
    if (name.startsWith('s3:x-amz-')) return one(headerFact(call, facts, name.slice('s3:'.length)));
    if (name.startsWith(OBJECT_LOCK)) return one(lockFact(call, facts, name));
    return principalKey(call, name) ?? plainKey(call, facts, name);
  };
}

/** Who asks. */
function principalKey({ user }: S3Call, name: string): readonly string[] | undefined {
  switch (name) {
    case 'aws:username':
      return user?.policies === undefined ? undefined : [user.name];
    case 'aws:userid':
      return [user?.name ?? 'anonymous'];
    case 'aws:principalaccount':
      return [user?.account.id ?? 'anonymous'];
    case 'aws:principaltype':
      return [user === undefined ? 'Anonymous' : user.policies === undefined ? 'Account' : 'User'];
    case 'aws:principalarn':
      return one(user && principalArn(user));
    // Nobody here is a service, or asks through one.
    case 'aws:principalisawsservice':
      return user && ['false'];
    case 'aws:viaawsservice':
      return ['false'];
    default:
      return undefined;
  }
}

function plainKey(call: S3Call, facts: ContextFacts, name: string): readonly string[] | undefined {
  const { req } = call;
  const nowMs = call.service.env.clock.nowMs();
  switch (name) {
    case 'aws:sourceip':
      return one(req.socket.remoteAddress);
    case 'aws:securetransport':
      return [String(call.isSecure)];
    case 'aws:currenttime':
      return [new Date(nowMs).toISOString()];
    case 'aws:epochtime':
      return [String(Math.floor(nowMs / 1000))];
    case 'aws:referer':
      return one(call.headers.get('referer'));
    case 'aws:useragent':
      return one(call.headers.get('user-agent'));
    case 'aws:requestedregion':
      return [call.service.region];
    case 'aws:tagkeys':
      return facts.bucketTags && [...facts.bucketTags.keys()];
    case 's3:locationconstraint':
      return one(facts.location);
    case 'aws:resourceaccount':
    case 's3:resourceaccount':
      return one(facts.bucketOwnerId);
    case 's3:objectcreationoperation':
      return one(CREATIONS.get(call.operation)?.toString());
    case 's3:prefix':
      return one(facts.prefix ?? listParameter(call, 'prefix'));
    case 's3:delimiter':
    case 's3:max-keys':
      return one(listParameter(call, name.slice('s3:'.length)));
    case 's3:versionid':
      return one(facts.versionId);
    case 's3:if-match':
    case 's3:if-none-match':
      return one(heldBy(call, facts, name.slice('s3:'.length)));
    case 's3:requestobjecttagkeys':
      return taggingOf(call, facts) === undefined
        ? undefined
        : [...requestTags(call, facts).keys()];
    case 's3:authtype':
    case 's3:signatureversion':
      return one(signatureFact(call, name));
    case 's3:signatureage':
      return one(signatureAge(call, nowMs));
    default:
      return undefined;
  }
}

/** Only of a listing: elsewhere it means nothing, and whoever asks could say what a policy wants to hear. */
function listParameter(call: S3Call, name: string): string | undefined {
  return LISTINGS.has(call.operation) ? call.parameter(name) : undefined;
}

function signatureFact(call: S3Call, name: string): string | undefined {
  const { authentication, formSignature } = call;
  if (formSignature !== undefined) return name === 's3:authtype' ? 'POST' : formSignature;
  if (authentication.kind === 'anonymous') return undefined;
  if (name === 's3:signatureversion') {
    return authentication.kind === 'signed' ? 'AWS4-HMAC-SHA256' : 'AWS';
  }
  return authentication.via === 'query' ? 'REST-QUERY-STRING' : 'REST-HEADER';
}

/** Of a presigned URL, in milliseconds. Version 2 does not say when it signed, so a URL of it is older than any limit. */
function signatureAge({ authentication }: S3Call, nowMs: number): string | undefined {
  if (authentication.kind === 'anonymous' || authentication.via !== 'query') return undefined;
  if (authentication.kind === 'signed-v2') return 'Infinity';
  const signedMs = parseAmzDate(authentication.amzDate) ?? 0;
  return String(Math.max(0, nowMs - signedMs));
}

function lockFact(call: S3Call, facts: ContextFacts, name: string): string | undefined {
  if (name !== 's3:object-lock-remaining-retention-days') {
    return heldBy(call, facts, `x-amz-${name.slice('s3:'.length)}`);
  }
  const until = heldBy(call, facts, 'x-amz-object-lock-retain-until-date');
  const untilMs = until === undefined ? undefined : retentionEndMs(until);
  if (untilMs === undefined) return undefined;
  return String((untilMs - call.service.env.clock.nowMs()) / DAY_MS);
}

/** What the body says as this header would, or else the header. */
function heldBy(call: S3Call, { said }: ContextFacts, name: string): string | undefined {
  const inBody = said?.get(name);
  if (inBody !== undefined) return inBody;
  if (FOR_MANY.has(call.operation) && SAID_FOR_EACH.test(name)) return undefined;
  return headerValue(call, name);
}

/** A read has none that says how to write. */
function headerFact(call: S3Call, facts: ContextFacts, name: string): string | undefined {
  const isRead = call.req.method === 'GET' || call.req.method === 'HEAD';
  if (isRead && WRITE_HEADERS.test(name)) return undefined;
  return heldBy(call, facts, name);
}

function headerValue(call: S3Call, name: string): string | undefined {
  const value = call.headers.get(name);
  if (name !== 'x-amz-copy-source' || value === undefined) return value;
  // In the order in which the copy itself reads it: a slash that is percent-encoded is one.
  const path = decodedOrAsItIs(value);
  return path.startsWith('/') ? path.slice(1) : path;
}

function decodedOrAsItIs(value: string): string {
  try {
    return percentDecode(value);
  } catch {
    return value;
  }
}

function requestTags(call: S3Call, facts: ContextFacts): Tags {
  return new Map(tagsInHeader(taggingOf(call, facts) ?? ''));
}

/** A copy that takes the tags of its source does not look at the header; what they are is said once they are known. */
function taggingOf(call: S3Call, facts: ContextFacts): string | undefined {
  const ignored =
    call.operation === 'CopyObject' && call.headers.get('x-amz-tagging-directive') !== 'REPLACE';
  return ignored ? facts.said?.get('x-amz-tagging') : heldBy(call, facts, 'x-amz-tagging');
}

function one(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}
