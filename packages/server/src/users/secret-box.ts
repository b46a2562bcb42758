import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '@holdfast/env';
import { SettingsError } from '../settings-error.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals small secrets with the first of the master keys, and opens what any of them sealed: AES-256-GCM with a fresh random nonce. A sealed secret is base64 of
 * nonce (12), ciphertext, tag (16), and can be opened only for the `owner` that it was sealed for, so that
 * nobody who can write the store can give one user another's secret.
 */
export class SecretBox {
  readonly #keys: readonly Uint8Array[];
  readonly #random: Random;
  #openedOlder = false;

  /** At least one key. */
  constructor(keys: readonly Uint8Array[], random: Random) {
    this.#keys = keys;
    this.#random = random;
  }

  /** Whether any secret was opened that another than the first key had sealed. */
  get openedOlder(): boolean {
    return this.#openedOlder;
  }

  seal(secret: string, owner: string): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys[0] as Uint8Array, nonce).setAAD(
      Buffer.from(owner),
    );
    const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64');
  }

  /** Throws a SettingsError where no key opens it, the owner is another, or a bit of it. */
  open(sealed: string, owner: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    let cause: unknown;
    for (const [at, key] of this.#keys.entries()) {
      try {
        const secret = openWith(key, bytes, owner);
        if (at > 0) this.#openedOlder = true;
        return secret;
      } catch (error) {
        cause = error;
      }
    }
    throw new SettingsError(
      'The master key does not open the access keys that are stored in the data folder. ' +
        'Give the key that they were stored with, in --master-key-file.',
      { cause },
    );
  }
}

function openWith(key: Uint8Array, bytes: Buffer, owner: string): string {
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const end = bytes.length - TAG_BYTES;
  const cipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(owner))
    .setAuthTag(bytes.subarray(end));
  const text = Buffer.concat([cipher.update(bytes.subarray(NONCE_BYTES, end)), cipher.final()]);
  return text.toString('utf8');
}
