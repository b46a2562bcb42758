import type { Address, Clock, Network } from '@holdfast/env';
import { Asking } from './rejoining.ts';

export interface TellingOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** Where nodes are, this one too. */
  readonly addresses: ReadonlyMap<string, Address>;
}

/**
 * Tells peers where this node is: one that was away when it was taken in, or moved, cannot answer it before it knows (ADR 0040).
 * Nobody waits for it; where it does not arrive it is said again when the peer has been silent for as long again.
 */
export class Telling {
  readonly #options: TellingOptions;
  /** At most one for each peer. */
  readonly #running = new Map<string, { readonly asking: Asking; readonly done: Promise<void> }>();
  #isStopped = false;

  constructor(options: TellingOptions) {
    this.#options = options;
  }

  tell(peerId: string): void {
    const { network, clock, addresses } = this.#options;
    const address = addresses.get(peerId);
    const own = addresses.get(network.nodeId);
    if (this.#isStopped || this.#running.has(peerId)) return;
    if (address === undefined || own === undefined) return;
    const asking = new Asking({ network, clock, sources: () => [{ nodeId: peerId, address }] });
    const done = asking
      .ask({ type: 'address', address: own })
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#running.delete(peerId));
    this.#running.set(peerId, { asking, done });
  }

  /** Resolves when nothing of it runs. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const running = [...this.#running.values()];
    await Promise.all(running.map(({ asking, done }) => Promise.all([asking.stop(), done])));
  }
}
