/**
 * The aws-chunked encoding, decoded as the bytes come in:
 *
 *     HEX-SIZE[;chunk-signature=64 HEX DIGITS] CR LF
 *     data CR LF
 *     …
 *     0[;chunk-signature=…] CR LF
 *     [name:value CR LF …]
 *     CR LF
 *
 * Invariant: memory is one line. Data is handed on as slices of the pieces it came in.
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring
 * Payload in Multiple Chunks (Chunked Upload)".
 */
import { BodyError } from './body-error.ts';
import type { ChunkSignatures } from './chunk-signatures.ts';
import type { TrailerCollector } from './trailers.ts';

const CR = 0x0d;
const LF = 0x0a;
/** A size line has 16 + 17 + 64 characters; a trailer is a name and a checksum. */
const MAX_LINE_BYTES = 512;
const SIGNED_SIZE_LINE = /^([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})\r$/;
const PLAIN_SIZE_LINE = /^([0-9a-fA-F]{1,16})\r$/;

export interface FrameRules {
  /** Size of the decoded body. */
  readonly sizeBytes: number;
  /** Every chunk but the last must be at least so large. */
  readonly minChunkBytes: number;
  /** Undefined where chunks are not signed. */
  readonly signatures: ChunkSignatures | undefined;
  /** Undefined where there can be no trailers. */
  readonly trailers: TrailerCollector | undefined;
}

type State = 'size-line' | 'data' | 'data-cr' | 'data-lf' | 'trailer-line' | 'end';

export class FrameDecoder {
  readonly #rules: FrameRules;
  #state: State = 'size-line';
  /** What came of a line that is not complete yet. */
  #line = '';
  #chunkSignature = '';
  #chunkBytes = 0;
  #chunkBytesLeft = 0;
  #chunkCount = 0;
  #decodedBytes = 0;
  /** The last trailer line ended in a bare LF: some clients end each with LF CR LF. */
  #afterBareLf = false;

  constructor(rules: FrameRules) {
    this.#rules = rules;
  }

  /** Decodes one piece; the results are slices of it. Throws a `BodyError`. */
  push(piece: Uint8Array): Uint8Array[] {
    const decoded: Uint8Array[] = [];
    let at = 0;
    while (at < piece.length) {
      if (this.#state === 'data') {
        const data = piece.subarray(at, at + this.#chunkBytesLeft);
        at += data.length;
        this.#takeData(data);
        decoded.push(data);
      } else if (this.#state === 'data-cr' || this.#state === 'data-lf') {
        this.#takeDataEnd(piece[at] as number);
        at += 1;
      } else {
        at = this.#takeLine(piece, at);
      }
    }
    return decoded;
  }

  /** There is no more. Throws `BodyError` IncompleteBody unless the encoding is complete. */
  end(): void {
    if (this.#state !== 'end') throw endedEarly();
  }

  #takeData(data: Uint8Array): void {
    this.#rules.signatures?.update(data);
    this.#chunkBytesLeft -= data.length;
    this.#decodedBytes += data.length;
    if (this.#chunkBytesLeft > 0) return;
    this.#rules.signatures?.endChunk(this.#chunkSignature);
    this.#state = 'data-cr';
  }

  #takeDataEnd(byte: number): void {
    if (byte !== (this.#state === 'data-cr' ? CR : LF)) throw endedEarly();
    this.#state = this.#state === 'data-cr' ? 'data-lf' : 'size-line';
  }

  /** Reads up to the next LF and acts on the line if it is complete. Returns where to go on. */
  #takeLine(piece: Uint8Array, at: number): number {
    if (this.#state === 'end') throw endedEarly();
    const limit = Math.min(piece.length, at + MAX_LINE_BYTES + 1);
    const window = piece.subarray(at, limit);
    const lf = window.indexOf(LF);
    const taken = lf === -1 ? window : window.subarray(0, lf);
    this.#line += Buffer.from(taken.buffer, taken.byteOffset, taken.length).toString('latin1');
    if (this.#line.length > MAX_LINE_BYTES) throw endedEarly();
    if (lf === -1) return limit;
    const line = this.#line;
    this.#line = '';
    if (this.#state === 'size-line') this.#beginChunk(line);
    else this.#takeTrailerLine(line);
    return at + lf + 1;
  }

  #beginChunk(line: string): void {
    const { signatures } = this.#rules;
    const match = (signatures === undefined ? PLAIN_SIZE_LINE : SIGNED_SIZE_LINE).exec(line);
    if (match === null) throw endedEarly();
    const sizeBytes = Number.parseInt(match[1] as string, 16);
    this.#chunkSignature = match[2] ?? '';
    if (sizeBytes > 0) {
      this.#checkSize(sizeBytes);
      this.#chunkCount += 1;
      this.#chunkBytes = sizeBytes;
      this.#chunkBytesLeft = sizeBytes;
      this.#state = 'data';
      return;
    }
    signatures?.endChunk(this.#chunkSignature);
    if (this.#decodedBytes !== this.#rules.sizeBytes) {
      throw wrongLength(this.#rules.sizeBytes, this.#decodedBytes);
    }
    this.#state = 'trailer-line';
  }

  #checkSize(sizeBytes: number): void {
    if (this.#chunkCount > 0 && this.#chunkBytes < this.#rules.minChunkBytes) {
      throw new BodyError(
        'InvalidChunkSizeError',
        `Only the last chunk is allowed to have a size less than ${this.#rules.minChunkBytes} bytes`,
        { Chunk: String(this.#chunkCount + 1), BadChunkSize: String(this.#chunkBytes) },
      );
    }
    const total = this.#decodedBytes + sizeBytes;
    if (total > this.#rules.sizeBytes) throw wrongLength(this.#rules.sizeBytes, total);
  }

  #takeTrailerLine(line: string): void {
    const ended = line.endsWith('\r') ? line.slice(0, -1) : line;
    const bareLf = ended.length === line.length;
    if (ended === '') {
      if (bareLf) throw endedEarly();
      if (this.#afterBareLf) this.#afterBareLf = false;
      else this.#finishTrailers();
      return;
    }
    if (this.#rules.trailers === undefined) throw endedEarly();
    this.#rules.trailers.add(ended);
    this.#afterBareLf = bareLf;
  }

  #finishTrailers(): void {
    this.#rules.trailers?.finish(this.#rules.signatures);
    this.#state = 'end';
  }
}

/** S3's answer to a body that ends early and to one that is not in aws-chunked encoding at all. */
export function endedEarly(cause?: unknown): BodyError {
  return new BodyError('IncompleteBody', 'The request body terminated unexpectedly', {}, { cause });
}

export function wrongLength(expectedBytes: number, providedBytes: number): BodyError {
  return new BodyError(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
    {
      NumberBytesExpected: String(expectedBytes),
      NumberBytesProvided: String(providedBytes),
    },
  );
}
