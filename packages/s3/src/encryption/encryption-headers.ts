import type { EncryptionRequest, ObjectEncryption } from '@holdfast/objects';
import type { HeaderList } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { headerNotImplemented, invalidArgument, S3Error } from '../s3-error.ts';
import { bucketEncryption, noDoubleEncryption } from './bucket-encryption.ts';
import { customerKeyHeaders, readCustomerKey } from './customer-key.ts';

const METHOD = 'x-amz-server-side-encryption';
const KEY_ID = `${METHOD}-aws-kms-key-id`;
const BUCKET_KEY = `${METHOD}-bucket-key-enabled`;
const CONTEXT = `${METHOD}-context`;

/** Longest name of a key. */
const KEY_ID_LIMIT = 2048;

/**
 * How a write asks for its object to be encrypted, by its headers or else by the default of its bucket; empty where it
 * is not to be.
 *
 * Source: AWS API reference, "PutObject"; Amazon S3 User Guide, "Setting default server-side encryption behavior".
 *
 * @throws S3Error InvalidArgument, NotImplemented, AccessDenied (the bucket blocks customers' keys)
 */
export function encryptionField(call: S3Call): { readonly encryption?: EncryptionRequest } {
  const method = call.headers.get(METHOD);
  const isOther = method !== undefined || call.headers.has(KEY_ID);
  if (isOther && call.headers.has(`${METHOD}-customer-algorithm`)) {
    throw invalidArgument(
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      METHOD,
      method ?? 'null',
    );
  }
  const key = readCustomerKey(call);
  const byDefault = bucketEncryption(call.openBucket.bucket);
  if (call.headers.has(CONTEXT)) throw headerNotImplemented(CONTEXT);
  if (key !== undefined) {
    if (byDefault?.blocksCustomerKeys === true) throw blocked();
    return { encryption: { kind: 'customer', key } };
  }
  if (method === undefined) {
    if (call.headers.has(KEY_ID)) throw needsKmsMethod(method);
    return defaultField(call);
  }
  return { encryption: readMethod(call, method) };
}

/** What the headers themselves say of it, without keys of customers; undefined for nothing. */
export function saidOfEncryption({ headers }: S3Call): readonly string[] | undefined {
  const values = [METHOD, KEY_ID, BUCKET_KEY].map((name) => headers.get(name) ?? '');
  return values.some((value) => value !== '') ? values : undefined;
}

function readMethod(call: S3Call, method: string): EncryptionRequest {
  const keyId = call.headers.get(KEY_ID);
  if (method === 'aws:kms') {
    const bucketKey = readBucketKey(call) ?? bucketEncryption(call.openBucket.bucket)?.bucketKey;
    return { kind: 'named', keyId: checkedKeyId(keyId), bucketKey };
  }
  if (method === 'aws:kms:dsse') throw noDoubleEncryption();
  if (method !== 'AES256') {
    throw invalidArgument('The encryption method specified is not supported', METHOD, method);
  }
  if (keyId !== undefined) throw needsKmsMethod(method);
  return { kind: 'master' };
}

function defaultField(call: S3Call): { readonly encryption?: EncryptionRequest } {
  const byDefault = bucketEncryption(call.openBucket.bucket);
  if (byDefault?.algorithm === undefined) return {};
  if (byDefault.algorithm === 'AES256') return { encryption: { kind: 'master' } };
  const { keyId } = byDefault;
  const bucketKey = readBucketKey(call) ?? byDefault.bucketKey;
  return { encryption: { kind: 'named', keyId, bucketKey } };
}

function readBucketKey(call: S3Call): boolean | undefined {
  const value = call.headers.get(BUCKET_KEY)?.toLowerCase();
  if (value === undefined || value === 'true' || value === 'false') {
    return value === undefined ? undefined : value === 'true';
  }
  throw invalidArgument(`The value of ${BUCKET_KEY} is true or false.`, BUCKET_KEY, value);
}

function checkedKeyId(keyId: string | undefined): string | undefined {
  if (keyId === undefined || (keyId !== '' && keyId.length <= KEY_ID_LIMIT)) return keyId;
  throw invalidArgument('The name of the key is empty or too long.', KEY_ID, '');
}

/** A read says nothing of how the object is encrypted, but for a customer's key. @throws S3Error InvalidArgument */
export function refuseMethodOfRead(call: S3Call): void {
  for (const name of [METHOD, KEY_ID]) {
    const value = call.headers.get(name);
    if (value === undefined) continue;
    throw invalidArgument(`${name} header is not supported for this operation.`, name, value);
  }
}

/** What an answer says of how the object, or the upload, is encrypted. */
export function encryptionHeaders(
  call: S3Call,
  { encryption }: { readonly encryption?: ObjectEncryption | undefined },
): HeaderList {
  switch (encryption?.kind) {
    case undefined:
      return [];
    case 'customer':
      return customerKeyHeaders(call);
    case 'master':
      return [METHOD, 'AES256'];
    case 'named': {
      const headers: HeaderList = [METHOD, 'aws:kms', KEY_ID, encryption.keyId];
      if (encryption.bucketKey) headers.push(BUCKET_KEY, 'true');
      return headers;
    }
  }
}

function needsKmsMethod(method: string | undefined): S3Error {
  return invalidArgument(
    `Server Side Encryption with AWS KMS managed key requires HTTP header ${METHOD} : aws:kms`,
    METHOD,
    method ?? 'null',
  );
}

function blocked(): S3Error {
  return new S3Error(
    'AccessDenied',
    'The bucket does not allow encryption with keys that customers provide (SSE-C).',
  );
}
