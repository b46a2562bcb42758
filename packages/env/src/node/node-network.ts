import type { Socket } from 'node:net';
import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
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
import { errnoOf } from './file-errors.ts';
import { readWelcome, writeHello } from './handshake.ts';
import { NodeClock } from './node-clock.ts';
import { NodeConnection } from './node-connection.ts';
import type { PeerRefusal } from './node-listener.ts';
import { NodeListener } from './node-listener.ts';
import { type LookUp, PeerNames } from './peer-names.ts';
import type { PeerSecurity } from './peer-security.ts';

const HANDSHAKE_LIMIT_MS = 3000;
/** What a node or a cluster may be called: it goes into TLS identities and certificates. */
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

export interface NodeNetworkOptions {
  readonly clusterId: string;
  readonly nodeId: string;
  /** How nodes prove who they are. `none`: they are believed; for one machine and for tests. */
  readonly security: PeerSecurity | 'none';
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** For the TCP connection, the proofs of both sides and the hello together. Default 3 s. */
  readonly handshakeLimitMs?: number;
  readonly limits?: Readonly<Record<Lane, LaneLimits>>;
  /** Told of connections that were not taken. */
  readonly onRefusal?: (refusal: PeerRefusal) => void;
  /** How the host of a peer is looked up. Default: as the system does. */
  readonly lookUp?: LookUp;
}

/** The network of the machine: TCP, and TLS 1.3 where nodes prove themselves. */
export class NodeNetwork implements Network {
  readonly nodeId: string;
  readonly #options: NodeNetworkOptions;
  readonly #security: PeerSecurity | undefined;
  readonly #clock: Clock;
  readonly #handshakeLimitMs: number;
  readonly #names: PeerNames;
  readonly #listeners = new Set<Listener>();
  readonly #connections = new Set<NodeConnection>();
  #isClosed = false;

  constructor(options: NodeNetworkOptions) {
    invariant(NAME.test(options.nodeId), 'a node id has 1 to 64 letters, digits, dots, - and _');
    invariant(NAME.test(options.clusterId), 'a cluster id is made as a node id');
    this.nodeId = options.nodeId;
    this.#options = options;
    this.#security = options.security === 'none' ? undefined : options.security;
    this.#clock = options.clock ?? new NodeClock();
    this.#handshakeLimitMs = options.handshakeLimitMs ?? HANDSHAKE_LIMIT_MS;
    this.#names = new PeerNames(this.#clock, options.lookUp);
  }

  async listen(address: Address, accept: (connection: Connection) => void): Promise<Listener> {
    this.#checkOpen();
    const listener = await NodeListener.open(address, {
      clusterId: this.#options.clusterId,
      nodeId: this.nodeId,
      security: this.#security,
      clock: this.#clock,
      handshakeLimitMs: this.#handshakeLimitMs,
      accept: (socket, peerId, lane) => {
        if (this.#isClosed) socket.destroy();
        else accept(this.#adopt(socket, peerId, lane));
      },
      onRefusal: this.#options.onRefusal ?? (() => undefined),
    });
    this.#listeners.add(listener);
    return listener;
  }

  async connect(target: ConnectTarget): Promise<Connection> {
    this.#checkOpen();
    const socket = this.#dial(target);
    let isLate = false;
    const limit = this.#clock.setTimer(this.#handshakeLimitMs, () => {
      isLate = true;
      socket.destroy();
    });
    try {
      await this.#introduce(socket, target);
    } catch (cause) {
      socket.destroy();
      const { host, port } = target.address;
      const text = `${target.nodeId} at ${host}:${port} did not answer in ${this.#handshakeLimitMs} ms`;
      throw isLate ? new NetworkError('CONNECT_TIMEOUT', text, { cause }) : cause;
    } finally {
      limit.cancel();
    }
    if (this.#isClosed) socket.destroy();
    this.#checkOpen();
    return this.#adopt(socket, target.nodeId, target.lane);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const owned = [...this.#listeners, ...this.#connections];
    this.#listeners.clear();
    await Promise.all(owned.map((one) => one.close()));
  }

  #dial({ nodeId, address }: ConnectTarget): Socket {
    const { clusterId } = this.#options;
    const to = { ...address, lookup: this.#names.lookup };
    if (this.#security === undefined) return connectPlain(to);
    const parties = { clusterId, from: this.nodeId, to: nodeId };
    return connectTls({ ...this.#security.clientOptions(parties), ...to });
  }

  async #introduce(socket: Socket, { nodeId, address, lane }: ConnectTarget): Promise<void> {
    const isSecure = this.#security !== undefined;
    const where = `${nodeId} at ${address.host}:${address.port}`;
    let isConnected = false;
    socket.once('connect', () => {
      isConnected = true;
    });
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: unknown): void => {
        const code = isConnected ? 'HANDSHAKE_REFUSED' : connectCode(cause);
        const what = isConnected ? 'no handshake with' : 'no connection to';
        reject(new NetworkError(code, `${what} ${where}`, { cause }));
      };
      socket.once('error', failed).once('close', failed);
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        socket
          .off('error', failed)
          .off('close', failed)
          .on('error', () => undefined);
        resolve();
      });
    });
    writeHello(socket, { clusterId: this.#options.clusterId, from: this.nodeId, to: nodeId, lane });
    await readWelcome(socket);
  }

  #adopt(socket: Socket, peerId: string, lane: Lane): NodeConnection {
    const limits = (this.#options.limits ?? DEFAULT_LANE_LIMITS)[lane];
    const onEnd = (ended: NodeConnection): void => {
      this.#connections.delete(ended);
    };
    const connection = new NodeConnection({
      socket,
      peerId,
      lane,
      limits,
      clock: this.#clock,
      onEnd,
    });
    this.#connections.add(connection);
    return connection;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new NetworkError('NETWORK_CLOSED', 'the network is closed');
  }
}

function connectCode(cause: unknown): 'CONNECT_REFUSED' | 'CONNECT_FAILED' {
  return errnoOf(cause) === 'ECONNREFUSED' ? 'CONNECT_REFUSED' : 'CONNECT_FAILED';
}
