import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { ClusterClients } from './cluster-clients.ts';
import { HoldfastProcess } from './holdfast-process.ts';
import type { NetworkNamespaces } from './network-namespaces.ts';
import { waitUntil } from './wait-until.ts';

const S3_PORT = 9000;
const PEER_PORT = 9400;
/** Below those that systems hand out by themselves. */
const FIRST_PORT = 12_000;
/** Of each of the files that are run at a time: between the choice of a port and its use no other must choose it. */
const PORTS = 2000;
const SHARES = 10;
/** What a node says of itself is asked for within this. */
const ASK_LIMIT_MS = 1500;

export interface ClusterOptions {
  /** Each node has a folder in it. */
  readonly directory: string;
  readonly nodes?: number;
  /** So many of them begin the cluster; the others are started to join it. Default: all. */
  readonly founders?: number;
  /** Further arguments of `holdfast serve`. */
  readonly arguments?: readonly string[];
  /** The command of the nodes. Default: that of the workspace. */
  readonly launcher?: string | undefined;
  /** Where each node has a network of its own. Default: all on loopback. */
  readonly networks?: NetworkNamespaces;
}

/** Where a node is. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly peerPort: number;
}

/** What a node says of itself. */
export interface NodeView {
  readonly isLeader: boolean;
  readonly term: number;
}

/** Real `holdfast serve` processes that are one store, named n1, n2, and so on. Killed at the end of its scope. */
export class Cluster implements AsyncDisposable {
  readonly #options: ClusterOptions;
  readonly #places: Place[];
  readonly #processes: (HoldfastProcess | undefined)[];
  readonly #clients: ClusterClients;

  private constructor(options: ClusterOptions, places: Place[]) {
    this.#options = options;
    this.#places = places;
    this.#processes = places.map(() => undefined);
    this.#clients = new ClusterClients(places);
  }

  /** Resolves when every node answers. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = await Cluster.prepare(options);
    for (const at of cluster.all) cluster.spawn(at);
    try {
      await Promise.all(cluster.all.map((at) => cluster.node(at).ready()));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** Chooses the addresses and makes the secret, and starts nothing. */
  static async prepare(options: ClusterOptions): Promise<Cluster> {
    const count = options.nodes ?? 3;
    const { networks } = options;
    const places =
      networks === undefined
        ? await freePlaces(count)
        : Array.from({ length: count }, (_, at) => {
            return { host: networks.address(at), port: S3_PORT, peerPort: PEER_PORT };
          });
    await mkdir(options.directory, { recursive: true });
    const secret = join(options.directory, 'secret');
    await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
    return new Cluster(options, places);
  }

  /** The positions of all nodes, from 0. */
  get all(): readonly number[] {
    return this.#places.map((_, at) => at);
  }

  /** Those whose process runs. */
  get running(): readonly number[] {
    return this.all.filter((at) => this.#processes[at]?.hasEnded === false);
  }

  endpoint(at: number): string {
    const { host, port } = this.#places[at] as Place;
    return `http://${host}:${port}`;
  }

  folder(at: number): string {
    return join(this.#options.directory, `n${at + 1}`);
  }

  node(at: number): HoldfastProcess {
    const found = this.#processes[at];
    if (found === undefined) throw new Error(`n${at + 1} was never started`);
    return found;
  }

  /** `NAME=HOST:PORT` of a node. */
  member(at: number): string {
    const { host, peerPort } = this.#places[at] as Place;
    return `n${at + 1}=${host}:${peerPort}`;
  }

  /** Starts the process of a node and does not wait. `wrapper` as of `HoldfastOptions`, where nodes have no network of their own. */
  spawn(at: number, more: readonly string[] = [], wrapper?: readonly string[]): HoldfastProcess {
    const { host, port } = this.#places[at] as Place;
    const { networks, founders = this.all.length } = this.#options;
    // Why not all to a founder: its list is who the cluster begins with.
    const listed = at < founders ? this.all.slice(0, founders) : this.all;
    const started = HoldfastProcess.spawn({
      directory: this.folder(at),
      launcher: this.#options.launcher,
      arguments: [
        '--node',
        `n${at + 1}`,
        '--cluster',
        listed.map((one) => this.member(one)).join(','),
        ...(at < founders ? [] : ['--join']),
        '--cluster-secret-file',
        join(this.#options.directory, 'secret'),
        '--host',
        host,
        '--port',
        String(port),
        ...(this.#options.arguments ?? []),
        ...more,
      ],
      ...(wrapper !== undefined && { wrapper }),
      ...(networks !== undefined && { wrapper: networks.commandOn(at) }),
    });
    this.#processes[at] = started;
    return started;
  }

  /** Starts it again and waits until it answers. */
  async restart(at: number): Promise<void> {
    await this.spawn(at).ready();
  }

  /** From its next start on the node takes its peers' connections at another port. Only lists of nodes that are started later say so. */
  async move(at: number): Promise<void> {
    const [{ peerPort } = { peerPort: 0 }] = await freePlaces(1);
    this.#places[at] = { ...(this.#places[at] as Place), peerPort };
  }

  /** A client of one node. It repeats what fails, as SDKs do: a write of it may be there twice. */
  client(at: number): S3Client {
    return this.#clients.of(at);
  }

  /** A client of one node. It does not repeat what fails, and is told of each leader that is lost. */
  oneAttempt(at: number): S3Client {
    return this.#clients.oneAttempt(at);
  }

  /** A client that repeats what fails, at another node each time, as one behind a balancer. */
  balanced(): S3Client {
    return this.#clients.balanced();
  }

  /** What a node says of itself; undefined where it does not answer. */
  async view(at: number): Promise<NodeView | undefined> {
    try {
      const response = await fetch(`${this.endpoint(at)}/_/metrics`, {
        signal: AbortSignal.timeout(ASK_LIMIT_MS),
      });
      const text = await response.text();
      const number = (name: string): number =>
        Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
      return {
        isLeader: number('holdfast_cluster_is_leader') === 1,
        term: number('holdfast_cluster_term'),
      };
    } catch {
      return undefined;
    }
  }

  /** The position of the leader of the highest term, once there is one among `among`. */
  async leader(among: readonly number[] = this.all): Promise<number> {
    let leader = -1;
    await waitUntil('the cluster has a leader', async () => {
      const views = await Promise.all(among.map((at) => this.view(at)));
      const term = Math.max(...views.map((view) => view?.term ?? -1));
      const found = views.findIndex((view) => view?.isLeader === true && view.term === term);
      leader = among[found] ?? -1;
      return leader !== -1;
    });
    return leader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#clients.destroy();
    await Promise.all(this.#processes.map(async (one) => one?.kill()));
  }
}

async function freePlaces(count: number): Promise<Place[]> {
  const servers = await Promise.all(Array.from({ length: 2 * count }, listenBelowOutgoing));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return Array.from({ length: count }, (_, at) => {
    const [port = 0, peerPort = 0] = [ports[at], ports[count + at]];
    return { host: '127.0.0.1', port, peerPort };
  });
}

/**
 * Takes a port for a moment. Why not any free one: those that the system hands out it gives to outgoing connections too, and
 * while a node is down, its port must stay free.
 */
async function listenBelowOutgoing(): Promise<Server> {
  for (;;) {
    const server = createServer();
    const share = Number(process.env['VITEST_POOL_ID'] ?? 0) % SHARES;
    const port = FIRST_PORT + share * PORTS + randomInt(PORTS);
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen({ host: '127.0.0.1', port }, () => resolve(true));
    });
    if (isFree) return server;
  }
}
