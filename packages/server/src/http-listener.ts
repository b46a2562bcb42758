import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import { createServer, IncomingMessage } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '@holdfast/env';
import { type HandshakeFailure, Handshakes } from './tls/handshakes.ts';
import type { KeyPair } from './tls/key-pair.ts';

/** S3 allows 8 KiB of headers and 2 KiB of user metadata; presigned URLs and tokens need more. */
const HEADER_SIZE_LIMIT_BYTES = 64 * 1024;
/** Longer than the idle time after which common clients and proxies drop a connection (Go: 90 s). */
const KEEP_ALIVE_MS = 120_000;
/** Of TLS, from the connection on. */
const HANDSHAKE_MS = 10_000;
/** From the first byte of a request to the last of its head. */
const HEADERS_MS = 60_000;
/** How often that is looked at. */
const HEADERS_CHECK_MS = 10_000;
/** An idle one costs some 10 KiB. */
const CONNECTION_LIMIT = 16_384;
/** For the files of the store, the other nodes and the process itself, where so many may be open in all. */
const OTHER_FILES = 1024;
/** Requests that wait for their turn on one connection before no more of it is read. */
const WAITING_LIMIT = 16;

export interface RequestHandlers {
  readonly handleRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** A request that says `Expect: 100-continue`. */
  readonly handleContinue: (request: IncomingMessage, response: ServerResponse) => void;
  /** A request that HTTP's parser refused, or that took too long. Answers on the bare socket. */
  readonly handleClientError: (error: NodeJS.ErrnoException, socket: Duplex) => void;
}

export interface ListenerOptions extends RequestHandlers {
  readonly clock: Clock;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Files and sockets that the process may have open at once. Default: more than matter. */
  readonly openFileLimit?: number | undefined;
  /** How long the head of a request may take, and how often that is looked at. Default 60 s, 10 s. */
  readonly headers?: { readonly limitMs: number; readonly checkMs: number };
  /** Speaks TLS, 1.2 or later as Node does by itself, and proves itself so. Default: HTTP without it. */
  readonly keyPair?: KeyPair | undefined;
  /** Told of a connection that was ended because TLS could not begin on it. */
  readonly onHandshakeFailure?: (failure: HandshakeFailure) => void;
}

export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** Requests whose answer is not complete. */
  requestsInFlight(): number;
  /** For the connections that come after it, of a listener that was opened with one. */
  setKeyPair(keyPair: KeyPair): void;
  /**
   * Takes no further connection, closes idle ones at once, and resolves when every request in flight is
   * answered. What is not answered after `graceMs` is cut. Idempotent.
   */
  stop(graceMs: number): Promise<void>;
}

/** Rejects with the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND. */
export async function openHttpListener(options: ListenerOptions): Promise<HttpListener> {
  const server = createHttpServer(options);
  server.maxConnections = connectionLimit(options.openFileLimit);
  answerHalfClosed(server);
  const connections = new ConnectionTable(server);
  const dispatch =
    (handle: RequestHandlers['handleRequest']) =>
    (request: LeanRequest, response: ServerResponse<LeanRequest>): void => {
      request.isDelivered = true;
      connections.begin(request, response, handle);
    };
  server.on('request', dispatch(options.handleRequest));
  server.on('checkContinue', dispatch(options.handleContinue));
  // Why not 417: an expectation that nobody knows of changes nothing, and S3 ignores it.
  server.on('checkExpectation', dispatch(options.handleRequest));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const isEstablished = !(server instanceof TlsServer) || connections.has(socket);
    if (isEstablished) return options.handleClientError(error, socket);
    const { code } = error;
    options.onHandshakeFailure?.({ code, from: socket.remoteAddress });
    socket.destroy();
  });
  await listen(server, options);
  const address = server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  return {
    host: options.host,
    port: address.port,
    requestsInFlight: () => connections.requestsInFlight(),
    setKeyPair: (keyPair) => {
      if (server instanceof TlsServer) server.setSecureContext(secureOptions(keyPair));
    },
    stop: (graceMs) => {
      stopping ??= stop(server, connections, options.clock, graceMs);
      return stopping;
    },
  };
}

type HttpServer = Server<typeof LeanRequest> | TlsServer<typeof LeanRequest>;

function createHttpServer({ headers, keyPair }: ListenerOptions): HttpServer {
  const options = {
    IncomingMessage: LeanRequest,
    maxHeaderSize: HEADER_SIZE_LIMIT_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: headers?.limitMs ?? HEADERS_MS,
    connectionsCheckingInterval: headers?.checkMs ?? HEADERS_CHECK_MS,
    // Why: the S3 layer refuses it with a document and a request id.
    requireHostHeader: false,
    // Why: a large upload over a slow line is legitimate. One that stands still is ended by the S3 layer.
    requestTimeout: 0,
  };
  if (keyPair === undefined) return createServer(options);
  return createTlsServer({
    ...options,
    ...secureOptions(keyPair),
    handshakeTimeout: HANDSHAKE_MS,
    allowHalfOpen: true,
  });
}

function secureOptions({ certificate, key }: KeyPair): SecureContextOptions {
  return { cert: certificate, key };
}

/**
 * A client that has sent all that it will (`nc -N`) still gets its answers, and then the connection ends. Node would end it at once,
 * so that a write was done and nobody told. One that is gone looks the same: the first bytes that are written to it tell.
 */
function answerHalfClosed(server: Server): void {
  // Node has had this switch since 0.8, and no type of it.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
}

/** Why a share of what may be open: a log that cannot open its next file ends the server. */
function connectionLimit(openFileLimit = Number.POSITIVE_INFINITY): number {
  const share = Math.max(openFileLimit - OTHER_FILES, Math.floor(openFileLimit / 2));
  return Math.min(CONNECTION_LIMIT, share);
}

function listen(server: Server, options: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function stop(
  server: Server,
  connections: ConnectionTable,
  clock: Clock,
  graceMs: number,
): Promise<void> {
  const cut = clock.setTimer(graceMs, () => server.closeAllConnections());
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  connections.drain();
  await closed;
  cut.cancel();
}

const NO_HEADERS: IncomingHttpHeaders = Object.freeze({});
const ALL_HEADERS = Object.getOwnPropertyDescriptor(IncomingMessage.prototype, 'headers');

/**
 * A request that makes an object of its headers only for who asks after it was delivered. Why: before that Node asks every
 * request whether it has an `Expect`, and nobody needs the rest, for the S3 layer reads `rawHeaders`: it was 4 % of a small get.
 * To one of HTTP/1.0 Node puts another question, so that it gets all of them.
 */
class LeanRequest extends IncomingMessage {
  isDelivered = false;

  static {
    Object.defineProperty(LeanRequest.prototype, 'headers', {
      ...ALL_HEADERS,
      get(this: LeanRequest) {
        const isLean = !this.isDelivered && this.httpVersion === '1.1' && !this.#expects();
        return isLean ? NO_HEADERS : ALL_HEADERS?.get?.call(this);
      },
    });
  }

  #expects(): boolean {
    const { rawHeaders } = this;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const name = rawHeaders[at] as string;
      if (name.length === 6 && name.toLowerCase() === 'expect') return true;
    }
    return false;
  }
}

/** One connection. */
interface Connection {
  /** Bytes that had come when it was last idle. More of them are the start of a request. */
  idleAtBytes: number;
  /** Answers that are not complete; more than one where the client pipelines. */
  readonly responses: ServerResponse[];
  /** Starts each but the first of them, in their order. */
  readonly waiting: (() => void)[];
}

/**
 * Knows which connections are idle, and has the requests of one handled one after the other.
 *
 * Safety: a client that pipelines relies on the second of two writes being done after the first (RFC 9112 section 9.3.2), and
 * after an answer that says `close` nothing more of the connection may be done (section 9.6).
 *
 * Why not Node's `closeIdleConnections`: it takes a connection for idle as soon as the answer was handed over,
 * and would cut one that a slow client has not read yet.
 *
 * Why by connection and not a set of answers: a set that something enters and leaves with every request makes itself anew
 * every few dozen, each old one refers to the next, and the collector of the young generation keeps what all of them held.
 */
class ConnectionTable {
  readonly #connections = new Map<Socket, Connection>();
  readonly #handshakes: Handshakes | undefined;
  #requestsInFlight = 0;
  #draining = false;

  constructor(server: Server) {
    // Node calls this within `close`.
    server.closeIdleConnections = () => this.#closeIdle();
    this.#handshakes = server instanceof TlsServer ? new Handshakes(server) : undefined;
    const event = this.#handshakes === undefined ? 'connection' : 'secureConnection';
    server.on(event, (socket: Socket) => {
      this.#connections.set(socket, { idleAtBytes: 0, responses: [], waiting: [] });
      socket.once('close', () => this.#connections.delete(socket));
    });
  }

  requestsInFlight(): number {
    return this.#requestsInFlight;
  }

  /** Whether HTTP is spoken on it: of one with TLS once its handshake has ended. */
  has(socket: Socket): boolean {
    return this.#connections.has(socket);
  }

  begin(
    request: IncomingMessage,
    response: ServerResponse,
    handle: RequestHandlers['handleRequest'],
  ): void {
    const connection = this.#connections.get(request.socket);
    if (this.#draining) response.shouldKeepAlive = false;
    if (connection === undefined || connection.responses.push(response) === 1) {
      this.#start(request, response, connection, handle);
    } else {
      connection.waiting.push(() => this.#start(request, response, connection, handle));
      // Why not at once: at the end of this request Node reads on.
      if (connection.waiting.length >= WAITING_LIMIT) {
        process.nextTick(() => {
          if (connection.waiting.length > 0) request.socket.pause();
        });
      }
    }
  }

  #start(
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection | undefined,
    handle: RequestHandlers['handleRequest'],
  ): void {
    const { socket } = request;
    this.#requestsInFlight++;
    // Why not `once`, which makes two more objects of it: an answer closes once.
    response.on('close', () => {
      this.#requestsInFlight--;
      if (connection !== undefined) {
        connection.responses.splice(connection.responses.indexOf(response), 1);
        connection.idleAtBytes = socket.bytesRead;
        if (connection.waiting.length > 0 && socket.writable) startNext(connection, socket);
      }
      if (this.#draining) this.#closeIdle();
    });
    handle(request, response);
  }

  /** From now on connections are closed as they become idle. */
  drain(): void {
    this.#draining = true;
    this.#handshakes?.cut();
    // An answer not yet begun says `Connection: close`.
    for (const { responses } of this.#connections.values()) {
      for (const response of responses) {
        if (!response.headersSent) response.shouldKeepAlive = false;
      }
    }
    this.#closeIdle();
  }

  #closeIdle(): void {
    for (const [socket, { idleAtBytes, responses }] of this.#connections) {
      if (responses.length === 0 && socket.bytesRead === idleAtBytes) socket.destroySoon();
    }
  }
}

function startNext({ waiting }: Connection, socket: Socket): void {
  const start = waiting.shift();
  if (waiting.length === 0) socket.resume();
  start?.();
}
