/**
 * The other node of the network's measurements, in a process of its own: `bare` counts bytes of a plain socket, the
 * others take frames. What is asked for is said back, so that the sender knows that all of it has come.
 */
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Connection } from '@holdfast/env';
import { NodeNetwork } from '@holdfast/env/node';
import { benchSecurity, CLUSTER_ID, ECHO } from './network-link.ts';

const kind = process.argv[2];

async function echo(connection: Connection): Promise<void> {
  for (;;) {
    const frames = await connection.receive();
    if (frames === undefined) return;
    for (const frame of frames) if (frame[0] === ECHO) connection.send(frame);
  }
}

/** A u32 says how many bytes follow; when they have come, one byte is said back. */
function countBytes(socket: Socket): void {
  let left = 0;
  let header = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('data', (piece: Buffer) => {
    let rest = piece;
    while (rest.length > 0) {
      if (left === 0) {
        header = Buffer.concat([header, rest.subarray(0, 4 - header.length)]);
        rest = rest.subarray(Math.min(rest.length, 4));
        if (header.length < 4) return;
        left = header.readUInt32LE();
        header = Buffer.alloc(0);
      }
      const taken = Math.min(left, rest.length);
      left -= taken;
      rest = rest.subarray(taken);
      if (left === 0) socket.write(Buffer.of(ECHO));
    }
  });
}

if (kind === 'bare') {
  const server = createServer(countBytes);
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
  });
} else {
  const security = benchSecurity(kind === 'secret');
  const network = new NodeNetwork({ clusterId: CLUSTER_ID, nodeId: 'sink', security });
  const { address } = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
    echo(connection).catch(() => undefined);
  });
  process.stdout.write(`listening ${address.port}\n`);
}
