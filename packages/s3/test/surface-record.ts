import type { Server, ServerResponse } from 'node:http';
import { TestRunner } from 'vitest';
import { requestHeaders } from '../src/auth/index.ts';
import type { S3RequestRecord } from '../src/index.ts';
import { parseQuery } from '../src/query.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** `PutObject` and `PutObject header if-match` of requests that succeeded; `PutObject answer etag` of all, and `Any answer etag`. */
    s3?: string[];
  }
}

/** What a request and its answer had, and the record of the test that sent it. */
interface Names {
  readonly asked: readonly string[];
  readonly answered: readonly string[];
  readonly facts: string[];
}

/**
 * Writes down at the running test which operations succeeded in it, and with which request headers, query parameters and
 * headers of answers. docs/s3-compatibility.md is made of it: see scripts/s3-surface.ts.
 */
export class SurfaceRecord {
  /** By request id, of answers that began. */
  readonly #answers = new Map<string, Names>();

  listen(server: Server): void {
    for (const event of ['request', 'checkContinue', 'checkExpectation']) {
      // Before the handler, which may answer at once.
      server.prependListener(
        event,
        (req: { readonly url: string; readonly rawHeaders: readonly string[] }, res) => {
          const test = TestRunner.getCurrentTest();
          if (test === undefined) return;
          test.meta.s3 ??= [];
          this.#watch(req, res as ServerResponse, test.meta.s3);
        },
      );
    }
  }

  onRequest({ requestId, operation, status, errorCode = '' }: S3RequestRecord): void {
    const names = this.#answers.get(requestId);
    this.#answers.delete(requestId);
    if (names === undefined) return;
    // `…NotFoundError` is how S3 says that a configuration was never set.
    const succeeded = status < 400 || errorCode.endsWith('NotFoundError');
    const shown = succeeded ? ['', ...names.asked, ...names.answered] : names.answered;
    for (const name of shown) add(names.facts, `${operation}${name}`);
  }

  #watch(
    req: { readonly url: string; readonly rawHeaders: readonly string[] },
    res: ServerResponse,
    facts: string[],
  ): void {
    const writeHead = res.writeHead.bind(res) as (status: number, headers: string[]) => typeof res;
    res.writeHead = ((status: number, headers: string[]) => {
      const answered = requestHeaders(headers);
      // Why here too: a client may be content with the head, and its test be over before the request is.
      for (const name of answered.keys()) add(facts, `Any answer ${name}`);
      this.#answers.set(answered.get('x-amz-request-id') ?? '', {
        asked: [
          ...[...requestHeaders(req.rawHeaders).keys()].map((name) => ` header ${name}`),
          ...[...queryOf(req.url).keys()].map((name) => ` parameter ${name}`),
        ],
        answered: [...answered.keys()].map((name) => ` answer ${name}`),
        facts,
      });
      return writeHead(status, headers);
    }) as typeof res.writeHead;
  }
}

function add(facts: string[], fact: string): void {
  if (!facts.includes(fact)) facts.push(fact);
}

function queryOf(url: string): ReadonlyMap<string, string> {
  const at = url.indexOf('?');
  try {
    return parseQuery(at < 0 ? '' : url.slice(at + 1));
  } catch {
    return new Map();
  }
}
