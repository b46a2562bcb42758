import type { Address, Clock, Connection, Lane, Listener, Network } from '@holdfast/env';
import { PeerLink } from './peer-link.ts';

/** The lanes that carry Raft's messages. */
const MESSAGE_LANES: readonly Lane[] = ['control', 'log'];
/** So long nothing is heard from a peer that is spoken to, before the ways to it are made anew. */
const SILENCE_LIMIT_MS = 5000;

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
  /** Nothing is heard from the peer, which takes what it is sent: it may not know where this node is. */
  readonly onSilent: (peerId: string) => void;
  /** A peer broke the rules; its connection was closed. */
  readonly onFault: (peerId: string, error: unknown) => void;
}

/** The ways to one peer. */
interface Peer {
  readonly lanes: ReadonlyMap<Lane, PeerLink>;
  /** When the first frame left after which nothing was heard from the peer; by the monotonic clock, in milliseconds. */
  unansweredSinceMs: number | undefined;
}

/** The ways to all peers and from them. */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #accepted = new Set<Connection>();
  /** Where peers say that they are, other than is known. */
  readonly #told = new Map<string, Address>();
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
    for (const [peerId, { lanes }] of this.#peers) {
      if (peerIds.includes(peerId)) continue;
      this.#peers.delete(peerId);
      this.#told.delete(peerId);
      for (const link of lanes.values()) void link.close();
    }
    for (const peerId of peerIds) {
      if (this.#peers.has(peerId)) continue;
      const lanes = this.#openLanes(peerId);
      this.#peers.set(peerId, { lanes, unansweredSinceMs: undefined });
    }
  }

  /** Whether the frame is on its way. */
  send(peerId: string, lane: Lane, parts: readonly Uint8Array[]): boolean {
    const peer = this.#peers.get(peerId);
    if (peer?.lanes.get(lane)?.send(parts) !== true) return false;
    peer.unansweredSinceMs ??= this.#options.clock.monotonicMs();
    return true;
  }

  /** Where a peer may be: where it says that it is, then where it is known to be. */
  addressesOf(peerId: string): Address[] {
    const addresses = [this.#told.get(peerId), this.#options.addressOf(peerId)];
    return addresses.filter((one) => one !== undefined);
  }

  isConnected(peerId: string): boolean {
    const peer = this.#peers.get(peerId);
    return peer !== undefined && [...peer.lanes.values()].every((link) => link.isConnected);
  }

  /**
   * Makes the ways to peers anew that have said nothing for `SILENCE_LIMIT_MS` after something was sent. Why: when a
   * network is whole again, what TCP holds back goes on its way only after as long again as the interruption took, up
   * to two minutes. Source: RFC 6298, section 5.5. A peer that is only slow loses a connection, which it gets back.
   */
  renewSilent(): void {
    const limitMs = this.#options.clock.monotonicMs() - SILENCE_LIMIT_MS;
    for (const [peerId, peer] of this.#peers) {
      if (peer.unansweredSinceMs === undefined || peer.unansweredSinceMs > limitMs) continue;
      peer.unansweredSinceMs = undefined;
      const isConnected = this.isConnected(peerId);
      for (const link of peer.lanes.values()) link.renew();
      if (isConnected) this.#options.onSilent(peerId);
    }
  }

  /** Where a peer says that it is. Where it is not reached there, what `addressOf` says is tried in turn. */
  noteTold(peerId: string, told: Address): void {
    const peer = this.#peers.get(peerId);
    const [first] = this.addressesOf(peerId);
    if (peer === undefined || (first?.host === told.host && first.port === told.port)) return;
    this.#told.set(peerId, told);
    for (const link of peer.lanes.values()) link.renew();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#listener?.close();
    const links = [...this.#peers.values()].flatMap(({ lanes }) => [...lanes.values()]);
    this.#peers.clear();
    await Promise.all([...links, ...this.#accepted].map((one) => one.close()));
  }

  #addressOf(peerId: string, failures: number): Address | undefined {
    const addresses = this.addressesOf(peerId);
    return addresses[failures % Math.max(1, addresses.length)];
  }

  #openLanes(peerId: string): ReadonlyMap<Lane, PeerLink> {
    const { network, clock, onBroken, onGone } = this.#options;
    const open = (lane: Lane): PeerLink =>
      new PeerLink({
        network,
        clock,
        peerId,
        lane,
        address: (failures) => this.#addressOf(peerId, failures),
        onBroken: () => onBroken(peerId, lane),
        onGone: () => onGone(peerId),
      });
    return new Map(MESSAGE_LANES.map((lane) => [lane, open(lane)]));
  }

  async #accept(connection: Connection): Promise<void> {
    const { peerId, lane } = connection;
    if (this.#isClosed) return await connection.close();
    for (const link of this.#peers.get(peerId)?.lanes.values() ?? []) link.hurry();
    if (lane === 'bulk') return this.#options.onBulk(connection);
    this.#accepted.add(connection);
    try {
      for (;;) {
        const frames = await connection.receive();
        if (frames === undefined || this.#isClosed) break;
        const peer = this.#peers.get(peerId);
        if (peer !== undefined) peer.unansweredSinceMs = undefined;
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
