import type { Address, Clock, Network } from '@holdfast/env';
import { Asking } from './rejoining.ts';

export interface TellingOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** Where a peer may be. */
  readonly addressesOf: (peerId: string) => readonly Address[];
  /** Where others reach this node; undefined where that is not known. */
  readonly ownAddress: () => Address | undefined;
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
    const { network, clock, addressesOf, ownAddress } = this.#options;
    const own = ownAddress();
    if (this.#isStopped || own === undefined || this.#running.has(peerId)) return;
    const sources = addressesOf(peerId).map((address) => ({ nodeId: peerId, address }));
    const asking = new Asking({ network, clock, sources: () => sources });
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
