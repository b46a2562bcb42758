import type { Env } from '@holdfast/env';
import type { KvStore } from '@holdfast/kv';
import {
  createLocalKeys,
  type KeyService,
  keyFingerprint,
  type SealedKey,
} from '@holdfast/objects';
import { type KeyKind, recordUse } from './key-usage.ts';

/** Keys by name, each with its versions, the present one first; never empty lists. */
export type KeyVersions = ReadonlyMap<string, readonly Uint8Array[]>;

export interface KeyRingOptions {
  readonly env: Env;
  readonly kv: KvStore;
  readonly kind: KeyKind;
  readonly defaultKeyId: string | undefined;
  /** Whether data keys of older versions are sealed anew. Default true. */
  readonly rewraps?: boolean;
  /** Reads the keys, or makes them where there are none yet; called once, when they are first needed. */
  readonly load: () => Promise<KeyVersions>;
}

/**
 * `KeyService` with the keys of a file. Before a version seals its first data key, the store remembers that it may have,
 * so that a start without it is noticed.
 */
export class KeyRing implements KeyService {
  readonly #options: KeyRingOptions;
  readonly #recorded = new Map<string, Promise<void>>();
  #loaded: Promise<Loaded> | undefined;

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  get defaultKeyId(): string | undefined {
    return this.#options.defaultKeyId;
  }

  async generateDataKey(keyId: string): ReturnType<KeyService['generateDataKey']> {
    const { service } = await this.#load();
    const dataKey = await service.generateDataKey(keyId);
    await this.#record(keyId);
    return dataKey;
  }

  async unwrap(keyId: string, sealed: Uint8Array): Promise<Uint8Array> {
    return await (await this.#load()).service.unwrap(keyId, sealed);
  }

  async rewrap(keyId: string, sealed: Uint8Array): Promise<SealedKey | undefined> {
    if (this.#options.rewraps === false) return undefined;
    const again = await (await this.#load()).service.rewrap(keyId, sealed);
    if (again !== undefined) await this.#record(keyId);
    return again;
  }

  /** Fingerprints of the versions of a key, the present one first; none for a key that is not there. */
  async fingerprints(keyId: string): Promise<readonly string[]> {
    return (await this.#load()).fingerprints.get(keyId) ?? [];
  }

  async #record(keyId: string): Promise<void> {
    const { kv, kind } = this.#options;
    const [fingerprint = ''] = await this.fingerprints(keyId);
    let recorded = this.#recorded.get(keyId);
    if (recorded === undefined) {
      recorded = recordUse(kv, { kind, keyId, fingerprint });
      this.#recorded.set(keyId, recorded);
      // Why: the next write tries again.
      recorded.catch(() => this.#recorded.delete(keyId));
    }
    await recorded;
  }

  #load(): Promise<Loaded> {
    if (this.#loaded === undefined) {
      this.#loaded = this.#read();
      this.#loaded.catch(() => {
        this.#loaded = undefined;
      });
    }
    return this.#loaded;
  }

  async #read(): Promise<Loaded> {
    const { env, load } = this.#options;
    const keys = await load();
    const fingerprints = new Map(
      [...keys].map(([keyId, versions]) => [
        keyId,
        versions.map((key) => keyFingerprint(env, key)),
      ]),
    );
    return { service: createLocalKeys({ env, keys }), fingerprints };
  }
}

interface Loaded {
  readonly service: KeyService;
  readonly fingerprints: ReadonlyMap<string, readonly string[]>;
}
