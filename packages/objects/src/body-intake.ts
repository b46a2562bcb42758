import { ObjectStoreError } from './errors.ts';
import type { ObjectStoreLimits } from './limits.ts';
import type { BodySource, TakePiece } from './object-store.ts';

/** First size of the buffer for a small body whose size is not known. */
const FIRST_SIZE_BYTES = 4096;

const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Reads a body's pieces and holds them against its declared size and the limits: IncompleteBody where
 * it is shorter or longer than declared, EntityTooLarge past the limit.
 */
export class BodyIntake {
  readonly #body: BodySource;
  readonly #declared: number | undefined;
  readonly #limits: ObjectStoreLimits;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #received = 0;
  #ended = false;
  #start: Uint8Array = NO_BYTES;
  #startLength = 0;
  /** The piece that did not fit into the start. */
  #pending: Uint8Array | undefined;

  constructor(body: BodySource, limits: ObjectStoreLimits) {
    this.#body = body;
    this.#declared = body.sizeBytes;
    this.#limits = limits;
    this.#pieces = body.pieces[Symbol.asyncIterator]();
  }

  /** The whole body if it is small and all of it has come; undefined: go on with `readStart`. */
  takeArrived(): Uint8Array | undefined {
    const declared = this.#declared ?? 0;
    const { putSizeLimitBytes, inlineSizeBytes } = this.#limits;
    if (declared === 0 || declared > Math.min(putSizeLimitBytes, inlineSizeBytes)) return undefined;
    const bytes = this.#body.takeArrived?.();
    if (bytes === undefined) return undefined;
    this.#ended = true;
    if (bytes.length !== declared) throw incomplete();
    return bytes;
  }

  /** The whole body if it is at most `inlineSizeBytes`; undefined where it is larger: go on with `pourRest`. */
  async readStart(): Promise<Uint8Array | undefined> {
    try {
      const declared = this.#declared ?? 0;
      if (declared > this.#limits.putSizeLimitBytes) throw this.#tooLarge();
      if (declared > this.#limits.inlineSizeBytes) return undefined;
      this.#start = new Uint8Array(this.#declared ?? FIRST_SIZE_BYTES);
      for (;;) {
        const piece = await this.#next();
        if (piece === undefined) return this.#start.subarray(0, this.#startLength);
        if (this.#startLength + piece.length > this.#limits.inlineSizeBytes) {
          this.#pending = piece;
          return undefined;
        }
        this.#append(piece);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Gives `take` what `readStart` has read and could not return, then all that follows. */
  async pourRest(take: TakePiece): Promise<void> {
    try {
      const { pour } = this.#body;
      if (pour !== undefined && this.#received === 0) {
        await pour((piece) => {
          this.#count(piece.length);
          return take(piece);
        });
        this.#end();
        return;
      }
      if (this.#startLength > 0) await take(this.#start.subarray(0, this.#startLength));
      this.#start = NO_BYTES;
      if (this.#pending !== undefined) await take(this.#pending);
      for (;;) {
        const piece = await this.#next();
        if (piece === undefined) return;
        await take(piece);
      }
    } finally {
      await this.stop();
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#pieces.next();
    if (done === true) {
      this.#end();
      return undefined;
    }
    this.#count(value.length);
    return value;
  }

  #count(sizeBytes: number): void {
    this.#received += sizeBytes;
    if (this.#declared !== undefined && this.#received > this.#declared) throw incomplete();
    if (this.#received > this.#limits.putSizeLimitBytes) throw this.#tooLarge();
  }

  #end(): void {
    this.#ended = true;
    if (this.#declared !== undefined && this.#received < this.#declared) throw incomplete();
  }

  #append(piece: Uint8Array): void {
    const needed = this.#startLength + piece.length;
    if (needed > this.#start.length) {
      const size = Math.min(Math.max(needed, this.#start.length * 2), this.#limits.inlineSizeBytes);
      const grown = new Uint8Array(size);
      grown.set(this.#start.subarray(0, this.#startLength));
      this.#start = grown;
    }
    this.#start.set(piece, this.#startLength);
    this.#startLength = needed;
  }

  /** Tells the source that no more is wanted. Idempotent. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#pieces.return?.();
  }

  #tooLarge(): ObjectStoreError {
    return new ObjectStoreError(
      'EntityTooLarge',
      'Your proposed upload exceeds the maximum allowed size',
      { sizeBytes: this.#limits.putSizeLimitBytes },
    );
  }
}

function incomplete(): ObjectStoreError {
  return new ObjectStoreError(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  );
}
