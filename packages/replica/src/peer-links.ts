import type { Address, Clock, Connection, Lane, Listener, Network } from '@holdfast/env';
import { PeerLink } from './peer-link.ts';

/** The lanes that carry Raft's messages. */
const MESSAGE_LANES: readonly Lane[] = ['control', 'log'];

export interface PeerLinksOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly addressOf: (peerId: string) => Address | undefined;
  /** Frames of a proven peer, in the order of its connection. Throws where they are no messages: the link ends. */
  readonly onFrames: (peerId: string, frames: readonly Uint8Array[]) => void;
  /** What was sent on the lane lately is probably lost. */
  readonly onBroken: (peerId: string, lane: Lane) => void;
  /** No process listens where the peer is. */
  readonly onGone: (peerId: string) => void;
  /** A peer's connection of the bulk lane: the receiver's from here on. */
  readonly onBulk: (connection: Connection) => void;
  /** A peer broke the rules; its connection was closed. */
  readonly onFault: (peerId: string, error: unknown) => void;
}

/** The ways to all peers and from them. */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #links = new Map<string, Map<Lane, PeerLink>>();
  readonly #accepted = new Set<Connection>();
  #listener: Listener | undefined;
  #isClosed = false;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
  }

  /** The address with the port that was chosen. LISTEN_FAILED. */
  async listen(address: Address): Promise<Address> {
    const listener = await this.#options.network.listen(address, (connection) => {
      void this.#accept(connection);
    });
    this.#listener = listener;
    return listener.address;
  }

  /** Makes ways to exactly these peers. */
  setPeers(peerIds: readonly string[]): void {
    if (this.#isClosed) return;
    for (const [peerId, lanes] of this.#links) {
      if (peerIds.includes(peerId)) continue;
      this.#links.delete(peerId);
      for (const link of lanes.values()) void link.close();
    }
    for (const peerId of peerIds) {
      if (!this.#links.has(peerId)) this.#links.set(peerId, this.#openLanes(peerId));
    }
  }

  /** Whether the frame is on its way. */
  send(peerId: string, lane: Lane, parts: readonly Uint8Array[]): boolean {
    return this.#links.get(peerId)?.get(lane)?.send(parts) ?? false;
  }

  isConnected(peerId: string): boolean {
    const lanes = this.#links.get(peerId);
    return lanes !== undefined && [...lanes.values()].every((link) => link.isConnected);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#listener?.close();
    const links = [...this.#links.values()].flatMap((lanes) => [...lanes.values()]);
    this.#links.clear();
    await Promise.all([...links, ...this.#accepted].map((one) => one.close()));
  }

  #openLanes(peerId: string): Map<Lane, PeerLink> {
    const { network, clock, addressOf, onBroken, onGone } = this.#options;
    const open = (lane: Lane): PeerLink =>
      new PeerLink({
        network,
        clock,
        peerId,
        lane,
        address: () => addressOf(peerId),
        onBroken: () => onBroken(peerId, lane),
        onGone: () => onGone(peerId),
      });
    return new Map(MESSAGE_LANES.map((lane) => [lane, open(lane)]));
  }

  async #accept(connection: Connection): Promise<void> {
    const { peerId, lane } = connection;
    if (this.#isClosed) return await connection.close();
    for (const link of this.#links.get(peerId)?.values() ?? []) link.hurry();
    if (lane === 'bulk') return this.#options.onBulk(connection);
    this.#accepted.add(connection);
    try {
      for (;;) {
        const frames = await connection.receive();
        if (frames === undefined || this.#isClosed) break;
        this.#options.onFrames(peerId, frames);
      }
    } catch (error) {
      if (!this.#isClosed) this.#options.onFault(peerId, error);
    } finally {
      this.#accepted.delete(connection);
      await connection.close();
    }
  }
}
