import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '@holdfast/env';
import { SettingsError } from '../settings-error.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes of a master key. */
export const MASTER_KEY_BYTES = 32;

/**
 * Seals small secrets with a master key: AES-256-GCM with a fresh random nonce. A sealed secret is base64 of
 * nonce (12), ciphertext, tag (16), and can be opened only for the `owner` that it was sealed for, so that
 * nobody who can write the store can give one user another's secret.
 */
export class SecretBox {
  readonly #key: Uint8Array;
  readonly #random: Random;

  constructor(key: Uint8Array, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  seal(secret: string, owner: string): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(owner));
    const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64');
  }

  /** Throws a SettingsError where the key, the owner or a bit of it is another. */
  open(sealed: string, owner: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const end = bytes.length - TAG_BYTES;
    try {
      const cipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(owner))
        .setAuthTag(bytes.subarray(end));
      const text = Buffer.concat([cipher.update(bytes.subarray(NONCE_BYTES, end)), cipher.final()]);
      return text.toString('utf8');
    } catch (cause) {
      throw new SettingsError(
        'The master key does not open the access keys that are stored in the data folder. ' +
          'Give the key that they were stored with, in --master-key-file.',
        { cause },
      );
    }
  }
}
