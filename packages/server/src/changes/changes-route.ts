import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authenticator } from '@holdfast/s3';
import { requestHeaders } from '@holdfast/s3';
import type { ChangeAnswer, ChangeAnswers } from './change-answers.ts';
import { refusal } from './change-answers.ts';

export interface ChangesRoute {
  readonly authenticator: Authenticator;
  /** `none` where no feed is kept; undefined until it is open. */
  readonly answers: ChangeAnswers | 'none' | undefined;
  /** Ends every wait. */
  readonly stopping: AbortSignal;
}

/** Answers `GET /_/changes`, signed as the server's own account. Never rejects. */
export async function answerChanges(
  route: ChangesRoute,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const left = new AbortController();
  const leave = (): void => left.abort();
  response.once('close', leave);
  // Nobody can tell a client that only sends no more from one that is gone: neither is made to wait.
  request.socket.once('end', leave);
  if (request.socket.readableEnded) leave();
  const answer = await decide(route, request, AbortSignal.any([left.signal, route.stopping])).catch(
    () => refusal(500, 'InternalError', 'The changes could not be read. Try again.'),
  );
  response.off('close', leave);
  request.socket.off('end', leave);
  if (response.destroyed) return;
  const text = `${JSON.stringify(answer.body)}\n`;
  response.writeHead(answer.status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(text);
}

async function decide(
  { authenticator, answers }: ChangesRoute,
  request: IncomingMessage,
  left: AbortSignal,
): Promise<ChangeAnswer> {
  if (request.method !== 'GET') return refusal(405, 'MethodNotAllowed', 'Only GET is answered.');
  const rawUrl = request.url ?? '/';
  const refused = refuseSigner(authenticator, request, rawUrl);
  if (refused !== undefined) return refused;
  if (answers === undefined) {
    return refusal(503, 'ServiceUnavailable', 'The node is starting. Try again.');
  }
  if (answers === 'none') {
    const message = 'No change feed is kept: start the server with --keep-changes 24h.';
    return refusal(404, 'NoChangeFeed', message);
  }
  const mark = rawUrl.indexOf('?');
  const query = new URLSearchParams(mark < 0 ? '' : rawUrl.slice(mark + 1));
  return answers.answer(query, left);
}

function refuseSigner(
  authenticator: Authenticator,
  request: IncomingMessage,
  rawUrl: string,
): ChangeAnswer | undefined {
  try {
    const headers = requestHeaders(request.rawHeaders);
    const { kind } = authenticator.authenticate({ method: 'GET', rawUrl, headers });
    if (kind === 'signed') return undefined;
    return refusal(403, 'AccessDenied', 'Sign the request with the keys of the server.');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'AccessDenied';
    return refusal(403, code, error instanceof Error ? error.message : 'The request is refused.');
  }
}
