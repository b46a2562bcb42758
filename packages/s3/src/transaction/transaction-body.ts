/**
 * The body of a transaction: for each operation one line of JSON, ended by a line feed; a put is followed at once by as
 * many bytes as its line says.
 */
import { concatBytes } from '@holdfast/bytes';
import type { BodyVerification } from '@holdfast/objects';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

const LINE_LIMIT_BYTES = 32 * 1024;
const LINE_FEED = 0x0a;

export class TransactionBody {
  readonly #pieces: AsyncIterator<Uint8Array>;
  /** What was read and not yet taken. */
  #rest: Uint8Array = new Uint8Array(0);
  #unread = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next line without its end; undefined where the body has ended. @throws S3Error InvalidRequest */
  async line(): Promise<string | undefined> {
    if (this.#unread > 0) throw malformedLine('The body of an operation was not read');
    const kept: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const end = this.#rest.indexOf(LINE_FEED);
      const taken = end < 0 ? this.#rest : this.#rest.subarray(0, end);
      size += taken.length;
      if (size > LINE_LIMIT_BYTES) {
        throw malformedLine(`A line of a transaction has at most ${LINE_LIMIT_BYTES} bytes`);
      }
      // Why copied: the piece is its producer's again once the next one is asked for.
      kept.push(taken.slice());
      if (end >= 0) {
        this.#rest = this.#rest.subarray(end + 1);
        return decode(concatBytes(kept));
      }
      if (await this.#readMore()) continue;
      if (size > 0) throw malformedLine('The last line of the transaction has no end');
      return undefined;
    }
  }

  /** The `size` bytes that follow. */
  async *bytes(size: number): AsyncGenerator<Uint8Array, void, undefined> {
    this.#unread = size;
    while (this.#unread > 0) {
      if (this.#rest.length === 0 && !(await this.#readMore())) {
        throw new S3Error('IncompleteBody');
      }
      const piece = this.#rest.subarray(0, this.#unread);
      this.#rest = this.#rest.subarray(piece.length);
      this.#unread -= piece.length;
      yield piece;
    }
  }

  /** Gives the source back where it is not read to its end. */
  async stop(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #readMore(): Promise<boolean> {
    const next = await this.#pieces.next();
    this.#rest = next.done === true ? new Uint8Array(0) : next.value;
    return next.done !== true;
  }
}

/** The pieces, hashed on their way; at their end they must be what the request says. Throws a BodyError. */
export async function* verified(
  call: S3Call,
  pieces: AsyncIterable<Uint8Array>,
  verification: BodyVerification,
): AsyncGenerator<Uint8Array, void, undefined> {
  const digest = call.service.env.digests.stream(verification.digests);
  let size = 0;
  try {
    for await (const piece of pieces) {
      size += piece.length;
      if (verification.digests.length > 0) await digest.update(piece);
      yield piece;
    }
    verification.accept(await digest.finish(), size);
  } finally {
    digest.abort();
  }
}

/** InvalidRequest. */
export function malformedLine(message: string): S3Error {
  return new S3Error('InvalidRequest', message);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformedLine('A line of a transaction is UTF-8');
  }
}
