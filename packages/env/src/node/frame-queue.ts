import { FRAME_HEADER_BYTES } from './frame-decoder.ts';

/** A part below it is copied together with its neighbours: a piece of a write costs more than copying so much. */
const COPY_BELOW_BYTES = 8192;
/** Of one buffer into which small parts are copied. */
const BUFFER_BYTES = 64 * 1024;

/** Frames that wait for the socket, and how they are put together into few pieces. */
export class FrameQueue {
  #parts: Uint8Array[] = [];
  /** With the headers. */
  bytes = 0;

  push(parts: readonly Uint8Array[], length: number): void {
    const header = new Uint8Array(FRAME_HEADER_BYTES);
    header[0] = length;
    header[1] = length >>> 8;
    header[2] = length >>> 16;
    header[3] = length >>> 24;
    this.#parts.push(header, ...parts);
    this.bytes += length + FRAME_HEADER_BYTES;
  }

  clear(): void {
    this.#parts = [];
    this.bytes = 0;
  }

  /** Takes about `limitBytes`, small parts copied together; of a part that is much larger, the beginning. */
  take(limitBytes: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let small: Uint8Array[] = [];
    let smallBytes = 0;
    let taken = 0;
    let count = 0;
    const join = (): void => {
      if (small.length > 0) pieces.push(joined(small, smallBytes));
      small = [];
      smallBytes = 0;
    };
    for (const whole of this.#parts) {
      if (taken >= limitBytes) break;
      const isCut = whole.length > limitBytes + COPY_BELOW_BYTES;
      const part = isCut ? whole.subarray(0, limitBytes) : whole;
      if (isCut) this.#parts[count] = whole.subarray(limitBytes);
      else count += 1;
      taken += part.length;
      if (part.length >= COPY_BELOW_BYTES) {
        join();
        pieces.push(part);
        continue;
      }
      if (smallBytes + part.length > BUFFER_BYTES) join();
      small.push(part);
      smallBytes += part.length;
    }
    join();
    this.#parts = count === this.#parts.length ? [] : this.#parts.slice(count);
    this.bytes -= taken;
    return pieces;
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const target = Buffer.allocUnsafe(length);
  let offset = 0;
  for (const part of parts) {
    target.set(part, offset);
    offset += part.length;
  }
  return target;
}
