import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Connection, Lane } from '@holdfast/env';
import type { PeerSecurity } from '@holdfast/env/node';
import { NodeNetwork, SharedSecret, secretSecurity } from '@holdfast/env/node';
import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

export const CLUSTER_ID = 'bench';
/** First byte of a message that is said back. */
export const ECHO = 1;
export type LinkKind = 'bare' | 'plain' | 'secret';

export function benchSecurity(isSecure: boolean): PeerSecurity | 'none' {
  return isSecure ? secretSecurity(new SharedSecret(new Uint8Array(32).fill(7))) : 'none';
}

/** A way to the sink process. */
export interface Link {
  /** Sends so many messages of the size, and resolves when the other side has all of them. */
  stream(sizeBytes: number, count: number): Promise<void>;
  /** One message there and an answer back. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the sink. Its owner stops it. */
export function startSink(kind: LinkKind): Promise<ServerProcess> {
  const script = fileURLToPath(new URL('./network-sink-process.ts', import.meta.url));
  return startServerProcess(process.execPath, [script, kind], /^listening (\d+)$/);
}

export async function openLink(kind: LinkKind, port: number, lane: Lane): Promise<Link> {
  if (kind === 'bare') return bareLink(port);
  const security = benchSecurity(kind === 'secret');
  const network = new NodeNetwork({ clusterId: CLUSTER_ID, nodeId: 'source', security });
  const address = { host: '127.0.0.1', port };
  const connection = await network.connect({ nodeId: 'sink', address, lane });
  return framedLink(connection, () => network.close());
}

function framedLink(connection: Connection, close: () => Promise<void>): Link {
  const ping = async (): Promise<void> => {
    connection.send(new Uint8Array(128).fill(ECHO));
    if ((await connection.receive()) === undefined) throw new Error('the sink has gone');
  };
  return {
    stream: async (sizeBytes, count) => {
      const message = new Uint8Array(sizeBytes);
      for (let sent = 0; sent < count; sent++) {
        while (!connection.send(message)) await connection.drained();
      }
      await ping();
    },
    ping,
    close,
  };
}

/** What Node's sockets do with the same messages and nothing around them. */
async function bareLink(port: number): Promise<Link> {
  const socket: Socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const stream = async (sizeBytes: number, count: number): Promise<void> => {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(sizeBytes * count);
    const answered = once(socket, 'data');
    socket.write(header);
    const message = new Uint8Array(sizeBytes);
    for (let sent = 0; sent < count; sent++) {
      if (!socket.write(message)) await once(socket, 'drain');
    }
    await answered;
  };
  return {
    stream,
    ping: () => stream(128, 1),
    close: async () => {
      socket.destroy();
      await Promise.resolve();
    },
  };
}
