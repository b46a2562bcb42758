import type { Condition } from '@holdfast/kv';
import { openDataKey, sealDataKey } from './data-key-seal.ts';
import type { EncryptionRecord, EncryptionRequest } from './encryption.ts';
import { ObjectStoreError } from './errors.ts';
import { type KeyService, KeyServiceError, type SealedKey } from './key-service.ts';
import type { StoreContext } from './store-context.ts';

/** Purpose of a data key that a customer's key seals. */
const CUSTOMER = 'customer';

const DATA_KEY_BYTES = 32;

/** A record, and the key that it seals. The key is in memory only. */
export interface OpenEncryption {
  readonly record: EncryptionRecord;
  readonly dataKey: Uint8Array;
  /** Asked for where the record is stored for the first time; see `SealedKey`. */
  readonly stillSeals?: Condition | undefined;
}

/** A fresh data key for what a write asks for. NotImplemented, KMS.NotFoundException. */
export async function newEncryption(
  context: StoreContext,
  request: EncryptionRequest | undefined,
): Promise<OpenEncryption | undefined> {
  if (request === undefined) return undefined;
  if (request.kind === 'customer') {
    const dataKey = context.env.random.bytes(DATA_KEY_BYTES);
    const sealedKey = sealDataKey(context.env, request.key, CUSTOMER, dataKey);
    return { record: { kind: 'customer', sealedKey }, dataKey };
  }
  if (request.kind === 'master') {
    const service = context.masterKeys;
    if (service?.defaultKeyId === undefined) throw noMasterKey();
    const { plain, sealed, stillSeals } = await service.generateDataKey(service.defaultKeyId);
    return { record: { kind: 'master', sealedKey: sealed }, dataKey: plain, stillSeals };
  }
  const service = context.namedKeys;
  const keyId = request.keyId ?? service?.defaultKeyId;
  if (service === undefined || keyId === undefined) throw noSuchKeyId(keyId);
  const { plain, sealed, stillSeals } = await service
    .generateDataKey(keyId)
    .catch(asNoSuchKeyId(keyId));
  const { bucketKey = false } = request;
  const record = { kind: 'named', keyId, bucketKey, sealedKey: sealed } as const;
  return { record, dataKey: plain, stillSeals };
}

/**
 * The data key of a record as the present version of its key seals it; undefined where that sealed it already, a customer's
 * key did, or nobody here knows the key.
 */
export async function rewrapped(
  { masterKeys, namedKeys }: KeyServices,
  record: EncryptionRecord,
): Promise<SealedKey | undefined> {
  if (record.kind === 'customer') return undefined;
  if (record.kind === 'named') return await namedKeys?.rewrap(record.keyId, record.sealedKey);
  const keyId = masterKeys?.defaultKeyId;
  return keyId === undefined ? undefined : await masterKeys?.rewrap(keyId, record.sealedKey);
}

/** What is said where the keys do not go together, for an object that is read, or for an upload. */
export interface KeyRefusals {
  readonly missing: string;
  /** Refuses another key. */
  readonly other: () => ObjectStoreError;
  readonly needless: string;
}

export const OBJECT_REFUSALS: KeyRefusals = {
  missing:
    'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
  other: () =>
    new ObjectStoreError(
      'AccessDenied',
      'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.',
    ),
  needless: 'The encryption parameters are not applicable to this object.',
};

export const UPLOAD_REFUSALS: KeyRefusals = {
  missing:
    'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
  other: () =>
    invalidRequest('The provided encryption parameters did not match the ones used originally.'),
  needless:
    'The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.',
};

/**
 * The data key of an object or upload; undefined for one that is not encrypted. InvalidRequest where the customer's key
 * is missing, needless, or not that of the upload, AccessDenied where it is not that of the object; KMS.NotFoundException where the named key is gone.
 */
export async function openEncryption(
  context: StoreContext,
  record: EncryptionRecord | undefined,
  customerKey: Uint8Array | undefined,
  refusals: KeyRefusals,
): Promise<OpenEncryption | undefined> {
  const opened = checkCustomerKey(context, record, customerKey, refusals);
  if (record === undefined) return undefined;
  return { record, dataKey: opened ?? (await unwrap(context, record)) };
}

/**
 * The refusals of `openEncryption` that need no key service: for a head, which reads no bytes. The data key that a
 * customer's key opened.
 */
export function checkCustomerKey(
  context: StoreContext,
  record: EncryptionRecord | undefined,
  customerKey: Uint8Array | undefined,
  refusals: KeyRefusals,
): Uint8Array | undefined {
  if (record?.kind !== 'customer') {
    if (customerKey !== undefined) throw invalidRequest(refusals.needless);
    return undefined;
  }
  if (customerKey === undefined) throw invalidRequest(refusals.missing);
  const opened = openDataKey(context.env, customerKey, CUSTOMER, record.sealedKey);
  if (opened === undefined) throw refusals.other();
  return opened;
}

async function unwrap(context: StoreContext, record: EncryptionRecord): Promise<Uint8Array> {
  if (record.kind === 'named') {
    const { keyId } = record;
    if (context.namedKeys === undefined) throw noSuchKeyId(keyId);
    return await context.namedKeys.unwrap(keyId, record.sealedKey).catch(asNoSuchKeyId(keyId));
  }
  const service = context.masterKeys;
  if (service?.defaultKeyId === undefined) throw noMasterKey();
  return await service.unwrap(service.defaultKeyId, record.sealedKey);
}

/** Rethrows; a key that is not there is the client's business. */
function asNoSuchKeyId(keyId: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof KeyServiceError) || error.code !== 'KEY_NOT_FOUND') throw error;
    throw noSuchKeyId(keyId, error);
  };
}

function noSuchKeyId(keyId: string | undefined, cause?: KeyServiceError): ObjectStoreError {
  return new ObjectStoreError('KMS.NotFoundException', whyNoKey(keyId), {}, { cause });
}

/** In the words of AWS, which tells an id that could be one from one that could not. */
function whyNoKey(keyId: string | undefined): string {
  if (keyId === undefined) return 'The request names no key, and there is no default key.';
  if (/^arn:|^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(keyId)) {
    return `Key '${keyId}' does not exist`;
  }
  return `Invalid keyId '${keyId}'`;
}

function noMasterKey(): ObjectStoreError {
  return new ObjectStoreError('NotImplemented', 'There is no master key to encrypt with.');
}

function invalidRequest(message: string): ObjectStoreError {
  return new ObjectStoreError('InvalidRequest', message);
}

/** The two services, each where there is one. */
export interface KeyServices {
  /** Seals what asks for the store's own encryption, SSE-S3. */
  readonly masterKeys: KeyService | undefined;
  /** Seals what asks for a key by its name, SSE-KMS. */
  readonly namedKeys: KeyService | undefined;
}
