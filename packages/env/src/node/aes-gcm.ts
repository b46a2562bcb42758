import { createCipheriv, createDecipheriv } from 'node:crypto';
import { CIPHER_TAG_BYTES, type CipherSeal } from '../ciphers.ts';

const CIPHER = 'aes-256-gcm';
const OPTIONS = { authTagLength: CIPHER_TAG_BYTES };

/** Ciphertext and tag, in new memory. */
export function sealBytes({ key, nonce, associated }: CipherSeal, plain: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(plain.length + CIPHER_TAG_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS).setAAD(associated);
  sealed.set(cipher.update(plain));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plain.length);
  return sealed;
}

/** The plain bytes, in new memory; undefined where the tag does not verify. */
export function openBytes(
  { key, nonce, associated }: CipherSeal,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - CIPHER_TAG_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonce, OPTIONS).setAAD(associated);
  decipher.setAuthTag(sealed.slice(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

/** As `sealBytes` of all but the last 16 bytes, over the same memory. */
export function sealOver({ key, nonce, associated }: CipherSeal, bytes: Uint8Array): void {
  const end = bytes.length - CIPHER_TAG_BYTES;
  const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS).setAAD(associated);
  bytes.set(cipher.update(bytes.subarray(0, end)));
  cipher.final();
  bytes.set(cipher.getAuthTag(), end);
}

/** As `openBytes`, over the same memory. Safety: nothing is written before the tag has verified. */
export function openOver(seal: CipherSeal, bytes: Uint8Array): boolean {
  const plain = openBytes(seal, bytes);
  if (plain === undefined) return false;
  bytes.set(plain);
  return true;
}
