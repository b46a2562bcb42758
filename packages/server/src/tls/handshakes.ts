import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../log.ts';

/** Why TLS could not begin on a connection. */
export interface HandshakeFailure {
  /** Node's or OpenSSL's, such as `ERR_SSL_HTTP_REQUEST`. */
  readonly code: string | undefined;
  readonly from: string | undefined;
}

export function logHandshakeFailure(log: Log, failure: HandshakeFailure): void {
  // Why not all: a balancer that looks whether the port is open ends in one, every few seconds.
  if (failure.code === 'ERR_SSL_HTTP_REQUEST')
    log.info(failure, 'a request without TLS: use https');
  else log.debug(failure, 'a TLS handshake failed');
}

/**
 * Connections whose TLS handshake has not ended. Why known: Node's `close` and `closeAllConnections` leave them alone, and a stop
 * would wait for one that says nothing until its handshake is given up.
 */
export class Handshakes {
  readonly #sockets = new Map<string, Socket>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.#sockets.set(peer, socket);
      socket.once('close', () => {
        if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => this.#sockets.delete(peerOf(socket)));
  }

  /** Ends them all. */
  cut(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}

/** What the socket of a connection and that of TLS over it have in common. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
