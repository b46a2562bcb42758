import {
  type Address,
  type Clock,
  type Connection,
  type Lane,
  type Network,
  NetworkError,
  type Timer,
} from '@holdfast/env';

/** The first wait after a connection could not be made or broke; doubled up to the most. */
const RETRY_LEAST_MS = 25;
const RETRY_MOST_MS = 1000;

export interface PeerLinkOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly peerId: string;
  readonly lane: Lane;
  /** Where the peer may be now, by how often it was not reached since it was last; undefined where that is not known. */
  readonly address: (failures: number) => Address | undefined;
  /** What was sent lately is probably lost. */
  readonly onBroken: () => void;
  /** No process listens there. */
  readonly onGone: () => void;
}

/**
 * The way to one peer on one lane: a connection that this node makes, and makes again when it breaks. It only sends;
 * what the peer says comes on the connections that the peer makes. Nothing is kept while there is no connection: Raft
 * repeats what it must.
 */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  #connection: Connection | undefined;
  /** Another connection is to take the place of the one that there is. */
  #isStale = false;
  #isDialing = false;
  #failures = 0;
  #retryMs = RETRY_LEAST_MS;
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#dial();
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Whether the frame is on its way. Its parts belong to the network from here on. */
  send(parts: readonly Uint8Array[]): boolean {
    return this.#connection?.send(...parts) ?? false;
  }

  /** The peer was heard of: it can be reached, so no time is waited for. */
  hurry(): void {
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    this.#retryMs = RETRY_LEAST_MS;
    this.#dial();
  }

  /** Makes another connection, which takes the place of the one that there is: that may still carry something until then. */
  renew(): void {
    this.#isStale = true;
    this.#dial();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retry?.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  #dial(): void {
    const { network, peerId, lane, address } = this.#options;
    if (this.#isClosed || this.#isDialing) return;
    if (this.#connection !== undefined && !this.#isStale) return;
    const where = address(this.#failures);
    if (where === undefined) return this.#retryLater();
    this.#isDialing = true;
    network
      .connect({ nodeId: peerId, address: where, lane })
      .then((connection) => this.#connected(connection))
      .catch((error: unknown) => {
        this.#isDialing = false;
        this.#failures++;
        if (this.#isClosed) return;
        if (error instanceof NetworkError && error.code === 'CONNECT_REFUSED')
          this.#options.onGone();
        this.#retryLater();
      });
  }

  async #connected(connection: Connection): Promise<void> {
    this.#isDialing = false;
    if (this.#isClosed) return await connection.close();
    const stale = this.#connection;
    this.#connection = connection;
    this.#isStale = false;
    this.#failures = 0;
    this.#retryMs = RETRY_LEAST_MS;
    if (stale !== undefined) {
      void stale.close();
      this.#options.onBroken();
    }
    // The peer sends nothing here; what comes is its end.
    await connection.receive().catch(() => undefined);
    await connection.close();
    if (this.#isClosed || this.#connection !== connection) return;
    this.#connection = undefined;
    this.#options.onBroken();
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isClosed || this.#retry !== undefined) return;
    this.#retry = this.#options.clock.setTimer(this.#retryMs, () => {
      this.#retry = undefined;
      this.#dial();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MOST_MS);
  }
}
