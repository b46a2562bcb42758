import type { ObjectReader } from '@holdfast/objects';
import type { S3Call } from './s3-call.ts';

/** A body so small that reading it before the answer costs less than a new connection. */
const READ_FIRST_BYTES = 64 * 1024;

/** Bodies up to this size are copied next to their head. */
const ONE_WRITE_BYTES = 8 * 1024;

/** Headers as name, value, name, value: what `writeHead` takes without looking again. */
export type HeaderList = string[];

/** The headers of every answer. */
export function baseHeaders(call: S3Call): HeaderList {
  const headers = [
    'x-amz-request-id',
    call.requestId,
    'x-amz-id-2',
    call.service.hostId,
    'Server',
    'Holdfast',
  ];
  if (call.corsHeaders.length > 0) headers.push(...call.corsHeaders);
  return headers;
}

/** Answers with an XML document. */
export function sendXml(
  call: S3Call,
  status: number,
  xml: string,
  headers: readonly string[] = [],
): Promise<void> {
  return send(call, status, [...headers, 'Content-Type', 'application/xml'], Buffer.from(xml));
}

/** Answers with a text of another type. */
export function sendText(
  call: S3Call,
  status: number,
  contentType: string,
  text: string,
  headers: readonly string[] = [],
): Promise<void> {
  return send(call, status, [...headers, 'Content-Type', contentType], Buffer.from(text));
}

/** Answers without a body. */
export function sendEmpty(
  call: S3Call,
  status: number,
  headers: readonly string[] = [],
): Promise<void> {
  return send(call, status, headers, undefined);
}

/**
 * Answers once, with everything at hand. Where the client is still sending a body that nobody wants, the
 * answer is written first, a bounded amount is read so that the client gets to see it, and the
 * connection is closed.
 */
async function send(
  call: S3Call,
  status: number,
  headers: readonly string[],
  body: Uint8Array | undefined,
): Promise<void> {
  if (call.bodyPending) await readSmallRest(call);
  const all = baseHeaders(call);
  all.push(...headers);
  if (status !== 204 && status !== 304) {
    // An answer to HEAD says how long its body would be; for an error there it has none.
    all.push('Content-Length', String(body?.byteLength ?? 0));
  }
  const close = begin(call, status, all);
  const visible = call.method === 'HEAD' ? undefined : body;
  call.bytesOut += visible?.byteLength ?? 0;
  if (!close) {
    call.res.end(visible);
    return;
  }
  if (visible !== undefined) call.res.write(visible);
  else call.res.flushHeaders();
  await drain(call, call.service.limits.drainBytes);
  call.res.end();
}

/**
 * Writes the head; from here on an error can only cut the connection. True where the connection ends with the
 * answer, because the client is still sending a body that nobody wants.
 */
export function begin(call: S3Call, status: number, headers: HeaderList): boolean {
  call.status = status;
  const close = call.bodyPending;
  if (close) headers.push('Connection', 'close');
  call.res.writeHead(status, headers);
  return close;
}

async function readSmallRest(call: S3Call): Promise<void> {
  const length = Number(call.headers.get('content-length') ?? Number.NaN);
  const known = length - call.bytesIn <= READ_FIRST_BYTES;
  if (known && !call.body.continueDue) await drain(call, READ_FIRST_BYTES);
}

/** Reads and drops up to `limitBytes`, for at most `drainMs`. Never rejects. */
async function drain(call: S3Call, limitBytes: number): Promise<void> {
  const body = call.body;
  if (body.continueDue) return;
  const end = body.bytesRead + limitBytes;
  const timer = call.service.env.clock.setTimer(call.service.limits.drainMs, () =>
    body.fail(new Error('the client is too slow to be waited for')),
  );
  try {
    while (body.bytesRead < end && !(await body.next()).done);
  } catch {
    // The connection is gone or too slow: it is closed either way.
  } finally {
    timer.cancel();
  }
}

/**
 * Answers with the bytes of an object. Takes over `reader` and closes it in every case.
 *
 * Invariant: the reader is asked for a piece only after the one before went to the kernel, because its buffer is
 * used again.
 */
export async function sendObject(
  call: S3Call,
  status: number,
  headers: readonly string[],
  reader: ObjectReader,
): Promise<void> {
  try {
    const all = baseHeaders(call);
    all.push(...headers, 'Content-Length', String(reader.length));
    if (reader.immediate !== undefined) {
      begin(call, status, all);
      call.bytesOut = reader.length;
      endWith(call, reader.immediate);
      return;
    }
    let writer: AnswerWriter | undefined;
    for await (const piece of reader.body) {
      // Why only now: of a first piece that cannot be read the client can still be told.
      if (writer === undefined) begin(call, status, all);
      writer ??= new AnswerWriter(call);
      await writer.write(piece);
      call.bytesOut += piece.byteLength;
    }
    if (call.bytesOut !== reader.length) throw new Error('the store gave fewer bytes than it said');
    if (writer === undefined) begin(call, status, all);
    call.res.end();
  } finally {
    reader.close();
  }
}

/**
 * Ends the answer with a few bytes. Why as a Latin-1 string: Node then sends head and body in one write from one
 * buffer; a binary body costs a gathering write of two.
 */
function endWith(call: S3Call, body: Uint8Array): void {
  if (body.byteLength > ONE_WRITE_BYTES) {
    call.res.end(body);
    return;
  }
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  call.service.smallAnswers.end(call.res, view.toString('latin1'));
}

/** Writes pieces one after the other, each wait with a limit and an end when the client leaves. */
class AnswerWriter {
  readonly #call: S3Call;
  #fail: ((error: Error) => void) | undefined;

  constructor(call: S3Call) {
    this.#call = call;
    call.res.once('close', () => this.#fail?.(new ClientGoneError()));
  }

  async write(piece: Uint8Array): Promise<void> {
    const { res, service } = this.#call;
    if (res.destroyed || res.closed) throw new ClientGoneError();
    const timer = service.env.clock.setTimer(service.limits.answerStallMs, () =>
      this.#fail?.(new ClientGoneError('the client takes no bytes')),
    );
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        res.write(piece, (error) => (error ? reject(new ClientGoneError()) : resolve()));
      });
    } finally {
      this.#fail = undefined;
      timer.cancel();
    }
  }
}

/** The client left before it had its answer. Nobody is left to be told. */
export class ClientGoneError extends Error {
  constructor(message = 'the client closed the connection') {
    super(message);
    this.name = 'ClientGoneError';
  }
}
