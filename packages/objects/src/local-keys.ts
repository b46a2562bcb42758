/** `KeyService` with keys that this process holds, each in one or several versions: the newest seals, all open. */
import { concatBytes, fromHex, invariant, toHex, utf8 } from '@holdfast/bytes';
import { CIPHER_KEY_BYTES, type Env } from '@holdfast/env';
import { openDataKey, sealDataKey } from './data-key-seal.ts';
import { type DataKey, type KeyService, KeyServiceError } from './key-service.ts';

/** First byte of what is sealed here. */
const FORMAT = 1;
const FINGERPRINT_BYTES = 8;
const FINGERPRINT_PURPOSE = utf8('holdfast key fingerprint 1');

export interface LocalKeysOptions {
  readonly env: Pick<Env, 'ciphers' | 'random'>;
  /** By name: 32 bytes each, the present version first. */
  readonly keys: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly defaultKeyId?: string | undefined;
}

/** A name of a key that tells nothing about it: 16 hexadecimal digits. */
export function keyFingerprint({ ciphers }: Pick<Env, 'ciphers'>, key: Uint8Array): string {
  return toHex(ciphers.deriveKey(key, FINGERPRINT_PURPOSE).subarray(0, FINGERPRINT_BYTES));
}

/** The fingerprint of the key version that sealed a data key; undefined for what was not sealed here. */
function sealedWith(sealed: Uint8Array): string | undefined {
  if (sealed[0] !== FORMAT || sealed.length <= 1 + FINGERPRINT_BYTES) return undefined;
  return toHex(sealed.subarray(1, 1 + FINGERPRINT_BYTES));
}

/** What is sealed is the format (1 byte), the version's fingerprint (8), and the data key as `sealDataKey` seals it. */
export function createLocalKeys(options: LocalKeysOptions): KeyService {
  const { env, defaultKeyId } = options;
  const versions = new Map<string, readonly KeyVersion[]>();
  for (const [keyId, keys] of options.keys) {
    invariant(keys.length > 0, 'a named key has at least one version');
    versions.set(
      keyId,
      keys.map((key) => {
        invariant(key.length === CIPHER_KEY_BYTES, 'a key has 32 bytes');
        return { key, fingerprint: keyFingerprint(env, key) };
      }),
    );
  }
  const find = (keyId: string): readonly KeyVersion[] => {
    const found = versions.get(keyId);
    if (found !== undefined) return found;
    throw new KeyServiceError('KEY_NOT_FOUND', `there is no key ${JSON.stringify(keyId)}`);
  };
  const seal = (keyId: string, plain: Uint8Array): Uint8Array => {
    const { key, fingerprint } = find(keyId)[0] as KeyVersion;
    const head = concatBytes([Uint8Array.of(FORMAT), fromHex(fingerprint)]);
    return concatBytes([head, sealDataKey(env, key, purposeOf(keyId), plain)]);
  };
  const open = (keyId: string, sealed: Uint8Array): Uint8Array => {
    const wanted = sealedWith(sealed);
    const version = find(keyId).find(({ fingerprint }) => fingerprint === wanted);
    if (version === undefined) throw versionMissing(keyId, wanted);
    const body = sealed.subarray(1 + FINGERPRINT_BYTES);
    const plain = openDataKey(env, version.key, purposeOf(keyId), body);
    if (plain === undefined) throw mismatch(keyId);
    return plain;
  };
  return {
    defaultKeyId,
    generateDataKey: async (keyId): Promise<DataKey> => {
      const plain = env.random.bytes(CIPHER_KEY_BYTES);
      return { plain, sealed: seal(keyId, plain) };
    },
    unwrap: async (keyId, sealed) => open(keyId, sealed),
    rewrap: async (keyId, sealed) => {
      const plain = open(keyId, sealed);
      const present = (find(keyId)[0] as KeyVersion).fingerprint;
      return present === sealedWith(sealed) ? undefined : { sealed: seal(keyId, plain) };
    },
  };
}

interface KeyVersion {
  readonly key: Uint8Array;
  readonly fingerprint: string;
}

function purposeOf(keyId: string): string {
  return `key ${keyId}`;
}

function versionMissing(keyId: string, fingerprint: string | undefined): KeyServiceError {
  const version = fingerprint ?? 'of an unknown format';
  return new KeyServiceError(
    'KEY_NOT_FOUND',
    `key ${JSON.stringify(keyId)} has no version ${version}, which sealed a data key`,
  );
}

function mismatch(keyId: string): KeyServiceError {
  return new KeyServiceError(
    'KEY_MISMATCH',
    `a data key does not open with key ${JSON.stringify(keyId)}: it was garbled, or sealed for another`,
  );
}
