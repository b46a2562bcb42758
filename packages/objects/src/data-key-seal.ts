import { concatBytes, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';

/** Bytes of the random salt before the sealed key. */
const SALT_BYTES = 16;

const NONCE = new Uint8Array(12);
const NOTHING = new Uint8Array(0);

/**
 * A data key, sealed with another key for one purpose: salt (16), ciphertext (32), tag (16).
 *
 * Safety: a fresh salt gives each seal a key of its own, so one nonce serves them all and no key wears out.
 */
export function sealDataKey(
  env: Pick<Env, 'ciphers' | 'random'>,
  key: Uint8Array,
  purpose: string,
  plain: Uint8Array,
): Uint8Array {
  const salt = env.random.bytes(SALT_BYTES);
  return concatBytes([salt, env.ciphers.seal(sealOf(env, key, purpose, salt), plain)]);
}

/** undefined where the key, the purpose or a bit of it is another. */
export function openDataKey(
  env: Pick<Env, 'ciphers'>,
  key: Uint8Array,
  purpose: string,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const salt = sealed.subarray(0, SALT_BYTES);
  return env.ciphers.open(sealOf(env, key, purpose, salt), sealed.subarray(SALT_BYTES));
}

function sealOf(
  { ciphers }: Pick<Env, 'ciphers'>,
  key: Uint8Array,
  purpose: string,
  salt: Uint8Array,
) {
  const own = ciphers.deriveKey(key, concatBytes([utf8(`holdfast data key 1 ${purpose}\0`), salt]));
  return { key: own, nonce: NONCE, associated: NOTHING };
}
