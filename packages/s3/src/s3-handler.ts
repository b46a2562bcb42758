import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import Router from '@koa/router';
import Koa from 'koa';
import { authorize } from './access/authorize.ts';
import { hideMissingKey } from './access/hide-missing-key.ts';
import { answerClientError } from './answer-client-error.ts';
import { answerError } from './answer-error.ts';
import { type Authenticator, createAuthenticator, requestHeaders } from './auth/index.ts';
import { selectOperation } from './dispatch.ts';
import { resolveOptions, type S3HandlerOptions, type S3Service } from './options.ts';
import { RequestIds } from './request-ids.ts';
import { bucketOfHost, originForm, resolveTarget } from './request-target.ts';
import { S3Call } from './s3-call.ts';
import { headerNotImplemented, S3Error } from './s3-error.ts';
import { makeCurrent, tryAtHand } from './try-at-hand.ts';
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

/** Paths that @koa/router sees: it decides by level only. Why: a bucket's name is not a path to be matched. */
const SERVICE_PATH = '/service';
const BUCKET_PATH = '/bucket';

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
  const authenticator = openAuthenticator(service);
  const current = new WeakMap<object, S3Call>();
  const route = createRouter(service);
  const handle = (req: IncomingMessage, res: ServerResponse, expectContinue: boolean): void => {
    const call = new S3Call(service, req, res, {
      headers: requestHeaders(req.rawHeaders),
      requestId: requestIds.next(),
      expectContinue,
    });
    current.set(req.socket, call);
    answer(call, authenticator, route).catch((err: unknown) => {
      service.logger.debug({ err }, 'a connection failed');
      res.destroy();
    });
  };
  return {
    handleRequest: (req, res) => handle(req, res, false),
    handleContinue: (req, res) => handle(req, res, true),
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

function openAuthenticator(service: S3Service): Authenticator {
  return createAuthenticator({
    findSecret: (accessKeyId) => service.identities.findKey(accessKeyId)?.secretAccessKey,
    nowMs: () => service.env.clock.nowMs(),
    region: service.region,
    allowSignatureV2: service.allowSignatureV2,
    bucketOfHost: (host) => bucketOfHost(host, service.domains),
  });
}

type Route = (call: S3Call) => Promise<void>;

async function answer(call: S3Call, authenticator: Authenticator, route: Route): Promise<void> {
  try {
    identify(call, authenticator);
    // Why not routed: nothing is left to match, and koa's context and router cost a small object's read an eighth.
    await (call.target.level === 'object' ? runSelected(call) : route(call));
  } catch (error) {
    await answerError(call, error);
  }
  record(call);
}

async function runSelected(call: S3Call): Promise<void> {
  if (call.website) {
    await makeCurrent(call);
    return serveWebsite(call);
  }
  const operation = selectOperation(call);
  // A store on one node is always current, and nothing is waited for.
  if (call.service.store.local !== undefined) {
    if (await tryAtHand(call, operation)) return;
    await makeCurrent(call);
  }
  await authorize(call, operation.name);
  try {
    await operation.run(call);
  } catch (error) {
    throw await hideMissingKey(call, error);
  }
}

/** Runs what is asked of the service or of a bucket. It rejects with what the operation throws. */
function createRouter(service: S3Service): Route {
  const routed = new WeakMap<IncomingMessage, Routed>();
  const app = new Koa<CallState>();
  // Why: @koa/router asks for both on every request, and koa would parse the URL and the headers again for that.
  Object.defineProperties(app.context, { path: { value: '' }, host: { value: '' } });
  app.on('error', (err: unknown) => service.logger.debug({ err }, 'a connection failed'));
  const router = new Router<CallState>();
  for (const path of [SERVICE_PATH, BUCKET_PATH]) {
    router.all(path, (ctx) => runSelected(ctx.state.call));
  }
  app.use((ctx, next) => {
    ctx.respond = false;
    const { call, settle } = routed.get(ctx.req) as Routed;
    ctx.state.call = call;
    const path = call.target.level === 'service' ? SERVICE_PATH : BUCKET_PATH;
    (ctx as { newRouterPath?: string }).newRouterPath = path;
    settle(next());
  });
  app.use(router.routes());
  app.use((ctx) => {
    throw new S3Error('MethodNotAllowed', undefined, { Method: ctx.state.call.method });
  });
  const callback = app.callback();
  return (call) =>
    new Promise((settle) => {
      routed.set(call.req, { call, settle });
      void callback(call.req, call.res);
    });
}

/** A call on its way through koa. */
interface Routed {
  readonly call: S3Call;
  readonly settle: (outcome: Promise<void>) => void;
}

/** Finds out what is asked and who asks. Throws before anything is done where either is in doubt. */
function identify(call: S3Call, authenticator: Authenticator): void {
  const { req, headers, service } = call;
  const rawUrl = req.url ?? '/';
  // Source: RFC 9112 section 3.2. Why here: Node's own refusal has no document and no request id.
  if (!headers.has('host') && req.httpVersion === '1.1') throw new S3Error('BadRequest');
  // Source: RFC 9112 section 6.1. Why: chunks are undone by Node, and a compressed body would be stored as it is sent.
  const coding = headers.get('transfer-encoding');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw headerNotImplemented('transfer-encoding');
  }
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
