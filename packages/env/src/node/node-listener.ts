import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { Address, Lane, Listener } from '../network.ts';
import { NetworkError } from '../network.ts';
import type { Hello, HelloRefusal } from './handshake.ts';
import { readHello, writeWelcome } from './handshake.ts';
import type { PeerSecurity } from './peer-security.ts';

/** Handshakes under way at once; who comes on top is cut off. */
const MAX_HANDSHAKES = 64;

/** A connection that was not taken: for the log. Nothing of what the stranger said is in it. */
export interface PeerRefusal {
  readonly remoteHost: string;
  readonly reason: string;
}

export interface NodeListenerOptions {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly security: PeerSecurity | undefined;
  readonly clock: Clock;
  readonly handshakeLimitMs: number;
  readonly accept: (socket: Socket, peerId: string, lane: Lane) => void;
  readonly onRefusal: (refusal: PeerRefusal) => void;
}

/** A connection whose peer has not proven itself. */
interface Stranger {
  readonly raw: Socket;
  /** Cut off, or done: either way no longer counted. */
  settle(): void;
  refuse(reason: string): void;
}

/**
 * Takes connections, and hands on those of proven peers. A stranger has a time to prove itself, whatever it sends and
 * however slowly; what it sends goes to TLS and to a reader of one short message, which read no more than they
 * need; only so many strangers are heard at once.
 */
export class NodeListener implements Listener {
  readonly address: Address;
  readonly #server: Server;
  readonly #strangers: Map<string, Stranger>;

  private constructor(server: Server, address: Address, strangers: Map<string, Stranger>) {
    this.#server = server;
    this.address = address;
    this.#strangers = strangers;
  }

  /** LISTEN_FAILED, with the cause. */
  static async open(address: Address, options: NodeListenerOptions): Promise<NodeListener> {
    const strangers = new Map<string, Stranger>();
    const server = serverFor(options, strangers);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen(address.port, address.host, resolve);
    try {
      await promise;
    } catch (cause) {
      const message = `cannot listen on ${address.host}:${address.port}`;
      throw new NetworkError('LISTEN_FAILED', message, { cause });
    }
    server.off('error', reject).on('error', () => undefined);
    const { port } = server.address() as AddressInfo;
    return new NodeListener(server, { host: address.host, port }, strangers);
  }

  close(): Promise<void> {
    for (const stranger of this.#strangers.values()) stranger.raw.destroy();
    return new Promise((resolve) => {
      // An error here says that it is closed already. Connections that were handed on are not waited for.
      this.#server.close();
      resolve();
    });
  }
}

function serverFor(options: NodeListenerOptions, strangers: Map<string, Stranger>): Server {
  const { security, clusterId, nodeId } = options;
  const limits = { handshakeTimeout: options.handshakeLimitMs };
  const server =
    security === undefined
      ? createServer()
      : createTlsServer({ ...security.serverOptions(clusterId, nodeId), ...limits });
  server.on('connection', (raw: Socket) => meet(raw, options, strangers));
  if (security === undefined) {
    server.on('connection', (raw: Socket) => void hear(raw, options, strangers.get(nameOf(raw))));
  } else {
    server.on('secureConnection', (socket: TLSSocket) => {
      void hear(socket, options, strangers.get(nameOf(socket)));
    });
    server.on('tlsClientError', (_error, socket: TLSSocket) => {
      strangers.get(nameOf(socket))?.refuse('it did not prove that it belongs to the cluster');
      socket.destroy();
    });
  }
  return server;
}

/** What a connection is found by: TLS hands out another object than the one that was accepted. */
function nameOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}

function meet(raw: Socket, options: NodeListenerOptions, strangers: Map<string, Stranger>): void {
  const name = nameOf(raw);
  const remoteHost = raw.remoteAddress ?? 'unknown';
  raw.on('error', () => undefined);
  if (strangers.size >= MAX_HANDSHAKES) {
    raw.destroy();
    options.onRefusal({ remoteHost, reason: 'too many handshakes are under way' });
    return;
  }
  const limit = options.clock.setTimer(options.handshakeLimitMs, () => {
    strangers.get(name)?.refuse('the handshake took too long');
  });
  const settle = (): void => {
    limit.cancel();
    strangers.delete(name);
  };
  const refuse = (reason: string): void => {
    if (!strangers.has(name)) return;
    settle();
    raw.destroy();
    options.onRefusal({ remoteHost, reason });
  };
  raw.once('close', () => refuse('it ended the connection'));
  strangers.set(name, { raw, settle, refuse });
}

async function hear(
  socket: Socket,
  options: NodeListenerOptions,
  stranger: Stranger | undefined,
): Promise<void> {
  socket.on('error', () => undefined);
  if (stranger === undefined) {
    socket.destroy();
    return;
  }
  try {
    const hello = await readHello(socket);
    const refusal = judge(hello, socket, options);
    if (refusal !== 0) {
      writeWelcome(socket, refusal);
      socket.end(() => stranger.refuse(`its hello was refused (${refusal})`));
      return;
    }
    stranger.settle();
    writeWelcome(socket, 0);
    options.accept(socket, hello.from, hello.lane);
  } catch (error) {
    stranger.refuse(error instanceof NetworkError ? error.message : 'the handshake failed');
  }
}

function judge(hello: Hello, socket: Socket, options: NodeListenerOptions): HelloRefusal | 0 {
  const { clusterId, nodeId, security } = options;
  if (hello.clusterId !== clusterId) return 1;
  if (hello.to !== nodeId) return 2;
  if (hello.from === nodeId || hello.from === '') return 3;
  return security === undefined || security.proves(socket as TLSSocket, hello.from) ? 0 : 3;
}
