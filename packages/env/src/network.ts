import { OperatingError } from '@holdfast/bytes';

/**
 * What two nodes say to each other goes over one connection a lane, so that nothing that is large stands in front
 * of something that is urgent: `control` for heartbeats and votes, `log` for entries, `bulk` for extents and tables.
 */
export type Lane = 'control' | 'log' | 'bulk';

export const LANES: readonly Lane[] = ['control', 'log', 'bulk'];

export interface Address {
  readonly host: string;
  /** 0, of `listen`: any that is free. */
  readonly port: number;
}

/**
 * Frames between nodes. A frame arrives whole and unaltered, from the node that the connection names, or not at
 * all; that is the whole promise. On an undisturbed connection frames also keep their order and come once, but
 * connections break, and are made again: who uses this bears loss, repetition and disorder.
 *
 * Every call that fails rejects with a `NetworkError`, and every wait has a limit.
 */
export interface Network {
  /** The node that speaks here. */
  readonly nodeId: string;
  /** Hands every connection of a peer that proved who it is to `accept`. LISTEN_FAILED. */
  listen(address: Address, accept: (connection: Connection) => void): Promise<Listener>;
  /** CONNECT_REFUSED, CONNECT_FAILED, CONNECT_TIMEOUT, HANDSHAKE_REFUSED. */
  connect(target: ConnectTarget): Promise<Connection>;
  /** Ends all listeners and connections. Idempotent; every later call rejects with NETWORK_CLOSED. */
  close(): Promise<void>;
}

export interface ConnectTarget {
  /** Who must be there: another node is refused. */
  readonly nodeId: string;
  readonly address: Address;
  readonly lane: Lane;
}

export interface Listener {
  /** With the port that was chosen. */
  readonly address: Address;
  /** Takes no more connections; those that there are go on. Idempotent. */
  close(): Promise<void>;
}

export interface Connection {
  /** Proven by the handshake as far as the network was told how. */
  readonly peerId: string;
  readonly lane: Lane;
  /** Bytes that were taken and are not on their way. */
  readonly queuedBytes: number;
  /**
   * Sends one frame, made of all parts one after the other. Nothing is copied: the parts belong to the network
   * from here on. Frames of one turn of the event loop leave together. Returns false where the frame was not
   * taken: the queue is full (one frame is always taken when it is empty), or the connection has ended. A frame
   * above the lane's limit is a programmer's error.
   */
  send(...parts: readonly Uint8Array[]): boolean;
  /** Resolves when half of the queue is free, and when the connection ends. */
  drained(): Promise<void>;
  /**
   * All frames that have come, at least one; undefined when the peer or this side closed the connection.
   * CONNECTION_LOST where it broke, FRAME_TOO_LARGE where the peer broke the limit. A peer whose frames are not
   * taken is held back. The frames are the caller's; small ones share memory, so copy what is kept for long.
   * One call at a time.
   */
  receive(): Promise<readonly Uint8Array[] | undefined>;
  /** Sends what was taken, if the peer takes it soon, and ends the connection. Idempotent. */
  close(): Promise<void>;
}

/** In bytes. Of a connection, by its lane. */
export interface LaneLimits {
  /** Of one frame. Both sides must have the same. */
  readonly frameBytes: number;
  /** Of frames taken by `send` that are not on their way. */
  readonly sendQueueBytes: number;
  /** Of frames that came and were not taken by `receive`; one may exceed it. */
  readonly receiveBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Room for entries of 1 MiB in batches of 4 MiB. */
export const DEFAULT_LANE_LIMITS: Readonly<Record<Lane, LaneLimits>> = {
  control: { frameBytes: 64 * KIB, sendQueueBytes: MIB, receiveBytes: 256 * KIB },
  log: { frameBytes: 8 * MIB, sendQueueBytes: 32 * MIB, receiveBytes: 8 * MIB },
  bulk: { frameBytes: 8 * MIB, sendQueueBytes: 16 * MIB, receiveBytes: 8 * MIB },
};

export type NetworkErrorCode =
  | 'LISTEN_FAILED'
  /** The machine is there and says that nobody listens: the process is gone, or has not begun. */
  | 'CONNECT_REFUSED'
  | 'CONNECT_FAILED'
  | 'CONNECT_TIMEOUT'
  | 'HANDSHAKE_REFUSED'
  | 'CONNECTION_LOST'
  | 'FRAME_TOO_LARGE'
  | 'NETWORK_CLOSED'
  | 'SECURITY_INVALID';

/** Never holds a secret, nor bytes of a peer. */
export class NetworkError extends OperatingError {
  override readonly code: NetworkErrorCode;
  override readonly retryable: boolean;

  constructor(code: NetworkErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = code.startsWith('CONNECT');
  }
}
