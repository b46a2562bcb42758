import { invariant } from '@holdfast/bytes';
import type { Clock } from '../clock.ts';
import type {
  Address,
  Connection,
  ConnectTarget,
  Lane,
  LaneLimits,
  Listener,
  Network,
} from '../network.ts';
import { DEFAULT_LANE_LIMITS, NetworkError } from '../network.ts';
import type { LinkFaults, NetworkStats } from './link-faults.ts';
import { NO_FAULTS, rollDelayMs, rollPassages } from './link-faults.ts';
import { MemoryConnection, type MemoryWire } from './memory-connection.ts';
import { SeededRandom } from './seeded-random.ts';

const CONNECT_LIMIT_MS = 3000;
const FIRST_PORT = 10_000;

export interface MemoryNetworkOptions {
  /** Frames move when it does. */
  readonly clock: Clock;
  /** Default 1. */
  readonly seed?: number;
  /** Of every direction that has none of its own. Default: none. */
  readonly faults?: LinkFaults;
}

export interface MemoryNodeOptions {
  readonly clusterId?: string;
  readonly limits?: Readonly<Record<Lane, LaneLimits>>;
}

interface Accepting {
  readonly node: MemoryNode;
  readonly accept: (connection: Connection) => void;
}

/** One direction between two nodes. */
interface Direction {
  faults: Required<LinkFaults> | undefined;
  isCut: boolean;
}

/**
 * The networks of all nodes of a test, and what goes wrong between them. Everything happens in callbacks of the clock
 * and by the numbers of the seed: the same calls at the same times give the same run.
 *
 * A frame is lost where its direction is cut when it is sent or when it would arrive; a connection does not notice,
 * as TCP does not for a long time. One whose other end was closed meanwhile breaks when a frame gets there again. A
 * paused node takes nothing until it goes on, and then everything in order.
 */
export class MemoryNetwork implements MemoryWire {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  #faults: Required<LinkFaults>;
  readonly #directions = new Map<string, Direction>();
  readonly #listening = new Map<string, Accepting>();
  readonly #connections = new Set<MemoryConnection>();
  /** Of paused nodes: what happens when they go on. */
  readonly #paused = new Map<string, (() => void)[]>();
  readonly #stats = { sent: 0, sentBytes: 0, delivered: 0, lost: 0, duplicated: 0, reordered: 0 };
  #nextPort = FIRST_PORT;

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock;
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#faults = { ...NO_FAULTS, ...options.faults };
  }

  get stats(): NetworkStats {
    return { ...this.#stats };
  }

  /** The network as a node sees it. After `stop` a node may begin again with a new one. */
  node(nodeId: string, options: MemoryNodeOptions = {}): Network {
    return new MemoryNode(this, nodeId, options);
  }

  /** Replaces the faults of every direction, or of one from a node to another. */
  setFaults(faults: LinkFaults, from?: string, to?: string): void {
    const whole = { ...NO_FAULTS, ...faults };
    if (from === undefined || to === undefined) {
      this.#faults = whole;
      for (const direction of this.#directions.values()) direction.faults = undefined;
    } else {
      this.#direction(from, to).faults = whole;
    }
  }

  /** Nothing gets from a node to another any more; the other way may be open. */
  cut(from: string, to: string): void {
    this.#direction(from, to).isCut = true;
  }

  /** Cuts both ways between nodes of different groups. */
  partition(...groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (other === group) continue;
        for (const from of group) for (const to of other) this.cut(from, to);
      }
    }
  }

  /** Mends every cut. What was lost stays lost. */
  heal(): void {
    for (const direction of this.#directions.values()) direction.isCut = false;
  }

  /** As SIGSTOP does: what comes for the node waits. Its own timers are its owner's to stop. */
  pause(nodeId: string): void {
    if (!this.#paused.has(nodeId)) this.#paused.set(nodeId, []);
  }

  resume(nodeId: string): void {
    const waiting = this.#paused.get(nodeId) ?? [];
    this.#paused.delete(nodeId);
    for (const happen of waiting) happen();
  }

  /** As `kill -9` does: its listeners and connections are gone, and its peers see that they broke. */
  stop(nodeId: string): void {
    this.#paused.delete(nodeId);
    for (const [name, { node }] of this.#listening) {
      if (node.nodeId === nodeId) this.#listening.delete(name);
    }
    this.breakConnections(nodeId);
  }

  /** Breaks the connections of a node, all or those with one peer. Both ends see it at once. */
  breakConnections(nodeId: string, peerId?: string): void {
    for (const one of this.#connections) {
      if (one.nodeId !== nodeId || (peerId !== undefined && one.peerId !== peerId)) continue;
      this.#lose(one);
      if (one.other !== undefined) this.#lose(one.other);
    }
  }

  /** @internal Of a node. */
  listen(node: MemoryNode, address: Address, accept: (connection: Connection) => void): Listener {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    const name = `${address.host}:${port}`;
    if (this.#listening.has(name)) throw new NetworkError('LISTEN_FAILED', `${name} is taken`);
    this.#listening.set(name, { node, accept });
    return {
      address: { host: address.host, port },
      close: () => {
        if (this.#listening.get(name)?.node === node) this.#listening.delete(name);
        return Promise.resolve();
      },
    };
  }

  /** @internal Of a node. Takes a way there and back. */
  connect(node: MemoryNode, target: ConnectTarget): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const where = `${target.nodeId} at ${target.address.host}:${target.address.port}`;
    const limit = this.#clock.setTimer(CONNECT_LIMIT_MS, () => {
      const message = `${where} did not answer in ${CONNECT_LIMIT_MS} ms`;
      reject(new NetworkError('CONNECT_TIMEOUT', message));
    });
    this.#travel(node.nodeId, target.nodeId, () => {
      const answer = this.#answer(node, target, where);
      this.#travel(target.nodeId, node.nodeId, () => {
        limit.cancel();
        if (answer instanceof NetworkError) return reject(answer);
        if (!node.isClosed) return resolve(answer);
        void answer.close();
        reject(new NetworkError('NETWORK_CLOSED', 'the network is closed'));
      });
    });
    return promise;
  }

  /** @internal Of a node. */
  async closeConnections(nodeId: string): Promise<void> {
    for (const one of this.#connections) if (one.nodeId === nodeId) await one.close();
  }

  carry(from: MemoryConnection, frame: Uint8Array): void {
    const { nodeId, peerId, other } = from;
    const direction = this.#direction(nodeId, peerId);
    this.#stats.sent += 1;
    this.#stats.sentBytes += frame.length;
    const passages = rollPassages(direction.faults ?? this.#faults, this.#random);
    if (direction.isCut || passages.length === 0) {
      this.#stats.lost += 1;
      // Later, as a caller of `send` does not expect to be woken inside it.
      this.#clock.setTimer(0, () => from.left(frame));
      return;
    }
    this.#stats.duplicated += passages.length - 1;
    for (const [at, { delayMs, isReordered }] of passages.entries()) {
      if (isReordered) this.#stats.reordered += 1;
      const copy = at === 0 ? frame : frame.slice();
      this.#at(from, delayMs, isReordered, () => {
        this.#whenAwake(peerId, () => {
          if (!direction.isCut && other?.arrive(copy) === true) this.#stats.delivered += 1;
          else this.#stats.lost += 1;
          if (!direction.isCut && other?.isEndLost === true) this.#reset(from);
          if (at === 0) from.left(frame);
        });
      });
    }
  }

  end(from: MemoryConnection): void {
    const direction = this.#direction(from.nodeId, from.peerId);
    this.#connections.delete(from);
    const faults = direction.faults ?? this.#faults;
    this.#at(from, rollDelayMs(faults, this.#random), false, () => {
      if (direction.isCut) {
        from.isEndLost = true;
        return;
      }
      this.#whenAwake(from.peerId, () => {
        from.other?.finish();
        if (from.other !== undefined) this.#connections.delete(from.other);
      });
    });
  }

  /** What comes for a connection that is gone is answered so, as TCP does. */
  #reset(from: MemoryConnection): void {
    this.#travel(from.peerId, from.nodeId, () => this.#lose(from));
  }

  #lose(end: MemoryConnection): void {
    const message = `the connection broke: ${end.peerId}, ${end.lane}`;
    end.finish(new NetworkError('CONNECTION_LOST', message));
    this.#connections.delete(end);
  }

  /** Makes both ends of a connection, and hands one of them to who listens. */
  #answer(node: MemoryNode, target: ConnectTarget, where: string): Connection | NetworkError {
    const found = this.#listening.get(`${target.address.host}:${target.address.port}`);
    if (found === undefined) return new NetworkError('CONNECT_REFUSED', `nobody listens: ${where}`);
    const there = found.node;
    if (there.nodeId !== target.nodeId || there.clusterId !== node.clusterId) {
      return new NetworkError('HANDSHAKE_REFUSED', `no handshake with ${where}`);
    }
    const { lane } = target;
    const near = new MemoryConnection(node.nodeId, there.nodeId, lane, node.limits[lane], this);
    const far = new MemoryConnection(there.nodeId, node.nodeId, lane, there.limits[lane], this);
    near.other = far;
    far.other = near;
    this.#connections.add(near).add(far);
    found.accept(far);
    return near;
  }

  /** Something that is not a frame goes from a node to another; it may be lost on a cut. */
  #travel(from: string, to: string, arrive: () => void): void {
    const direction = this.#direction(from, to);
    const delayMs = rollDelayMs(direction.faults ?? this.#faults, this.#random);
    if (direction.isCut) return;
    this.#clock.setTimer(delayMs, () => {
      if (!direction.isCut) this.#whenAwake(to, arrive);
    });
  }

  #whenAwake(nodeId: string, happen: () => void): void {
    const waiting = this.#paused.get(nodeId);
    if (waiting === undefined) happen();
    else waiting.push(happen);
  }

  /** What keeps its order arrives no earlier than what was sent before it on the connection. */
  #at(from: MemoryConnection, delayMs: number, isReordered: boolean, happen: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const dueMs = isReordered ? nowMs + delayMs : Math.max(nowMs + delayMs, from.lastDueMs);
    if (!isReordered) from.lastDueMs = dueMs;
    this.#clock.setTimer(dueMs - nowMs, happen);
  }

  #direction(from: string, to: string): Direction {
    invariant(from !== to, 'a node does not speak to itself over the network');
    const name = `${from}>${to}`;
    const known = this.#directions.get(name);
    if (known !== undefined) return known;
    const made: Direction = { faults: undefined, isCut: false };
    this.#directions.set(name, made);
    return made;
  }
}

/** The network of one node in memory. */
class MemoryNode implements Network {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly limits: Readonly<Record<Lane, LaneLimits>>;
  readonly #network: MemoryNetwork;
  readonly #listeners: Listener[] = [];
  isClosed = false;

  constructor(network: MemoryNetwork, nodeId: string, options: MemoryNodeOptions) {
    this.#network = network;
    this.nodeId = nodeId;
    this.clusterId = options.clusterId ?? 'cluster';
    this.limits = options.limits ?? DEFAULT_LANE_LIMITS;
  }

  async listen(address: Address, accept: (connection: Connection) => void): Promise<Listener> {
    await this.#checkOpen();
    const listener = this.#network.listen(this, address, accept);
    this.#listeners.push(listener);
    return listener;
  }

  async connect(target: ConnectTarget): Promise<Connection> {
    await this.#checkOpen();
    return this.#network.connect(this, target);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const listener of this.#listeners.splice(0)) await listener.close();
    await this.#network.closeConnections(this.nodeId);
  }

  #checkOpen(): Promise<void> {
    if (!this.isClosed) return Promise.resolve();
    return Promise.reject(new NetworkError('NETWORK_CLOSED', 'the network is closed'));
  }
}
