import { OperatingError } from '@holdfast/bytes';
import type { Condition } from '@holdfast/kv';

/** A data key as it is stored beside the object. */
export interface SealedKey {
  /** At most 4 KiB. */
  readonly sealed: Uint8Array;
  /**
   * Asked for by the transaction that stores it: where it does not hold, the version that sealed it is being given up,
   * and `rewrap` seals it with another. Left out where no version is given up while the process runs.
   */
  readonly stillSeals?: Condition | undefined;
}

/** A fresh key for the bytes of one object. */
export interface DataKey extends SealedKey {
  /** 32 bytes; in memory only. */
  readonly plain: Uint8Array;
}

/**
 * Who has the keys that data keys are sealed with. The store never sees those keys. Every method rejects with a
 * `KeyServiceError`, or with an error of its own where the service cannot be reached.
 */
export interface KeyService {
  /** The key of requests that name none; undefined where they are refused. */
  readonly defaultKeyId: string | undefined;
  generateDataKey(keyId: string): Promise<DataKey>;
  /** The plain data key. */
  unwrap(keyId: string, sealed: Uint8Array): Promise<Uint8Array>;
  /** The data key sealed with the present version of the key; undefined where it is so already. */
  rewrap(keyId: string, sealed: Uint8Array): Promise<SealedKey | undefined>;
}

/** What sealing all data keys anew did. */
export interface RewrapReport {
  /** Records whose data key was sealed anew. */
  readonly rewrapped: number;
  /** Records whose key is not there, or does not open them. */
  readonly failed: number;
  /** Whether every record was looked at: then the older versions seal none but those that failed. */
  readonly whole: boolean;
}

export type KeyServiceErrorCode =
  /** There is no key of that name, or not the version of it that sealed the data key. */
  | 'KEY_NOT_FOUND'
  /** The data key is garbled, or was sealed for another key. */
  | 'KEY_MISMATCH';

/** A refusal of a `KeyService`. Its message never has a key in it. */
export class KeyServiceError extends OperatingError {
  override readonly code: KeyServiceErrorCode;

  constructor(code: KeyServiceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
