import { isUtf8 } from 'node:buffer';
import { S3Error } from '../s3-error.ts';

/** Largest head of one part: its Content-Disposition and Content-Type. */
const HEAD_LIMIT_BYTES = 8 * 1024;

const LINE_END = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

/** The head of one part of a form. */
export interface FormPart {
  readonly name: string;
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
}

/**
 * Reads multipart/form-data as it comes, with back-pressure: `nextPart`, then `content` of that part to its end, and so on.
 * Holds no more than one piece of the source and one head.
 *
 * Source: RFC 7578, RFC 2046 section 5.1.1.
 */
export class FormReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** What came and was not taken. Begins with a line end, so that the first delimiter is like the others. */
  #rest: Buffer = LINE_END;
  #started = false;

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  /** The next part; undefined after the last. @throws S3Error MalformedPOSTRequest */
  async nextPart(): Promise<FormPart | undefined> {
    if (!this.#started) {
      this.#started = true;
      for await (const _piece of this.content());
    }
    await this.#need(2);
    if (this.#rest.subarray(0, 2).toString() === '--') return undefined;
    return readHead(await this.#takeHead());
  }

  /** The bytes of the part up to its end, which must be read before the next part. */
  async *content(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const end = this.#rest.indexOf(this.#delimiter);
      if (end >= 0) {
        const last = this.#rest.subarray(0, end);
        this.#rest = this.#rest.subarray(end + this.#delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      // What could be the start of a delimiter waits for more.
      const safe = this.#rest.length - this.#delimiter.length + 1;
      if (safe > 0) {
        const piece = this.#rest.subarray(0, safe);
        this.#rest = this.#rest.subarray(safe);
        yield piece;
      }
      await this.#fill();
    }
  }

  async #takeHead(): Promise<string> {
    for (;;) {
      // The line end of the delimiter may be that of an empty head.
      const end = this.#rest.indexOf(HEAD_END);
      if (end >= 0 && end <= HEAD_LIMIT_BYTES) {
        const head = this.#rest.subarray(0, end);
        this.#rest = this.#rest.subarray(end + HEAD_END.length);
        if (!isUtf8(head)) throw malformedForm();
        return head.toString('utf8');
      }
      if (this.#rest.length > HEAD_LIMIT_BYTES) throw malformedForm();
      await this.#fill();
    }
  }

  async #need(count: number): Promise<void> {
    while (this.#rest.length < count) await this.#fill();
  }

  async #fill(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw malformedForm();
    this.#rest = Buffer.concat([this.#rest, next.value]);
  }
}

function readHead(head: string): FormPart {
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1));
  }
  const disposition = headers.get('content-disposition') ?? '';
  const name = parameter(disposition, 'name');
  if (name === undefined) throw malformedForm();
  return {
    name,
    filename: parameter(disposition, 'filename'),
    contentType: headers.get('content-type')?.trim(),
  };
}

/** `name="value"`, with `\"` for a quote as some clients send it; or `name=value`. */
function parameter(text: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, 'i').exec(text);
  if (match === null) return undefined;
  return match[1]?.replace(/\\(["\\])/g, '$1') ?? match[2];
}

/** MalformedPOSTRequest. */
export function malformedForm(): S3Error {
  return new S3Error('MalformedPOSTRequest');
}
