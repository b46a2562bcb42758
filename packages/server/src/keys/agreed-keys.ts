import type { Env, Random } from '@holdfast/env';
import {
  createLocalKeys,
  type DataKey,
  type KeyService,
  keyFingerprint,
  type SealedKey,
} from '@holdfast/objects';
import { SettingsError } from '../settings-error.ts';
import { SecretBox } from '../users/secret-box.ts';
import { type AgreedKey, MASTER_KEY_ID } from './key-agreement.ts';

/** The master keys of a node of a cluster: all of its file open, and the one seals that the nodes have agreed on. */
export class AgreedKeys implements KeyService {
  readonly defaultKeyId: string = MASTER_KEY_ID;
  /** Of the file's keys, in its order; empty for a node that has no file. */
  readonly present: readonly string[];
  readonly #env: Pick<Env, 'ciphers' | 'random'>;
  readonly #path: string;
  readonly #keys: readonly Uint8Array[];
  #sealing: Sealing | undefined;

  /** `path` is what messages call the file. */
  constructor(env: Pick<Env, 'ciphers' | 'random'>, path: string, keys: readonly Uint8Array[]) {
    this.#env = env;
    this.#path = path;
    this.#keys = keys;
    this.present = keys.map((key) => keyFingerprint(env, key));
  }

  get agreed(): AgreedKey | undefined {
    return this.#sealing?.agreed;
  }

  /** From now on this one seals. Throws a SettingsError where the file does not have it. */
  use(agreed: AgreedKey): void {
    const ordered = this.#startingWith(agreed.fingerprint);
    const service = createLocalKeys({ env: this.#env, keys: new Map([[MASTER_KEY_ID, ordered]]) });
    this.#sealing = { agreed, service };
  }

  /** Opens what any key of the file sealed, and seals with the agreed one. */
  secretBox(random: Random): SecretBox {
    return new SecretBox(this.#startingWith(this.#sealed().agreed.fingerprint), random);
  }

  async fingerprints(): Promise<readonly string[]> {
    return this.present;
  }

  async generateDataKey(keyId: string): Promise<DataKey> {
    const { agreed, service } = this.#sealed();
    return { ...(await service.generateDataKey(keyId)), stillSeals: agreed.stillSeals };
  }

  async unwrap(keyId: string, sealed: Uint8Array): Promise<Uint8Array> {
    return await this.#sealed().service.unwrap(keyId, sealed);
  }

  async rewrap(keyId: string, sealed: Uint8Array): Promise<SealedKey | undefined> {
    const { agreed, service } = this.#sealed();
    const again = await service.rewrap(keyId, sealed);
    return again && { ...again, stillSeals: agreed.stillSeals };
  }

  #sealed(): Sealing {
    if (this.#sealing !== undefined) return this.#sealing;
    throw new SettingsError(
      'The nodes of this cluster have no master key in common: every node needs a copy of the same file.',
    );
  }

  #startingWith(fingerprint: string): readonly Uint8Array[] {
    const at = this.present.indexOf(fingerprint);
    const first = this.#keys[at];
    if (first === undefined) {
      throw new SettingsError(
        `The master key ${fingerprint} is not in ${this.#path}, and the nodes of this cluster seal with it. ` +
          'Give this node a copy of the key file of the others.',
      );
    }
    return [first, ...this.#keys.toSpliced(at, 1)];
  }
}

interface Sealing {
  readonly agreed: AgreedKey;
  readonly service: KeyService;
}
