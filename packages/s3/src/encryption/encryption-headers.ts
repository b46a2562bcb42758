import type { EncryptionRequest, ObjectEncryption } from '@holdfast/objects';
import type { HeaderList } from '../answer.ts';
import type { S3Call } from '../s3-call.ts';
import { customerKeyHeaders, readCustomerKey } from './customer-key.ts';

/** How a write asks for its object to be encrypted; empty where it is not to be. */
export function encryptionField(call: S3Call): { readonly encryption?: EncryptionRequest } {
  const key = readCustomerKey(call);
  return key === undefined ? {} : { encryption: { kind: 'customer', key } };
}

/** What an answer says of how the object, or the upload, is encrypted. */
export function encryptionHeaders(
  call: S3Call,
  { encryption }: { readonly encryption?: ObjectEncryption },
): HeaderList {
  return encryption?.kind === 'customer' ? customerKeyHeaders(call) : [];
}
