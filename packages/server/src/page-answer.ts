import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import { text } from 'node:stream/consumers';

const LIMIT_MS = 5_000;

export interface PageAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks a running server for a page. Rejects where it does not answer within 5 s, and where its certificate is not trusted, unless
 * `insecure` says that it need not be. Why not `fetch`: it has no such switch, and refuses the ports of other protocols.
 */
export async function askPage(url: URL, insecure: boolean): Promise<PageAnswer> {
  const answered = Promise.withResolvers<PageAnswer>();
  const get = url.protocol === 'https:' ? getSecure : getPlain;
  const signal = AbortSignal.timeout(LIMIT_MS);
  const request = get(url, { agent: false, rejectUnauthorized: !insecure, signal }, (answer) => {
    const { statusCode: status = 0 } = answer;
    text(answer).then((body) => answered.resolve({ status, text: body }), answered.reject);
  });
  request.on('error', answered.reject);
  return await answered.promise;
}

/** Why a server did not answer, for people. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
