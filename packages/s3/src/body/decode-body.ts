import { Readable } from 'node:stream';
import { OperatingError } from '@holdfast/bytes';
import type { TakePiece } from '@holdfast/objects';
import type { Authentication } from '../auth/authentication.ts';
import type { RequestHeaders } from '../auth/request-headers.ts';
import { BodyError } from './body-error.ts';
import { ChunkSignatures } from './chunk-signatures.ts';
import { endedEarly, FrameDecoder, wrongLength } from './frame-decoder.ts';
import { declaredTrailers, hasTrailers, TrailerCollector } from './trailers.ts';

const DEFAULT_MAX_SIZE_BYTES = 5 * 1024 ** 3;
const DEFAULT_MIN_CHUNK_BYTES = 8192;
const LENGTH = /^[0-9]{1,15}$/;

/** The raw body of a request, and the whole of it at once where it can be had. */
export interface BodyPieces extends AsyncIterable<Uint8Array> {
  /** Takes a body of exactly this size if all of it has come and nothing was read yet; else changes nothing. */
  takeWhole?(sizeBytes: number): Uint8Array | undefined;
  /** Gives all of it to `take`, instead of being iterated; rejects with what `take` throws. */
  pour?(take: TakePiece): Promise<void>;
}

export interface DecodedBody {
  /** Size of the body proper: `x-amz-decoded-content-length` or `Content-Length`. undefined: unknown. */
  readonly sizeBytes?: number | undefined;
  /**
   * The body proper, in slices of the source's pieces; may be iterated once. Throws a `BodyError`, at
   * the latest after the last piece. A source that is a Node stream is left open when the iteration
   * stops early, so that an error can still be answered: answer it with `Connection: close`.
   *
   * Safety: pieces are passed on before the signature of their chunk is known. They count only once the
   * iteration has ended without an error; whoever stores them must commit after that.
   */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** The body proper at once, instead of `pieces`, where all of it has come: only of one without frames. */
  readonly takeArrived?: () => Uint8Array | undefined;
  /** Gives the body proper to `take`, instead of `pieces`, with the same errors; those of `take` go through. */
  readonly pour: (take: TakePiece) => Promise<void>;
  /** Trailers by lower-case name; complete, and checked, once `pieces` has ended. */
  readonly trailers: () => ReadonlyMap<string, string>;
  /** Lower-case names of the trailers that the headers declare. */
  readonly declaredTrailers: readonly string[];
}

export interface DecodeBodyOptions {
  /** Refuses a request without a length and without chunks (411). Default true; false for small XML documents. */
  readonly requireLength?: boolean;
  /** Refuses a larger body. Default 5 GiB. */
  readonly maxSizeBytes?: number;
  /** Every aws-chunked chunk but the last must be at least so large. Default 8192, as S3. */
  readonly minChunkBytes?: number;
}

/**
 * The body of a request as its headers and its authentication say that it is encoded. Throws a
 * `BodyError` when the headers alone are wrong, before anything is read.
 */
export function decodeBody(
  source: BodyPieces,
  authentication: Authentication,
  headers: RequestHeaders,
  options: DecodeBodyOptions = {},
): DecodedBody {
  const { payload } = authentication;
  const declared = declaredTrailers(headers, payload);
  const maxSizeBytes = options.maxSizeBytes ?? DEFAULT_MAX_SIZE_BYTES;
  if (typeof payload === 'object' || payload === 'unsigned') {
    const sizeBytes = plainSize(headers, options.requireLength ?? true);
    checkSize(sizeBytes, maxSizeBytes);
    const pieces = new PlainPieces(source, sizeBytes, maxSizeBytes);
    return {
      sizeBytes,
      takeArrived: () => (sizeBytes === undefined ? undefined : source.takeWhole?.(sizeBytes)),
      pieces,
      pour: (take) => pieces.pour(take),
      trailers: () => new Map(),
      declaredTrailers: declared,
    };
  }
  const sizeBytes = lengthHeader(headers, 'x-amz-decoded-content-length');
  if (sizeBytes === undefined) throw missingLength();
  checkSize(sizeBytes, maxSizeBytes);
  const signed = payload !== 'streaming-unsigned-trailer' && authentication.kind === 'signed';
  const trailers = hasTrailers(payload) ? new TrailerCollector(declared) : undefined;
  const decoder = new FrameDecoder({
    sizeBytes,
    minChunkBytes: options.minChunkBytes ?? DEFAULT_MIN_CHUNK_BYTES,
    signatures: signed ? new ChunkSignatures(authentication) : undefined,
    trailers,
  });
  return {
    sizeBytes,
    pieces: framedPieces(source, decoder),
    pour: (take) => pourFrames(source, decoder, take),
    trailers: () => trailers?.values ?? new Map(),
    declaredTrailers: declared,
  };
}

/** `Content-Encoding` to be stored: without `aws-chunked`; undefined if nothing is left. */
export function storedContentEncoding(headers: RequestHeaders): string | undefined {
  const value = headers.get('content-encoding');
  if (value === undefined) return undefined;
  const rest = value
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked');
  return rest.length === 0 ? undefined : rest.join(', ');
}

/** Undefined where the size is not known beforehand. Without a length and chunks there is no body. */
function plainSize(headers: RequestHeaders, requireLength: boolean): number | undefined {
  const sizeBytes = lengthHeader(headers, 'content-length');
  if (sizeBytes !== undefined) return sizeBytes;
  if (headers.has('transfer-encoding')) return undefined;
  if (requireLength) throw missingLength();
  return 0;
}

function lengthHeader(headers: RequestHeaders, name: string): number | undefined {
  const value = headers.get(name);
  if (value === undefined) return undefined;
  if (LENGTH.test(value)) return Number(value);
  throw new BodyError('InvalidArgument', `The value of ${name} is not a length in bytes.`, {
    ArgumentName: name,
    ArgumentValue: value,
  });
}

function missingLength(): BodyError {
  return new BodyError('MissingContentLength', 'You must provide the Content-Length HTTP header.');
}

function checkSize(sizeBytes: number | undefined, maxSizeBytes: number): void {
  const problem = sizeProblem(sizeBytes, maxSizeBytes);
  if (problem !== undefined) throw problem;
}

function sizeProblem(sizeBytes: number | undefined, maxSizeBytes: number): BodyError | undefined {
  if (sizeBytes === undefined || sizeBytes <= maxSizeBytes) return undefined;
  return new BodyError('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    ProposedSize: String(sizeBytes),
    MaxSizeAllowed: String(maxSizeBytes),
  });
}

/**
 * The pieces of a body without frames, held against its size. Why not a generator: two of them, one in the other,
 * cost a small put as much as its index entry.
 */
class PlainPieces implements AsyncIterableIterator<Uint8Array, void> {
  readonly #source: SourcePieces;
  readonly #sizeBytes: number | undefined;
  readonly #maxSizeBytes: number;
  #receivedBytes = 0;

  constructor(source: BodyPieces, sizeBytes: number | undefined, maxSizeBytes: number) {
    this.#source = new SourcePieces(source);
    this.#sizeBytes = sizeBytes;
    this.#maxSizeBytes = maxSizeBytes;
  }

  async next(): Promise<IteratorResult<Uint8Array, void>> {
    const next = await this.#source.next();
    if (next.done === true) {
      this.#end();
      return next;
    }
    const problem = this.#count(next.value.length);
    if (problem === undefined) return next;
    await this.#source.stop();
    throw problem;
  }

  async pour(take: TakePiece): Promise<void> {
    await this.#source.pour((piece) => {
      const problem = this.#count(piece.length);
      if (problem !== undefined) throw problem;
      return take(piece);
    });
    this.#end();
  }

  #count(sizeBytes: number): BodyError | undefined {
    const declaredBytes = this.#sizeBytes;
    this.#receivedBytes += sizeBytes;
    if (declaredBytes !== undefined && this.#receivedBytes > declaredBytes) {
      return wrongLength(declaredBytes, this.#receivedBytes);
    }
    return sizeProblem(this.#receivedBytes, this.#maxSizeBytes);
  }

  #end(): void {
    const declaredBytes = this.#sizeBytes;
    if (declaredBytes !== undefined && this.#receivedBytes < declaredBytes) {
      throw wrongLength(declaredBytes, this.#receivedBytes);
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, void>> {
    await this.#source.stop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

async function* framedPieces(
  source: BodyPieces,
  decoder: FrameDecoder,
): AsyncGenerator<Uint8Array, void, undefined> {
  const received = new SourcePieces(source);
  try {
    for (;;) {
      const next = await received.next();
      if (next.done === true) break;
      yield* decoder.push(next.value);
    }
    decoder.end();
  } finally {
    await received.stop();
  }
}

async function pourFrames(
  source: BodyPieces,
  decoder: FrameDecoder,
  take: TakePiece,
): Promise<void> {
  await new SourcePieces(source).pour((piece) => takeAll(decoder.push(piece), take));
  decoder.end();
}

function takeAll(pieces: readonly Uint8Array[], take: TakePiece): Promise<void> | undefined {
  for (const [at, piece] of pieces.entries()) {
    const taken = take(piece);
    if (taken !== undefined) return taken.then(() => takeAll(pieces.slice(at + 1), take));
  }
  return undefined;
}

/** The source's pieces but empty ones; a connection that breaks off is a body that ended early. */
class SourcePieces {
  readonly #source: BodyPieces;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #ended = false;

  constructor(source: BodyPieces) {
    this.#source = source;
  }

  async next(): Promise<IteratorResult<Uint8Array, void>> {
    this.#iterator ??= iteratorOf(this.#source);
    while (!this.#ended) {
      try {
        const next = await this.#iterator.next();
        if (next.done === true) break;
        if (next.value.length > 0) return next;
      } catch (error) {
        this.#ended = true;
        throw error instanceof OperatingError ? error : endedEarly(error);
      }
    }
    this.#ended = true;
    return { done: true, value: undefined };
  }

  async pour(take: TakePiece): Promise<void> {
    if (this.#source.pour === undefined) return await this.#pourNexts(take);
    let isTakers = false;
    const refuse = (error: unknown): never => {
      isTakers = true;
      throw error;
    };
    try {
      await this.#source.pour((piece) => {
        try {
          return piece.length === 0 ? undefined : take(piece)?.catch(refuse);
        } catch (error) {
          return refuse(error);
        }
      });
    } catch (error) {
      throw isTakers || error instanceof OperatingError ? error : endedEarly(error);
    }
  }

  async #pourNexts(take: TakePiece): Promise<void> {
    try {
      for (let next = await this.next(); next.done !== true; next = await this.next()) {
        await take(next.value);
      }
    } finally {
      await this.stop();
    }
  }

  /** No more is wanted. Idempotent. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#iterator?.return?.();
  }
}

function iteratorOf(source: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
  // Why: the default iterator destroys the stream when its consumer stops; then it can not be drained.
  const pieces: AsyncIterable<Uint8Array> =
    source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source;
  return pieces[Symbol.asyncIterator]();
}
