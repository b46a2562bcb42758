import { request as sendRequest } from 'node:http';
import { S3Client } from '@aws-sdk/client-s3';
import { MemoryFiles, MemoryNetwork } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { signRequest } from '@holdfast/s3';
import type { ClusterConfig } from '../../src/cluster/cluster-config.ts';
import type { ServerConfig } from '../../src/server-config.ts';
import type { RunningServer } from '../../src/start-server.ts';
import { startServer } from '../../src/start-server.ts';

const NAMES = ['n1', 'n2', 'n3'];
const CLUSTER_ID = 'c'.repeat(32);
export const CREDENTIALS = { accessKeyId: 'somebody', secretAccessKey: 'a-secret-for-tests' };

const machine = await createNodeEnv();

/** See `beginPut`. */
export interface SlowPut {
  readonly status: Promise<number>;
  write(piece: Uint8Array): void;
  end(piece: Uint8Array): void;
}

/** Three servers of one cluster in this process, on disks and a network in memory. */
export class ThreeServers implements AsyncDisposable {
  readonly network: MemoryNetwork = new MemoryNetwork({ clock: machine.clock });
  readonly #disks = NAMES.map(() => new MemoryFiles({ clock: machine.clock }));
  readonly #servers: (RunningServer | undefined)[] = NAMES.map(() => undefined);
  readonly #clients: S3Client[] = [];

  async startAll(more: Partial<ServerConfig> = {}): Promise<void> {
    await Promise.all(NAMES.map((_, at) => this.start(at, more)));
    await Promise.all(NAMES.map((_, at) => this.server(at).ready));
  }

  /** Starts one and does not wait for a leader. */
  async start(
    at: number,
    more: Partial<ServerConfig> = {},
    ofCluster: Partial<ClusterConfig> = {},
  ): Promise<RunningServer> {
    const nodeId = NAMES[at] as string;
    const members = NAMES.map((name, place) => {
      return { nodeId: name, address: { host: name, port: 9400 + place } };
    });
    const started = await startServer({
      env: { ...machine, files: this.#disks[at] as MemoryFiles },
      directory: '/data',
      credentials: CREDENTIALS,
      port: 0,
      collectIntervalMs: 0,
      lifecycle: false,
      cluster: {
        nodeId,
        members,
        listen: { host: nodeId, port: 9400 + at },
        join: false,
        clusterId: CLUSTER_ID,
        network: this.network.node(nodeId, { clusterId: CLUSTER_ID }),
        ...ofCluster,
      },
      ...more,
    });
    this.#servers[at] = started;
    return started;
  }

  /** Starts a server that knows nothing of a cluster on the folder of one. */
  startAlone(at: number): Promise<RunningServer> {
    const env = { ...machine, files: this.#disks[at] as MemoryFiles };
    return startServer({ env, directory: '/data', credentials: CREDENTIALS, port: 0 });
  }

  /** Writes one master key to the disk of every node. */
  async giveMasterKey(path: string): Promise<void> {
    for (const at of this.#disks.keys()) await this.writeMasterKeys(at, path, ['5'.repeat(64)]);
  }

  /** Puts these keys in the place of those in the file of a node. */
  async writeMasterKeys(at: number, path: string, keys: readonly string[]): Promise<void> {
    const files = this.#disks[at] as MemoryFiles;
    if ((await files.stat(path)) !== undefined) await files.unlink(path);
    const file = await files.open(path, 'create');
    await file.write(new TextEncoder().encode(`${keys.join('\n')}\n`), 0);
    await file.close();
  }

  server(at: number): RunningServer {
    const found = this.#servers[at];
    if (found === undefined) throw new Error(`${NAMES[at]} was not started`);
    return found;
  }

  async stop(at: number): Promise<void> {
    const server = this.#servers[at];
    this.#servers[at] = undefined;
    await server?.stop({ graceMs: 100 });
  }

  /** A put of which the body is written piece by piece. */
  beginPut(at: number, target: string, body: Uint8Array): SlowPut {
    const { port } = this.server(at);
    const host = `127.0.0.1:${port}`;
    const request = { method: 'PUT', target, host, body };
    const signed = signRequest(
      request,
      { ...CREDENTIALS, region: 'us-east-1' },
      machine.clock.nowMs(),
    );
    const headers = { ...signed, 'content-length': body.length };
    const sent = sendRequest({ host: '127.0.0.1', port, method: 'PUT', path: target, headers });
    const status = new Promise<number>((resolve, reject) => {
      sent.on('response', (response) => resolve(response.resume().statusCode ?? 0));
      sent.on('error', reject);
    });
    status.catch(() => undefined);
    return {
      status,
      write: (piece) => void sent.write(piece),
      end: (piece) => void sent.end(piece),
    };
  }

  /** MiB that the log of a server has taken. */
  async chunksOnDisk(at: number): Promise<number> {
    const text = (await this.page(at, '/_/metrics')).text;
    const bytes = Number(/^holdfast_wal_appended_bytes_total (\d+)$/m.exec(text)?.[1]);
    return Math.floor(bytes / 2 ** 20);
  }

  /** The text and the status of a page of a server. */
  async page(at: number, path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.server(at).port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** The answer to a signed GET. */
  async signedGet(at: number, target: string): Promise<Response> {
    const host = `127.0.0.1:${this.server(at).port}`;
    const request = { method: 'GET', target, host, body: new Uint8Array(0) };
    const keys = { ...CREDENTIALS, region: 'us-east-1' };
    const headers = signRequest(request, keys, machine.clock.nowMs());
    return await fetch(`http://${host}${target}`, { headers });
  }

  /** Which one says that it leads. */
  async leader(): Promise<number> {
    for (;;) {
      const pages = await Promise.all(NAMES.map((_, at) => this.page(at, '/_/metrics')));
      const at = pages.findIndex(({ text }) => /^holdfast_cluster_is_leader 1$/m.test(text));
      if (at !== -1) return at;
    }
  }

  /** A client that does not try again, so that a refusal is seen, unless it is told to. */
  client(at: number, keys: typeof CREDENTIALS = CREDENTIALS, maxAttempts = 1): S3Client {
    const client = new S3Client({
      endpoint: `http://127.0.0.1:${this.server(at).port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts,
      credentials: keys,
    });
    this.#clients.push(client);
    return client;
  }

  /** A client that tries again, as clients do: three servers in one busy process may elect another leader at any time. */
  patient(at: number, keys: typeof CREDENTIALS = CREDENTIALS): S3Client {
    return this.client(at, keys, 8);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await Promise.all(NAMES.map((_, at) => this.stop(at)));
  }
}
