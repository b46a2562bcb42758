import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';

/**
 * So many ports of this machine on which nobody listens at the moment. Another process may take one before it is used:
 * who starts something on them must expect that.
 */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number[]> {
  const servers: Server[] = [];
  try {
    for (let number = 0; number < count; number++) servers.push(await listen(host, 0));
    return servers.map((server) => (server.address() as AddressInfo).port);
  } finally {
    await Promise.all(servers.map(close));
  }
}

/** Rejects with the error of `listen` where nobody could listen there at the moment. */
export async function refuseTakenPort(host: string, port: number): Promise<void> {
  await close(await listen(host, port));
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port }, () => resolve(server));
  });
}
