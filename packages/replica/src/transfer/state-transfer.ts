import type { Address, Clock, Network } from '@holdfast/env';
import type { IncomingImage, IncomingSettings, StoreImages, WholeImage } from '@holdfast/kv';
import { KvError } from '@holdfast/kv';
import { ImageSource } from './image-client.ts';
import { Pause } from './pause.ts';

export interface StateTransferOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly images: StoreImages;
  readonly settings: IncomingSettings;
  readonly answerLimitMs: number;
  /** Other members, and where they are. */
  readonly sources: () => readonly { readonly nodeId: string; readonly address: Address }[];
  /** Another node's state is here as a whole: it may be installed. */
  readonly onWhole: (image: WholeImage, notes: ReadonlyMap<string, Uint8Array>) => void;
  /** A source failed, and the next is asked. */
  readonly onTrouble: (nodeId: string, error: unknown) => void;
}

/** Between two tries, at first; doubled up to the most while all sources fail. */
const RETRY_LEAST_MS = 50;
const RETRY_MOST_MS = 2000;

/**
 * Gets another node's state, from any member that has it: one after the other is asked until it is whole. What was received
 * stays through failures and restarts of either side.
 */
export class StateTransfer {
  readonly #options: StateTransferOptions;
  #incoming: IncomingImage | undefined;
  #running: Promise<void> | undefined;
  readonly #pause: Pause;
  #turn = 0;
  #isStopped = false;

  constructor(options: StateTransferOptions) {
    this.#options = options;
    this.#pause = new Pause(options.clock);
  }

  get isRunning(): boolean {
    return this.#running !== undefined || this.#incoming !== undefined;
  }

  /** Begins, unless it is under way: to a state after `leastIndex` at least, from `first` if that can. */
  start(first: string, leastIndex: number): void {
    if (this.#isStopped || this.isRunning) return;
    this.#running = this.#run(first, leastIndex).finally(() => {
      this.#running = undefined;
    });
  }

  /** Makes the state that is here the store's own; see `IncomingImage.install`. */
  async install(): Promise<void> {
    await this.#incoming?.install();
    await this.finish();
  }

  /** What is here is not needed now; it stays for the next time. */
  async finish(): Promise<void> {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    await incoming?.close();
  }

  /** Resolves when nothing of it runs. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#pause.end();
    const running = this.#running;
    await this.finish();
    await running;
  }

  async #run(first: string, leastIndex: number): Promise<void> {
    const incoming = this.#options.images.incoming(this.#options.settings);
    this.#incoming = incoming;
    let delayMs = RETRY_LEAST_MS;
    for (let tries = 0; !this.#isStopped; tries++) {
      const source = this.#sourceOf(tries === 0 ? first : undefined);
      if (source !== undefined) {
        try {
          const whole = await this.#receive(incoming, source, leastIndex);
          const notes = await incoming.readNotes();
          // Why before Raft hears of it: what waits for its disk, votes too, waits for the install.
          await incoming.prepare();
          if (!this.#isStopped) this.#options.onWhole(whole, notes);
          return;
        } catch (error) {
          if (this.#isStopped) return;
          if (isOver(error)) return await this.finish();
          this.#options.onTrouble(source.nodeId, error);
        }
      }
      await this.#pause.wait(delayMs);
      delayMs = Math.min(delayMs * 2, RETRY_MOST_MS);
    }
  }

  async #receive(
    incoming: IncomingImage,
    { nodeId, address }: { readonly nodeId: string; readonly address: Address },
    leastIndex: number,
  ): Promise<WholeImage> {
    const { network, clock, answerLimitMs } = this.#options;
    const source = await ImageSource.connect({ network, clock, nodeId, address, answerLimitMs });
    try {
      const received = await incoming.receivedIndex();
      const image = await source.open(Math.max(leastIndex, received));
      const whole = await incoming.receive(image);
      image.close();
      return whole;
    } finally {
      await source.close();
    }
  }

  /** All in turn, so that no one member carries it alone, and none that fails is asked again and again. */
  #sourceOf(first: string | undefined): { nodeId: string; address: Address } | undefined {
    const sources = this.#options.sources();
    const wanted = sources.find(({ nodeId }) => nodeId === first);
    return wanted ?? sources[this.#turn++ % Math.max(1, sources.length)];
  }
}

/** The store is being closed, or has by itself what was asked for. */
function isOver(error: unknown): boolean {
  return (
    error instanceof KvError && (error.code === 'KV_CLOSED' || error.code === 'KV_INVALID_ARGUMENT')
  );
}
