import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ERROR_TABLE, type S3ErrorCode } from './error-table.ts';
import type { S3RequestRecord } from './options.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { element, XML_DECLARATION } from './xml-writer.ts';

/** What identifies an answer that has no request. */
interface AnswerIdentity {
  readonly requestId: string;
  readonly hostId: string;
}

/**
 * Deals with a connection whose bytes Node could not parse. If a request of it is being answered, that one is
 * finished first; a body that ends before its declared length gets its IncompleteBody from there. What is
 * answered here, outside of any request, is told to `onRefusal`, so that its id is in the log.
 */
export function answerClientError(
  error: Error,
  socket: Duplex,
  call: S3Call | undefined,
  identity: AnswerIdentity,
  onRefusal: (record: S3RequestRecord) => void,
): void {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNRESET' || code === 'EPIPE' || !socket.writable) {
    socket.destroy();
    return;
  }
  if (call !== undefined && !call.res.writableFinished && !call.res.destroyed) {
    call.res.once('close', () => socket.destroy());
    call.res.once('finish', () => socket.end());
    if (call.bodyPending) {
      call.body.fail(
        new S3Error(code === 'HPE_INVALID_EOF_STATE' ? 'IncompleteBody' : 'BadRequest'),
      );
    }
    return;
  }
  const refusal = refusalFor(code);
  const answer = bareAnswer(refusal, identity);
  socket.end(answer);
  onRefusal({
    operation: 'Unknown',
    status: ERROR_TABLE[refusal].status,
    durationMs: 0,
    bytesIn: 0,
    bytesOut: Buffer.byteLength(answer),
    errorCode: refusal,
    requestId: identity.requestId,
  });
}

function bareAnswer(code: S3ErrorCode, { requestId, hostId }: AnswerIdentity): string {
  const { status, message } = ERROR_TABLE[code];
  const inner =
    element('Code', code) +
    element('Message', message) +
    element('RequestId', requestId) +
    element('HostId', hostId);
  const document = `${XML_DECLARATION}<Error>${inner}</Error>`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `x-amz-request-id: ${requestId}`,
    `x-amz-id-2: ${hostId}`,
    'Server: Holdfast',
    'Content-Type: application/xml',
    `Content-Length: ${Buffer.byteLength(document)}`,
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${document}`;
}

function refusalFor(code: unknown): S3ErrorCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'RequestHeaderSectionTooLarge';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'RequestTimeout';
  return 'BadRequest';
}
