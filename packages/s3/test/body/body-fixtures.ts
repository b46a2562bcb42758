import type { Authentication, PayloadCheck, RequestHeaders } from '../../src/auth/index.ts';
import { requestHeaders } from '../../src/auth/index.ts';
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

/** Reads a whole body; latin1, so that every byte shows. */
export async function decode(
  pieces: Iterable<Uint8Array>,
  how: PayloadCheck | Authentication,
  headers: Readonly<Record<string, string>>,
  options?: DecodeBodyOptions,
): Promise<Decoded> {
  const authentication = typeof how === 'object' && 'kind' in how ? how : signedUpload(how);
  const body = decodeBody(from(pieces), authentication, headerMap(headers), options);
  const parts: Uint8Array[] = [];
  for await (const piece of body.pieces) parts.push(piece.slice());
  return {
    body: Buffer.concat(parts).toString('latin1'),
    trailers: Object.fromEntries(body.trailers()),
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
