import type { PutObjectResult } from '@holdfast/objects';
import { requiredAction } from '../access/action-table.ts';
import { requireAccess } from '../access/authorize.ts';
import { headerActions } from '../access/header-actions.ts';
import { newObjectAccess } from '../access/new-object-access.ts';
import { sendEmpty, sendXml } from '../answer.ts';
import { authenticateForm } from '../auth/form-signature.ts';
import { bodyVerification } from '../body/index.ts';
import { checksumHeaders } from '../checksum-headers.ts';
import { encryptionField, encryptionHeaders } from '../encryption/encryption-headers.ts';
import { type OpenForm, openForm } from '../form/form-fields.ts';
import { checkFormPolicy, type FormPolicy, parseFormPolicy } from '../form/form-policy.ts';
import { taggingHeader } from '../form/form-tagging.ts';
import { isHeaderName, isHeaderValue } from '../header-text.ts';
import { expirationHeaders } from '../lifecycle/lifecycle-headers.ts';
import { objectAddress } from '../object-address.ts';
import { newVersionHeaders, readMetadata, refuseUnsupportedHeaders } from '../object-metadata.ts';
import { checkKeyLength } from '../request-target.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument, S3Error } from '../s3-error.ts';
import { element, XML_DECLARATION } from '../xml-writer.ts';

/** Fields that are headers of the object; with them all that begin with `x-amz-`. */
const HEADER_FIELDS: readonly string[] = [
  'cache-control',
  'content-type',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
];

/** Fields that sign the form, and are no headers of the object. */
const SIGNING_FIELDS = /^x-amz-(algorithm|credential|date|signature|security-token)$/;

/** Headers of the request itself that still count. */
const KEPT_HEADERS: readonly string[] = [
  'host',
  'origin',
  'referer',
  'user-agent',
  'content-length',
  'transfer-encoding',
];

/** An upload from the form of a web page. Source: AWS API reference, "POST Object". */
export async function postObject(call: S3Call): Promise<void> {
  const form = await openForm(call.body, call.headers.get('content-type'));
  const fields = new Map(form.fields);
  const key = readKey(form);
  fields.set('key', key);
  const policy = admit(call, fields);
  call.target = { ...call.target, level: 'object', key };
  call.headers = objectHeadersOf(call, form.fields);
  refuseUnsupportedHeaders(call);
  const required = requiredAction('PutObject');
  await requireAccess(call, { ...call.openBucket, required, key });
  for (const also of headerActions(call, 'PutObject', call.openBucket.access)) {
    await requireAccess(call, { ...call.openBucket, required: also, key });
  }
  const metadata = { ...readMetadata(call), ...newObjectAccess(call, call.openBucket) };
  const encryption = encryptionField(call);
  const noTrailers = { trailers: () => new Map<string, string>(), declaredTrailers: [] };
  const result = await call.store.putObject({
    bucket: call.bucket,
    key,
    body: { pieces: limited(call, form.content, policy) },
    verification: bodyVerification(call.headers, noTrailers, 'unsigned', {
      defaultAlgorithm: 'crc64nvme',
    }),
    metadata,
    event: 'ObjectCreated:Post',
    ...encryption,
  });
  await answer(call, fields, result);
}

function readKey({ fields, file }: OpenForm): string {
  const given = fields.get('key');
  if (given === undefined || given === '') {
    throw invalidArgument(
      "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      'key',
      '',
    );
  }
  const filename = file.filename?.replace(/^.*[/\\]/, '') ?? '';
  const key = given.replaceAll('${filename}', () => filename);
  checkKeyLength(key);
  return key;
}

/** Finds out who signed the form, and holds its fields against what was signed. */
function admit(call: S3Call, fields: ReadonlyMap<string, string>): FormPolicy | undefined {
  const { identities, region, allowSignatureV2, env } = call.service;
  const accessKeyId = authenticateForm(fields, {
    findSecret: (id) => identities.findKey(id)?.secretAccessKey,
    region,
    allowSignatureV2,
  });
  const text = fields.get('policy');
  if (accessKeyId === undefined || text === undefined) return undefined;
  call.user = identities.findKey(accessKeyId)?.user;
  call.formSignature = fields.has('x-amz-credential') ? 'AWS4-HMAC-SHA256' : 'AWS';
  const policy = parseFormPolicy(Buffer.from(text, 'base64').toString('utf8'));
  const all = new Map([...fields, ['bucket', call.bucket]]);
  checkFormPolicy(policy, all, env.clock.nowMs());
  return policy;
}

function objectHeadersOf(
  call: S3Call,
  fields: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const name of KEPT_HEADERS) {
    const value = call.headers.get(name);
    if (value !== undefined) headers.set(name, value);
  }
  for (const [name, value] of fields) {
    const amz = name.startsWith('x-amz-') && !SIGNING_FIELDS.test(name);
    // One character a byte, as header values are.
    const text = Buffer.from(value).toString('latin1');
    if (name === 'acl') headers.set('x-amz-acl', text);
    else if (name === 'tagging') headers.set('x-amz-tagging', taggingHeader(value));
    else if (amz || HEADER_FIELDS.includes(name)) headers.set(name, text);
  }
  // Why: what no header could say would be stored, and no GET of the object could be answered.
  for (const [name, value] of headers) {
    if (isHeaderName(name) && isHeaderValue(value)) continue;
    throw invalidArgument('Invalid character in a field', name, value);
  }
  return headers;
}

/** The file, refused where it is larger than a put may be, or than the policy says. */
async function* limited(
  call: S3Call,
  content: AsyncIterable<Uint8Array>,
  policy: FormPolicy | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = policy?.sizeRange ?? {};
  const limit = Math.min(maximum, call.service.limits.objectSizeBytes);
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > limit) {
      throw new S3Error('EntityTooLarge', undefined, { ProposedSize: size, MaxSizeAllowed: limit });
    }
    yield piece;
  }
  if (size < minimum) {
    throw new S3Error('EntityTooSmall', undefined, {
      ProposedSize: size,
      MinSizeAllowed: minimum,
    });
  }
}

async function answer(
  call: S3Call,
  fields: ReadonlyMap<string, string>,
  result: PutObjectResult,
): Promise<void> {
  const { bucket, key } = call;
  const location = objectAddress(call, bucket, key);
  const etag = `"${result.etag}"`;
  const headers = [
    'ETag',
    etag,
    ...newVersionHeaders(result),
    ...expirationHeaders(call, result),
    ...encryptionHeaders(call, result),
    ...checksumHeaders(result.checksum),
  ];
  const redirect = readRedirect(fields);
  if (redirect !== undefined) {
    const mark = redirect.includes('?') ? '&' : '?';
    const query = `bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}&etag=${encodeURIComponent(etag)}`;
    await sendEmpty(call, 303, [...headers, 'Location', `${redirect}${mark}${query}`]);
    return;
  }
  headers.push('Location', location);
  const status = fields.get('success_action_status');
  if (status !== '201') {
    await sendEmpty(call, status === '200' ? 200 : 204, headers);
    return;
  }
  const inner =
    element('Location', location) +
    element('Bucket', bucket) +
    element('Key', key) +
    element('ETag', etag);
  await sendXml(call, 201, `${XML_DECLARATION}<PostResponse>${inner}</PostResponse>`, headers);
}

/** Where the browser goes next; undefined for what is no address. */
function readRedirect(fields: ReadonlyMap<string, string>): string | undefined {
  const text = fields.get('success_action_redirect') ?? fields.get('redirect');
  if (text === undefined || !/^https?:\/\/[\x21-\x7e]+$/i.test(text)) return undefined;
  return URL.canParse(text) ? text : undefined;
}
