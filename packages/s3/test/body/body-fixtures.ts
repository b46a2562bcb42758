import { expect } from 'vitest';
import type { Authentication, PayloadCheck, RequestHeaders } from '../../src/auth/index.ts';
import { requestHeaders } from '../../src/auth/index.ts';
import type { BodyPieces } from '../../src/body/decode-body.ts';
import { BodyError, type DecodeBodyOptions, decodeBody } from '../../src/body/index.ts';
import { signedUpload } from './chunk-encoder.ts';

export async function* from(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** `bytes` in pieces that begin at the given offsets, each in memory of its own. */
export function splitAt(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const bounds = [0, ...[...offsets].sort((left, right) => left - right), bytes.length];
  return bounds.slice(1).map((end, index) => bytes.slice(bounds[index], end));
}

export interface Decoded {
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
}

/** A source that can be poured as well as iterated. */
export function pouring(pieces: Iterable<Uint8Array>): BodyPieces {
  return {
    [Symbol.asyncIterator]: () => from(pieces),
    pour: async (take) => {
      for (const piece of pieces) await take(piece);
    },
  };
}

/**
 * Reads a whole body; latin1, so that every byte shows. It is read twice, iterated and poured to a taker that sometimes
 * makes it wait: both must give the same, or be refused alike.
 */
export async function decode(
  pieces: Iterable<Uint8Array>,
  how: PayloadCheck | Authentication,
  headers: Readonly<Record<string, string>>,
  options?: DecodeBodyOptions,
): Promise<Decoded> {
  const authentication = typeof how === 'object' && 'kind' in how ? how : signedUpload(how);
  const again = repeatable(pieces);
  const read = async (way: 'iterate' | 'pour'): Promise<Decoded> => {
    const source = way === 'pour' ? pouring(again()) : from(again());
    const body = decodeBody(source, authentication, headerMap(headers), options);
    const parts: Uint8Array[] = [];
    if (way === 'pour') {
      await body.pour((piece) => {
        parts.push(piece.slice());
        return parts.length % 2 === 0 ? Promise.resolve() : undefined;
      });
    } else for await (const piece of body.pieces) parts.push(piece.slice());
    return {
      body: Buffer.concat(parts).toString('latin1'),
      trailers: Object.fromEntries(body.trailers()),
    };
  };
  const [iterated] = await Promise.allSettled([read('iterate')]);
  const [poured] = await Promise.allSettled([read('pour')]);
  expect(poured).toEqual(iterated);
  if (iterated.status === 'rejected') throw iterated.reason;
  return iterated.value;
}

/** The same pieces each time; the source is asked for no more than somebody takes. */
function repeatable(pieces: Iterable<Uint8Array>): () => Generator<Uint8Array> {
  const source = pieces[Symbol.iterator]();
  const taken: Uint8Array[] = [];
  return function* again() {
    for (let at = 0; ; at++) {
      const piece = taken[at] ?? source.next().value;
      if (piece === undefined) return;
      taken[at] = piece;
      yield piece;
    }
  };
}

/** The code of the `BodyError` that decoding ends with; anything else fails the test. */
export async function refusalOf(decoding: Promise<unknown>): Promise<BodyError> {
  try {
    await decoding;
  } catch (error) {
    if (error instanceof BodyError) return error;
    throw error;
  }
  throw new Error('the body was accepted');
}

export function headerMap(headers: Readonly<Record<string, string>>): RequestHeaders {
  return requestHeaders(Object.entries(headers).flat());
}
