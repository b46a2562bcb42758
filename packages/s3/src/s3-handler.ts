import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ObjectStoreError } from '@holdfast/objects';
import Router from '@koa/router';
import Koa from 'koa';
import { authorize, mayList } from './access/authorize.ts';
import { answerClientError } from './answer-client-error.ts';
import { answerError } from './answer-error.ts';
import { type Authenticator, createAuthenticator, requestHeaders } from './auth/index.ts';
import { selectOperation } from './dispatch.ts';
import { resolveOptions, type S3HandlerOptions, type S3Service } from './options.ts';
import { RequestIds } from './request-ids.ts';
import { bucketOfHost, originForm, resolveTarget } from './request-target.ts';
import { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { serveWebsite } from './website/serve-website.ts';

/** The S3 API as the listeners of a `node:http` server. */
export interface S3Handler {
  /** For `request`. Answers exactly once, whatever happens. */
  readonly handleRequest: (req: IncomingMessage, res: ServerResponse) => void;
  /** For `checkContinue`: `100 Continue` is sent when the body is wanted, not before. */
  readonly handleContinue: (req: IncomingMessage, res: ServerResponse) => void;
  /** For `clientError`: what is not HTTP, and bodies that end before their declared length. */
  readonly handleClientError: (error: Error, socket: Duplex) => void;
}

/** Paths that @koa/router sees: it decides by level only. Why: an object key is not a path to be matched. */
const LEVEL_PATHS = { service: '/service', bucket: '/bucket', object: '/object' } as const;

interface CallState {
  call: S3Call;
}

/**
 * Makes the handler. It starts nothing and holds nothing but the requests in flight.
 *
 * @example
 * const s3 = createS3Handler({ store, env, identities });
 * const server = http.createServer({ requireHostHeader: false }, s3.handleRequest);
 * server.on('checkContinue', s3.handleContinue);
 * server.on('clientError', s3.handleClientError);
 */
export function createS3Handler(options: S3HandlerOptions): S3Handler {
  const service = resolveOptions(options);
  const requestIds = new RequestIds(service.env.random);
  const waitsForContinue = new WeakSet<IncomingMessage>();
  const current = new WeakMap<object, S3Call>();
  const openCall = (req: IncomingMessage, res: ServerResponse): S3Call => {
    const call = new S3Call(service, req, res, {
      headers: requestHeaders(req.rawHeaders),
      requestId: requestIds.next(),
      expectContinue: waitsForContinue.has(req),
    });
    current.set(req.socket, call);
    return call;
  };
  const callback = createApp(service, openCall).callback();
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    void callback(req, res);
  };
  return {
    handleRequest: handle,
    handleContinue: (req, res) => {
      waitsForContinue.add(req);
      handle(req, res);
    },
    handleClientError: (error, socket) =>
      answerClientError(
        error,
        socket,
        current.get(socket),
        { requestId: requestIds.next(), hostId: service.hostId },
        (refusal) => service.onRequest?.(refusal),
      ),
  };
}

function createApp(
  service: S3Service,
  openCall: (req: IncomingMessage, res: ServerResponse) => S3Call,
): Koa<CallState> {
  const app = new Koa<CallState>();
  // Why: @koa/router asks for both on every request, and koa would parse the URL and the headers again for that.
  Object.defineProperties(app.context, { path: { value: '' }, host: { value: '' } });
  app.on('error', (err: unknown) => service.logger.debug({ err }, 'a connection failed'));
  const authenticator = createAuthenticator({
    findSecret: (accessKeyId) => service.identities.findKey(accessKeyId)?.secretAccessKey,
    nowMs: () => service.env.clock.nowMs(),
    region: service.region,
    allowSignatureV2: service.allowSignatureV2,
    bucketOfHost: (host) => bucketOfHost(host, service.domains),
  });
  const router = new Router<CallState>();
  const runSelected = async (ctx: { readonly state: CallState }): Promise<void> => {
    const { call } = ctx.state;
    if (call.website) return serveWebsite(call);
    const { name, run } = selectOperation(call);
    await authorize(call, name);
    await run(call).catch((error: unknown) => hideMissingKey(call, error));
  };
  for (const path of Object.values(LEVEL_PATHS)) router.all(path, runSelected);
  app.use(async (ctx, next) => {
    ctx.respond = false;
    const call = openCall(ctx.req, ctx.res);
    ctx.state.call = call;
    try {
      identify(call, authenticator);
      (ctx as { newRouterPath?: string }).newRouterPath = LEVEL_PATHS[call.target.level];
      await next();
    } catch (error) {
      await answerError(call, error);
    }
    record(call);
  });
  app.use(router.routes());
  app.use((ctx) => {
    throw new S3Error('MethodNotAllowed', undefined, { Method: ctx.state.call.method });
  });
  return app;
}

/** Finds out what is asked and who asks. Throws before anything is done where either is in doubt. */
function identify(call: S3Call, authenticator: Authenticator): void {
  const { req, headers, service } = call;
  const rawUrl = req.url ?? '/';
  // Source: RFC 9112 section 3.2. Why here: Node's own refusal has no document and no request id.
  if (!headers.has('host') && req.httpVersion === '1.1') throw new S3Error('BadRequest');
  if (bucketOfHost(headers.get('host'), service.websiteDomains) !== undefined) {
    call.website = true;
    call.target = resolveTarget(rawUrl, headers.get('host'), service.websiteDomains);
    call.authentication = { kind: 'anonymous', payload: 'unsigned', headers };
    return;
  }
  call.target = resolveTarget(rawUrl, headers.get('host'), service.domains);
  // A browser asks without credentials, and of a presigned URL by another method than was signed.
  if (call.method === 'OPTIONS') {
    call.authentication = { kind: 'anonymous', payload: 'unsigned', headers };
    return;
  }
  const raw = { method: call.method, rawUrl: originForm(rawUrl), headers };
  const authentication = authenticator.authenticate(raw);
  call.authentication = authentication;
  if (authentication.kind === 'anonymous') return;
  call.user = call.service.identities.findKey(authentication.accessKeyId)?.user;
}

/** That a key is not there is told only to those who may list the bucket. */
async function hideMissingKey(call: S3Call, error: unknown): Promise<never> {
  const missing = error instanceof ObjectStoreError && error.code === 'NoSuchKey';
  const hidden =
    missing && call.target.level === 'object' && !(await mayList(call, call.openBucket, call.key));
  throw hidden ? new S3Error('AccessDenied') : error;
}

function record(call: S3Call): void {
  const { onRequest, env } = call.service;
  if (onRequest === undefined) return;
  onRequest({
    operation: call.operation,
    status: call.status,
    durationMs: env.clock.monotonicMs() - call.startMs,
    bytesIn: call.bytesIn,
    bytesOut: call.bytesOut,
    errorCode: call.errorCode,
    requestId: call.requestId,
  });
}
