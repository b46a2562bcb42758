/** Bytes of every key. */
export const CIPHER_KEY_BYTES = 32;
/** Bytes of a nonce. */
export const CIPHER_NONCE_BYTES = 12;
/** Bytes by which what is sealed is longer than what it seals. */
export const CIPHER_TAG_BYTES = 16;

/** What bytes are sealed and opened with. */
export interface CipherSeal {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 12 bytes. Safety: never twice with one key and other bytes. */
  readonly nonce: Uint8Array;
  /** What must be the same when it is opened; it is not stored. */
  readonly associated: Uint8Array;
}

/**
 * Authenticated encryption, AES-256-GCM, behind a port so that large buffers can be sealed off the main thread.
 * What is sealed is the ciphertext, as long as the plain bytes, and a tag of 16 bytes.
 *
 * Source: NIST SP 800-38D.
 */
export interface Ciphers {
  /** A key for one purpose, made of another one: HMAC-SHA-256 of `purpose`. 32 bytes. */
  deriveKey(key: Uint8Array, purpose: Uint8Array): Uint8Array;
  /** On this thread. For small buffers. */
  seal(seal: CipherSeal, plain: Uint8Array): Uint8Array;
  /** On this thread; undefined where the key, the nonce, the associated data or a bit of it is another. */
  open(seal: CipherSeal, sealed: Uint8Array): Uint8Array | undefined;
  /**
   * Seals all of `bytes` but its last 16, which the tag gets. A large buffer of `Digests.allocate` is sealed by a
   * worker thread; it must be left alone until the promise settles.
   */
  sealInPlace(seal: CipherSeal, bytes: Uint8Array): Promise<void>;
  /**
   * Opens what `sealInPlace` made: the plain bytes are all but the last 16. False where `open` gives undefined;
   * the bytes are then as they were.
   */
  openInPlace(seal: CipherSeal, bytes: Uint8Array): Promise<boolean>;
}
