/** SSE-C: keys that come with the request and are forgotten after it. */
import type { HeaderList } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

const KEY_BYTES = 32;
const ALGORITHM = 'AES256';
const ARGUMENT = 'x-amz-server-side-encryption';

/** The three headers: of the object that is read or written, and of the source of a copy. */
const HEADERS: Readonly<Record<'object' | 'source', HeaderNames>> = {
  object: headerNames('x-amz-server-side-encryption-customer-'),
  source: headerNames('x-amz-copy-source-server-side-encryption-customer-'),
};

type HeaderNames = Readonly<Record<'algorithm' | 'key' | 'md5', string>>;

// Why not put together where they are looked up: each request asks for them, and most have none.
function headerNames(prefix: string): HeaderNames {
  return { algorithm: `${prefix}algorithm`, key: `${prefix}key`, md5: `${prefix}key-md5` };
}

/**
 * The customer's key; undefined where the request names none. It is never part of an error.
 *
 * Source: Amazon S3 User Guide, "Using server-side encryption with customer-provided keys (SSE-C)".
 *
 * @throws S3Error InvalidArgument, InvalidEncryptionAlgorithmError, InvalidRequest (not over TLS)
 */
export function readCustomerKey(
  call: S3Call,
  of: 'object' | 'source' = 'object',
): Uint8Array | undefined {
  const { headers } = call;
  const names = HEADERS[of];
  const algorithm = headers.get(names.algorithm);
  const text = headers.get(names.key);
  const md5 = headers.get(names.md5);
  if (algorithm === undefined && text === undefined && md5 === undefined) return undefined;
  if (algorithm === undefined) throw mustProvide('a valid encryption algorithm');
  if (algorithm !== ALGORITHM) {
    throw new S3Error('InvalidEncryptionAlgorithmError', undefined, {
      ArgumentName: ARGUMENT,
      ArgumentValue: algorithm,
    });
  }
  if (text === undefined) throw mustProvide('an appropriate secret key');
  if (md5 === undefined) throw mustProvide('the client calculated MD5 of the secret key');
  requireSecure(call);
  const key = Buffer.from(text, 'base64');
  if (key.length !== KEY_BYTES || key.toString('base64') !== text) {
    throw refused('The secret key was invalid for the specified algorithm.');
  }
  const digest = call.service.env.digests.compute(['md5'], key).get('md5') as Uint8Array;
  if (Buffer.from(digest).toString('base64') !== md5) {
    throw refused('The calculated MD5 hash of the key did not match the hash that was provided.');
  }
  return key;
}

/** As `readCustomerKey`, as a field of a request to the store. */
export function customerKeyField(call: S3Call): { readonly customerKey?: Uint8Array } {
  const customerKey = readCustomerKey(call);
  return customerKey === undefined ? {} : { customerKey };
}

/** As `customerKeyField`, of the source of a copy. */
export function sourceKeyField(call: S3Call): { readonly sourceCustomerKey?: Uint8Array } {
  const sourceCustomerKey = readCustomerKey(call, 'source');
  return sourceCustomerKey === undefined ? {} : { sourceCustomerKey };
}

/** What the answer says of a key that the request had. */
export function customerKeyHeaders(call: S3Call): HeaderList {
  const names = HEADERS.object;
  const md5 = call.headers.get(names.md5);
  const headers: HeaderList = [names.algorithm, ALGORITHM];
  if (md5 !== undefined) headers.push(`${names.key}-MD5`, md5);
  return headers;
}

/** A key must not cross a network in the open: over TLS, from this machine, or where the operator allows it. */
function requireSecure(call: S3Call): void {
  const { socket } = call.req;
  if (call.isSecure || call.service.customerKeysOverHttp || isLoopback(socket.remoteAddress))
    return;
  throw new S3Error(
    'InvalidRequest',
    'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
  );
}

/** Whether an address is of this machine: 127.0.0.0/8, ::1, or the first within IPv6. */
export function isLoopback(address: string | undefined): boolean {
  return /^(::ffff:)?127\.|^::1$/i.test(address ?? '');
}

function mustProvide(what: string): S3Error {
  return refused(
    `Requests specifying Server Side Encryption with Customer provided keys must provide ${what}.`,
  );
}

function refused(message: string): S3Error {
  return new S3Error('InvalidArgument', message, { ArgumentName: ARGUMENT });
}
