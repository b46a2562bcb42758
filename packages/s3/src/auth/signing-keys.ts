import { createHmac } from 'node:crypto';
import type { CredentialScope } from './authentication.ts';
import type { Credential } from './credential.ts';
import { SigningKey } from './signing-key.ts';

/**
 * The key that signs requests of one access key on one day in one region.
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header", task 3.
 */
export function deriveSigningKey(secret: string, scope: CredentialScope): SigningKey {
  let key: string | Buffer = `AWS4${secret}`;
  for (const part of [scope.date, scope.region, scope.service, 'aws4_request']) {
    key = createHmac('sha256', key).update(part).digest();
  }
  return new SigningKey(key as Buffer);
}

interface CachedKey {
  readonly credential: Credential;
  readonly secret: string;
  readonly key: SigningKey;
}

/**
 * Signing keys that have signed something, the oldest forgotten first. Deriving one costs about 50 us,
 * which is more than all the rest of checking a request.
 *
 * Safety: only keys of requests whose signature was right are kept, so a stranger cannot push others
 * out; and a key is used only while its access key has the secret that it was derived from.
 */
export class SigningKeys {
  readonly #maxKeys: number;
  /** By credential: access key and scope. */
  readonly #keys = new Map<string, CachedKey>();

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The credential of this text; it says nothing about whether its access key is still there. */
  credential(text: string): Credential | undefined {
    return this.#keys.get(text)?.credential;
  }

  find({ text }: Credential, secret: string): SigningKey | undefined {
    const cached = this.#keys.get(text);
    return cached?.secret === secret ? cached.key : undefined;
  }

  keep(credential: Credential, secret: string, key: SigningKey): void {
    this.#keys.delete(credential.text);
    this.#keys.set(credential.text, { credential, secret, key });
    if (this.#keys.size <= this.#maxKeys) return;
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest);
      break;
    }
  }
}
