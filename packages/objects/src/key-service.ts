import { OperatingError } from '@holdfast/bytes';

/** A fresh key for the bytes of one object. */
export interface DataKey {
  /** 32 bytes; in memory only. */
  readonly plain: Uint8Array;
  /** The same, sealed: what is stored beside the object. At most 4 KiB. */
  readonly sealed: Uint8Array;
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
  rewrap(keyId: string, sealed: Uint8Array): Promise<Uint8Array | undefined>;
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
