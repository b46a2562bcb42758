import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** An address that stays, in front of a server that comes and goes. */
export interface StableAddress extends AsyncDisposable {
  readonly endpoint: string;
  /** Where connections go from now on. */
  port: number;
}

/**
 * Hands bytes on in both directions, and tells how many a client has sent over all its connections. A connection that
 * the server cuts is cut for the client.
 */
export async function stableAddress(
  port: number,
  onBytes: (sentBytes: number) => void,
): Promise<StableAddress> {
  const sockets = new Set<Socket>();
  let sentBytes = 0;
  const address = { port };
  const listener = createServer((client) => {
    const server = connect(address.port, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
    client.on('data', (piece: Buffer) => {
      sentBytes += piece.length;
      onBytes(sentBytes);
    });
  });
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return Object.assign(address, {
    endpoint: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  });
}
