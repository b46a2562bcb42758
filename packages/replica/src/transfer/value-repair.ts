import type { Address, Clock, Network } from '@holdfast/env';
import type { ValueName } from '@holdfast/kv';
import { ImageSource } from './image-client.ts';

export interface ValueRepairOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly answerLimitMs: number;
  /** Other members, and where they are. */
  readonly sources: () => readonly { readonly nodeId: string; readonly address: Address }[];
  readonly onTrouble: (nodeId: string, error: unknown) => void;
}

/** Values that are asked for at once; beyond it the damage is answered as such. */
const WAITING_LIMIT = 256;

/** Gets single values from other members. Connections are kept while they are of use. */
export class ValueRepair {
  readonly #options: ValueRepairOptions;
  readonly #connected = new Map<string, Promise<ImageSource>>();
  #waiting = 0;
  #isClosed = false;

  constructor(options: ValueRepairOptions) {
    this.#options = options;
  }

  /** From the first member that has it whole; undefined where none has. Never rejects; bounded in time by the members'. */
  async find(name: ValueName): Promise<Uint8Array | undefined> {
    if (this.#isClosed || this.#waiting >= WAITING_LIMIT) return undefined;
    this.#waiting++;
    try {
      for (const { nodeId, address } of this.#options.sources()) {
        const found = await this.#findAt(nodeId, address, name);
        if (found !== undefined || this.#isClosed) return found;
      }
      return undefined;
    } finally {
      this.#waiting--;
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const connected = [...this.#connected.values()];
    await Promise.all(connected.map((source) => source.then((one) => one.close()).catch(ignore)));
  }

  async #findAt(
    nodeId: string,
    address: Address,
    name: ValueName,
    isAgain: boolean = false,
  ): Promise<Uint8Array | undefined> {
    const known = this.#connected.get(nodeId);
    const { network, clock, answerLimitMs } = this.#options;
    const connected =
      known ?? ImageSource.connect({ network, clock, nodeId, address, answerLimitMs });
    this.#connected.set(nodeId, connected);
    try {
      const [value] = await (await connected).find([name]);
      return value?.slice();
    } catch (error) {
      if (this.#connected.get(nodeId) === connected) this.#connected.delete(nodeId);
      await connected.then((one) => one.close()).catch(ignore);
      // It may have ended long ago, and the member be well. Why once: the next one is shared too, by all who have waited.
      if (known !== undefined && !isAgain && !this.#isClosed) {
        return this.#findAt(nodeId, address, name, true);
      }
      if (!this.#isClosed) this.#options.onTrouble(nodeId, error);
      return undefined;
    }
  }
}

function ignore(): undefined {
  return undefined;
}
