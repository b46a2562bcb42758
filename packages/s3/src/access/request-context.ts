import { percentDecode } from '../query.ts';
import type { S3Call } from '../s3-call.ts';

/** Tags of an object, by name. */
export type Tags = ReadonlyMap<string, string>;

const EXISTING_TAG = 's3:existingobjecttag/';
const REQUEST_TAG = 's3:requestobjecttag/';

/**
 * The values that a request has for the condition keys of policies. `tags` are those of the object that it is about;
 * `prefix` is asked for instead of the query's.
 *
 * Source: Service Authorization Reference, "Condition keys for Amazon S3"; IAM user guide, "AWS global condition
 * context keys".
 */
export function requestContext(
  call: S3Call,
  tags?: Tags,
  prefix?: string,
): (key: string) => readonly string[] | undefined {
  return (key) => {
    const name = key.toLowerCase();
    if (name === 's3:prefix' && prefix !== undefined) return [prefix];
    if (name.startsWith(EXISTING_TAG)) return one(tags?.get(key.slice(EXISTING_TAG.length)));
    if (name.startsWith(REQUEST_TAG)) {
      return one(requestTags(call).get(key.slice(REQUEST_TAG.length)));
    }
    if (name.startsWith('s3:x-amz-')) return one(headerValue(call, name.slice('s3:'.length)));
    return plainKey(call, name);
  };
}

function plainKey(call: S3Call, name: string): readonly string[] | undefined {
  const { req, user } = call;
  const nowMs = call.service.env.clock.nowMs();
  switch (name) {
    case 'aws:sourceip':
      return one(req.socket.remoteAddress);
    case 'aws:securetransport':
      return [String('encrypted' in req.socket && req.socket.encrypted === true)];
    case 'aws:currenttime':
      return [new Date(nowMs).toISOString()];
    case 'aws:epochtime':
      return [String(Math.floor(nowMs / 1000))];
    case 'aws:referer':
      return one(call.headers.get('referer'));
    case 'aws:useragent':
      return one(call.headers.get('user-agent'));
    case 'aws:username':
      return user?.policies === undefined ? undefined : [user.name];
    case 'aws:userid':
      return one(user?.name);
    case 'aws:principalaccount':
      return one(user?.account.id);
    case 'aws:principaltype':
      return [user === undefined ? 'Anonymous' : user.policies === undefined ? 'Account' : 'User'];
    case 's3:prefix':
    case 's3:delimiter':
    case 's3:max-keys':
      return one(call.parameter(name.slice('s3:'.length)));
    case 's3:versionid':
      return one(call.parameter('versionId'));
    case 's3:if-match':
    case 's3:if-none-match':
      return one(call.headers.get(name.slice('s3:'.length)));
    case 's3:requestobjecttagkeys':
      return call.headers.has('x-amz-tagging') ? [...requestTags(call).keys()] : undefined;
    case 's3:authtype':
    case 's3:signatureversion':
      return one(signatureFact(call, name));
    default:
      return undefined;
  }
}

function signatureFact(call: S3Call, name: string): string | undefined {
  const { authentication } = call;
  if (authentication.kind === 'anonymous') return undefined;
  if (name === 's3:signatureversion') {
    return authentication.kind === 'signed' ? 'AWS4-HMAC-SHA256' : 'AWS';
  }
  return authentication.via === 'query' ? 'REST-QUERY-STRING' : 'REST-HEADER';
}

function headerValue(call: S3Call, name: string): string | undefined {
  const value = call.headers.get(name);
  if (name !== 'x-amz-copy-source' || value === undefined) return value;
  const path = value.startsWith('/') ? value.slice(1) : value;
  try {
    return percentDecode(path);
  } catch {
    return path;
  }
}

function requestTags(call: S3Call): Tags {
  return new Map(new URLSearchParams(call.headers.get('x-amz-tagging') ?? ''));
}

function one(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}
