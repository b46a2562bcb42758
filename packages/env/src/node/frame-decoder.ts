import { invariant } from '@holdfast/bytes';

/** u32, little-endian: the bytes of the frame that follows. */
export const FRAME_HEADER_BYTES = 4;

/**
 * Cuts a stream of bytes into frames. A frame that lies in one piece of the stream shares its memory; one that does
 * not is put together in memory of its own. Only bytes of a proven peer come here.
 */
export class FrameDecoder {
  readonly #limitBytes: number;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerLength = 0;
  /** The frame that is being put together. */
  #frame: Uint8Array | undefined;
  #frameLength = 0;
  #isPieceShared = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Whether a frame has begun that has not ended. */
  get isInside(): boolean {
    return this.#headerLength > 0 || this.#frame !== undefined;
  }

  /** Whether a frame shares the memory of the piece that was pushed last. */
  get isPieceShared(): boolean {
    return this.#isPieceShared;
  }

  /** Adds the frames that the piece completes to `frames`. Returns false where one is above the limit. */
  push(piece: Uint8Array, frames: Uint8Array[]): boolean {
    let offset = 0;
    this.#isPieceShared = false;
    while (offset < piece.length) {
      if (this.#frame !== undefined) {
        offset += this.#fill(piece.subarray(offset), frames);
        continue;
      }
      const length = this.#takeHeader(piece, offset);
      if (length === undefined) return true;
      offset += FRAME_HEADER_BYTES - this.#headerLength;
      this.#headerLength = 0;
      if (length > this.#limitBytes) return false;
      if (length <= piece.length - offset) {
        frames.push(piece.subarray(offset, offset + length));
        this.#isPieceShared = true;
        offset += length;
      } else {
        // Not from a pool: a frame that is kept must not keep others.
        this.#frame = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
        this.#frameLength = 0;
      }
    }
    return true;
  }

  /** The length in the header that ends in the piece. `#headerLength` stays what came of it in earlier pieces. */
  #takeHeader(piece: Uint8Array, offset: number): number | undefined {
    const wanted = FRAME_HEADER_BYTES - this.#headerLength;
    const part = piece.subarray(offset, offset + wanted);
    this.#header.set(part, this.#headerLength);
    if (part.length < wanted) {
      this.#headerLength += part.length;
      return undefined;
    }
    const [a = 0, b = 0, c = 0, d = 0] = this.#header;
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  #fill(piece: Uint8Array, frames: Uint8Array[]): number {
    const frame = this.#frame;
    invariant(frame !== undefined, 'a frame has begun');
    const part = piece.subarray(0, frame.length - this.#frameLength);
    frame.set(part, this.#frameLength);
    this.#frameLength += part.length;
    if (this.#frameLength === frame.length) {
      frames.push(frame);
      this.#frame = undefined;
    }
    return part.length;
  }
}
