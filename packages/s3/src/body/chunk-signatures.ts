import type { Hash } from 'node:crypto';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { SignedRequest } from '../auth/authentication.ts';
import { BodyError } from './body-error.ts';

const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/**
 * Checks the signatures of an aws-chunked body one after the other. Each covers the one before, and
 * the first covers the signature of the headers, so no chunk can be left out, repeated or moved.
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring
 * Payload in Multiple Chunks (Chunked Upload)" and "… Including Trailing Headers".
 */
export class ChunkSignatures {
  readonly #request: SignedRequest;
  #previous: string;
  #hash: Hash | undefined;

  constructor(request: SignedRequest) {
    this.#request = request;
    this.#previous = request.seedSignature;
  }

  /** Adds data of the current chunk. */
  update(bytes: Uint8Array): void {
    this.#hash ??= createHash('sha256');
    this.#hash.update(bytes);
  }

  /** Ends the current chunk. Throws `BodyError` SignatureDoesNotMatch. */
  endChunk(signature: string): void {
    const chunkSha256 = this.#hash?.digest('hex') ?? SHA256_OF_NOTHING;
    this.#hash = undefined;
    this.#verify('AWS4-HMAC-SHA256-PAYLOAD', `${SHA256_OF_NOTHING}\n${chunkSha256}`, signature);
  }

  /** Checks the trailers, one `name:value\n` each. Throws `BodyError` SignatureDoesNotMatch. */
  endTrailers(canonicalTrailers: string, signature: string): void {
    const sha256 = createHash('sha256').update(canonicalTrailers, 'latin1').digest('hex');
    this.#verify('AWS4-HMAC-SHA256-TRAILER', sha256, signature);
  }

  #verify(algorithm: string, payload: string, given: string): void {
    const { amzDate, scope, signingKey, accessKeyId } = this.#request;
    const toSign = `${algorithm}\n${amzDate}\n${scope.text}\n${this.#previous}\n${payload}`;
    const expected = signingKey.sign(toSign);
    const same =
      given.length === expected.length &&
      timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'));
    if (!same) {
      throw new BodyError(
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your ' +
          'key and signing method.',
        { AWSAccessKeyId: accessKeyId, StringToSign: toSign, SignatureProvided: given },
      );
    }
    this.#previous = expected;
  }
}
