import {
  hasObjectLock,
  type ObjectInfo,
  type ObjectMetadata,
  type OwnOfCopy,
  parseRetention,
  retentionText,
} from '@holdfast/objects';
import { mayBeTold } from './access/authorize.ts';
import type { HeaderList } from './answer.ts';
import { storedContentEncoding } from './body/index.ts';
import { encryptionHeaders } from './encryption/encryption-headers.ts';
import { isHeaderName, isHeaderValue } from './header-text.ts';
import { httpDate } from './http-date.ts';
import { countTags, readTaggingHeader } from './object-tags.ts';
import { readRetention, retentionDate } from './retention.ts';
import type { S3Call } from './s3-call.ts';
import { headerNotImplemented, invalidArgument, S3Error } from './s3-error.ts';

const USER_PREFIX = 'x-amz-meta-';

/** Classes whose objects can be read at once; the class is kept as a label. */
const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'EXPRESS_ONEZONE',
]);

/** Headers whose values are kept as they are. */
const FIELD_HEADERS = [
  ['contentType', 'content-type'],
  ['cacheControl', 'cache-control'],
  ['contentDisposition', 'content-disposition'],
  ['contentLanguage', 'content-language'],
  ['expires', 'expires'],
] as const;

/** Headers that promise something this store does not do. To ignore them would be to lie. */
const REFUSED_HEADERS: readonly string[] = [
  'x-amz-bucket-namespace',
  'x-amz-if-match-initiated-time',
  'x-amz-object-lock-event-hold',
  'x-amz-object-lock-event-hold-duration-days',
  'x-amz-object-lock-event-hold-duration-years',
  'x-amz-write-offset-bytes',
];

/**
 * Reads what the client says about the object that it writes.
 *
 * @throws S3Error NotImplemented, InvalidStorageClass, MetadataTooLarge, AccessControlListNotSupported, …
 */
export function readMetadata(call: S3Call): ObjectMetadata {
  const { headers } = call;
  const metadata: Writable<ObjectMetadata> = { user: readUserMetadata(call) };
  for (const [field, name] of FIELD_HEADERS) {
    const value = headers.get(name);
    if (value !== undefined) metadata[field] = value;
  }
  const contentEncoding = storedContentEncoding(headers);
  if (contentEncoding !== undefined) metadata.contentEncoding = contentEncoding;
  const tagging = readTaggingHeader(call);
  if (tagging !== undefined) metadata.tagging = tagging;
  return Object.assign(metadata, readOwn(call));
}

/** What an object has of its own, though it is a copy: lock, class and redirect. @throws S3Error */
export function readOwn(call: S3Call): OwnOfCopy {
  refuseWhatIsNoHeader(call);
  const { headers } = call;
  const storageClass = headers.get('x-amz-storage-class');
  if (storageClass !== undefined && !STORAGE_CLASSES.has(storageClass)) {
    throw new S3Error('InvalidStorageClass', undefined, { StorageClassRequested: storageClass });
  }
  const redirect = headers.get('x-amz-website-redirect-location');
  if (redirect !== undefined && !/^(https?:\/)?\//.test(redirect)) {
    throw new S3Error('InvalidRedirectLocation');
  }
  const own: Writable<OwnOfCopy> = {};
  if (storageClass !== undefined) own.storageClass = storageClass;
  if (redirect !== undefined) own.websiteRedirectLocation = redirect;
  return Object.assign(own, readObjectLock(call));
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

const NOT_LOCKED: Pick<ObjectMetadata, 'retention' | 'legalHold'> = {};

/** The object lock that a write asks for. @throws S3Error InvalidArgument */
function readObjectLock(call: S3Call): Pick<ObjectMetadata, 'retention' | 'legalHold'> {
  const { headers } = call;
  const mode = headers.get('x-amz-object-lock-mode');
  const until = headers.get('x-amz-object-lock-retain-until-date');
  const legalHold = headers.get('x-amz-object-lock-legal-hold');
  if ((mode === undefined) !== (until === undefined)) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
      // The one that is missing.
      {
        ArgumentName:
          mode === undefined ? 'x-amz-object-lock-mode' : 'x-amz-object-lock-retain-until-date',
      },
    );
  }
  if (legalHold !== undefined && legalHold !== 'ON' && legalHold !== 'OFF') {
    throw invalidArgument(
      'Legal Hold must be either of ON or OFF',
      'x-amz-object-lock-legal-hold',
      legalHold,
    );
  }
  const hold = legalHold === undefined ? NOT_LOCKED : { legalHold };
  if (mode === undefined || until === undefined) return hold;
  const retention = readRetention(call, mode, until);
  if (retention === undefined) {
    throw invalidArgument('Unknown wormMode directive.', 'x-amz-object-lock-mode', mode);
  }
  return { ...hold, retention: retentionText(retention) };
}

/** A URL can carry headers that no header could: with a line break, for one, which no GET could give back. */
function refuseWhatIsNoHeader(call: S3Call): void {
  const { authentication, headers } = call;
  if (authentication.kind === 'anonymous' || authentication.via === 'header') return;
  for (const [name, value] of headers) {
    if (!isHeaderName(name) || !isHeaderValue(value)) {
      throw invalidArgument('Header value cannot be represented using ISO-8859-1.', name, value);
    }
  }
}

function readUserMetadata(call: S3Call): Record<string, string> {
  const user: Record<string, string> = {};
  let size = 0;
  for (const name of call.headers.keys()) {
    if (!name.startsWith(USER_PREFIX)) continue;
    const short = name.slice(USER_PREFIX.length);
    const value = call.headers.get(name) ?? '';
    // Why not assignment: `__proto__` is a legal name of user metadata.
    Object.defineProperty(user, short, { value, enumerable: true, configurable: true });
    size += short.length + value.length;
  }
  const limit = call.service.limits.userMetadataBytes;
  if (size > limit) {
    throw new S3Error('MetadataTooLarge', undefined, { Size: size, MaxSizeAllowed: limit });
  }
  return user;
}

/** Refuses headers of a write that ask for what does not exist here. @throws S3Error NotImplemented */
export function refuseUnsupportedHeaders(call: S3Call): void {
  for (const name of call.headers.keys()) {
    if (!name.startsWith('x-amz-')) continue;
    if (REFUSED_HEADERS.includes(name)) throw headerNotImplemented(name);
  }
}

/** Query parameters that replace a header of the answer, and that header. */
const OVERRIDES: ReadonlyMap<string, string> = new Map([
  ['response-content-type', 'Content-Type'],
  ['response-cache-control', 'Cache-Control'],
  ['response-content-disposition', 'Content-Disposition'],
  ['response-content-encoding', 'Content-Encoding'],
  ['response-content-language', 'Content-Language'],
  ['response-expires', 'Expires'],
]);

/** What AWS says of an object that was stored without a type. */
const DEFAULT_TYPE = 'binary/octet-stream';

/**
 * The headers that describe an object, for GET and HEAD. What no header can say is left out, so that the bytes can be read: earlier
 * versions took it from forms and URLs.
 */
export function objectHeaders(call: S3Call, info: ObjectInfo): HeaderList {
  const { metadata } = info;
  const headers: HeaderList = [
    'Last-Modified',
    httpDate(info.modifiedMs),
    'ETag',
    `"${info.etag}"`,
    'Accept-Ranges',
    'bytes',
  ];
  const overrides = call.target.query.size === 0 ? undefined : readOverrides(call);
  const add = (name: string, value: string | undefined): void => {
    const shown = overrides?.get(name) ?? value;
    if (shown !== undefined && isHeaderValue(shown)) headers.push(name, shown);
  };
  const { contentType = DEFAULT_TYPE } = metadata;
  add('Content-Type', isHeaderValue(contentType) ? contentType : DEFAULT_TYPE);
  add('Cache-Control', metadata.cacheControl);
  add('Content-Disposition', metadata.contentDisposition);
  add('Content-Encoding', metadata.contentEncoding);
  add('Content-Language', metadata.contentLanguage);
  add('Expires', metadata.expires);
  add('x-amz-website-redirect-location', metadata.websiteRedirectLocation);
  headers.push(...versionHeaders(info), ...lockHeaders(call, info));
  if (info.encryption !== undefined) headers.push(...encryptionHeaders(call, info));
  const tags = countTags(metadata.tagging);
  if (tags > 0 && mayBeTold(call, 'GetObjectTagging', info)) {
    headers.push('x-amz-tagging-count', String(tags));
  }
  const { storageClass } = metadata;
  if (storageClass !== undefined && storageClass !== 'STANDARD') {
    headers.push('x-amz-storage-class', storageClass);
  }
  let missing = 0;
  for (const [short, value] of Object.entries(metadata.user)) {
    const name = USER_PREFIX + short;
    if (isHeaderName(name) && isHeaderValue(value)) headers.push(name, value);
    else missing++;
  }
  if (missing > 0) headers.push('x-amz-missing-meta', String(missing));
  return headers;
}

/** `x-amz-version-id`, where the bucket has or had versioning. */
export function versionHeaders({
  versionId,
}: {
  readonly versionId?: string | undefined;
}): HeaderList {
  return versionId === undefined ? [] : ['x-amz-version-id', versionId];
}

/** As `versionHeaders`, of a write: for the null version there is none, as the public suite asks. */
export function newVersionHeaders({
  versionId,
}: {
  readonly versionId?: string | undefined;
}): HeaderList {
  return versionId === undefined || versionId === 'null' ? [] : ['x-amz-version-id', versionId];
}

/** Source: AWS API reference, "GetObject": the retention and the hold are for who may ask for them. */
function lockHeaders(call: S3Call, info: ObjectInfo): HeaderList {
  const { metadata } = info;
  const headers: HeaderList = [];
  const retention = parseRetention(metadata.retention);
  if (retention !== undefined && mayBeTold(call, 'GetObjectRetention', info)) {
    headers.push('x-amz-object-lock-mode', retention.mode);
    headers.push('x-amz-object-lock-retain-until-date', retentionDate(retention));
  }
  if (metadata.legalHold !== undefined && mayBeTold(call, 'GetObjectLegalHold', info)) {
    headers.push('x-amz-object-lock-legal-hold', metadata.legalHold);
  }
  return headers;
}

function readOverrides(call: S3Call): Map<string, string> | undefined {
  let overrides: Map<string, string> | undefined;
  for (const [parameter, value] of call.target.query) {
    const header = OVERRIDES.get(parameter);
    if (header === undefined) continue;
    if (call.authentication.kind === 'anonymous') {
      throw new S3Error(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      );
    }
    const text = Buffer.from(value).toString('latin1');
    if (!isHeaderValue(text)) {
      throw invalidArgument(
        'Header value cannot be represented using ISO-8859-1.',
        parameter,
        value,
      );
    }
    overrides ??= new Map();
    overrides.set(header, text);
  }
  return overrides;
}

/** @throws S3Error InvalidRequest where the bucket has no object lock */
export function requireObjectLock(call: S3Call): void {
  if (hasObjectLock(call.openBucket.bucket)) return;
  throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
}
