/** How the bytes of an object are encrypted, as callers ask for it and as records keep it. */
import type { ByteReader, ByteWriter } from '@holdfast/bytes';

/** What a write asks for: a key of the customer's, the store's master key, or a key that has a name. */
export type EncryptionRequest =
  | {
      readonly kind: 'customer';
      /** 32 bytes. Never stored, never logged. */
      readonly key: Uint8Array;
    }
  | { readonly kind: 'master' }
  | {
      readonly kind: 'named';
      /** undefined: the default key. */
      readonly keyId?: string | undefined;
      /** Kept, and shown with the object; it changes nothing else. */
      readonly bucketKey?: boolean | undefined;
    };

/** How an object is encrypted. Its ETag is the MD5 of the bytes only where the kind is `master`. */
export type ObjectEncryption =
  | { readonly kind: 'customer' }
  | { readonly kind: 'master' }
  | { readonly kind: 'named'; readonly keyId: string; readonly bucketKey: boolean };

/** As it is kept: with the data key, sealed with the key that the kind says. */
export type EncryptionRecord = ObjectEncryption & { readonly sealedKey: Uint8Array };

/** The number on disk; a number is never given another meaning. */
const KIND = { customer: 1, master: 2, named: 3 } as const;

export function writeEncryption(writer: ByteWriter, record: EncryptionRecord): void {
  writer.u8(KIND[record.kind]).sized(record.sealedKey);
  if (record.kind === 'named') writer.text(record.keyId).u8(record.bucketKey ? 1 : 0);
}

export function readEncryption(reader: ByteReader): EncryptionRecord {
  const kind = reader.u8();
  const sealedKey = reader.sized();
  if (kind === KIND.customer) return { kind: 'customer', sealedKey };
  if (kind === KIND.master) return { kind: 'master', sealedKey };
  return { kind: 'named', sealedKey, keyId: reader.text(), bucketKey: reader.u8() === 1 };
}

/** What callers see of a record: everything but the sealed key. */
export function encryptionInfo(record: EncryptionRecord): ObjectEncryption {
  const { sealedKey: _sealedKey, ...shown } = record;
  return shown;
}
