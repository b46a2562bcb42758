import type { PayloadCheck } from '../auth/authentication.ts';
import type { RequestHeaders } from '../auth/request-headers.ts';
import { BodyError } from './body-error.ts';
import type { ChunkSignatures } from './chunk-signatures.ts';

/** Name of the trailer that carries the signature of the others. */
const SIGNATURE = 'x-amz-trailer-signature';
const MAX_TRAILERS = 8;
const NAME = /^[a-z0-9-]{1,64}$/;
/** Printable ASCII without a space at either end, between optional spaces. */
const VALUE = /^[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*$/;

export function malformedTrailer(): BodyError {
  return new BodyError(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  );
}

export function hasTrailers(payload: PayloadCheck): boolean {
  return payload === 'streaming-signed-trailer' || payload === 'streaming-unsigned-trailer';
}

/**
 * Names that `x-amz-trailer` announces. S3 knows only checksums there. A body whose encoding has no
 * trailers cannot keep the promise, so it is refused.
 */
export function declaredTrailers(
  headers: RequestHeaders,
  payload: PayloadCheck,
): readonly string[] {
  const header = headers.get('x-amz-trailer');
  if (header === undefined) return [];
  if (!hasTrailers(payload)) throw malformedTrailer();
  const names = header.split(',').map((name) => name.trim().toLowerCase());
  for (const name of names) {
    if (!name.startsWith('x-amz-checksum-') || !NAME.test(name)) {
      throw new BodyError(
        'InvalidRequest',
        'The value specified in the x-amz-trailer header is not supported',
      );
    }
  }
  return names;
}

/** Collects the trailer lines of one body. */
export class TrailerCollector {
  readonly #declared: readonly string[];
  readonly #values = new Map<string, string>();
  #signature: string | undefined;

  constructor(declared: readonly string[]) {
    this.#declared = declared;
  }

  get values(): ReadonlyMap<string, string> {
    return this.#values;
  }

  /** A line `name:value` without its line end. Throws `BodyError` MalformedTrailerError. */
  add(line: string): void {
    const colon = line.indexOf(':');
    if (colon <= 0) throw malformedTrailer();
    const name = VALUE.exec(line.slice(0, colon))?.[1]?.toLowerCase();
    const value = VALUE.exec(line.slice(colon + 1))?.[1];
    if (name === undefined || value === undefined) throw malformedTrailer();
    if (this.#signature !== undefined) throw malformedTrailer();
    if (name === SIGNATURE) {
      this.#signature = value;
      return;
    }
    const expected = this.#declared.includes(name) && !this.#values.has(name);
    if (!expected || this.#values.size >= MAX_TRAILERS) throw malformedTrailer();
    this.#values.set(name, value);
  }

  /** All lines are there: every declared trailer came, and their signature is right where one is due. */
  finish(signatures: ChunkSignatures | undefined): void {
    if (this.#values.size !== new Set(this.#declared).size) throw malformedTrailer();
    if (signatures === undefined) {
      if (this.#signature !== undefined) throw malformedTrailer();
      return;
    }
    if (this.#signature === undefined) throw malformedTrailer();
    let canonical = '';
    for (const [name, value] of this.#values) canonical += `${name}:${value}\n`;
    signatures.endTrailers(canonical, this.#signature);
  }
}
