import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { Address } from '../src/index.ts';

/** Passes bytes on between one client and an address, and keeps those that the client sent. */
export interface TcpProxy extends AsyncDisposable {
  readonly address: Address;
  /** What the client has sent so far. */
  sent(): Buffer;
  sentBytes(): number;
  /** Cuts the connection in the middle. */
  cut(): void;
}

export async function tcpProxy(target: Address): Promise<TcpProxy> {
  const pieces: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const there = connect(target.port, target.host);
    sockets.push(client, there);
    client.on('data', (piece: Buffer) => {
      pieces.push(piece);
      there.write(piece);
    });
    there.pipe(client);
    client.on('error', () => there.destroy()).on('close', () => there.end());
    there.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: { host: '127.0.0.1', port },
    sent: () => Buffer.concat(pieces),
    sentBytes: () => pieces.reduce((sum, piece) => sum + piece.length, 0),
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
