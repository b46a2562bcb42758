import { hashOf } from './hash-set.ts';
import { MD5_MESSAGE_BYTES, type Md5Lanes } from './md5-lanes.ts';
import { MD5_LANES } from './md5-module.ts';

interface Waiting {
  readonly message: Uint8Array;
  readonly resolve: (digest: Uint8Array) => void;
}

/**
 * MD5 of small messages: those of one turn of the event loop are hashed side by side. Where the turn before had too few to
 * fill the lanes nobody waits: there is little to gain, and a few writers would only be slower.
 */
export class Md5OfTurn {
  readonly #lanes: Md5Lanes;
  #waiting: Waiting[] = [];
  #isTurnAwaited = false;
  /** Messages of this turn, and of the last one that had any. */
  #count = 0;
  #lastCount = 0;

  constructor(lanes: Md5Lanes) {
    this.#lanes = lanes;
  }

  takes(message: Uint8Array): boolean {
    return message.length <= MD5_MESSAGE_BYTES;
  }

  /** At once, or when as many wait as there are lanes, or the turn ends. The message must stay as it is until then. */
  digest(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.#count++;
    this.#awaitTurn();
    if (this.#lastCount < MD5_LANES) return hashOf('md5', message);
    return new Promise((resolve) => {
      this.#waiting.push({ message, resolve });
      if (this.#waiting.length === MD5_LANES) this.#hash();
    });
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#lastCount = this.#count;
      this.#count = 0;
      this.#hash();
    });
  }

  #hash(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const [only] = waiting;
    if (only === undefined) return;
    // Why: one alone is faster the other way.
    if (waiting.length === 1) return only.resolve(hashOf('md5', only.message));
    const digests = this.#lanes.digests(waiting.map(({ message }) => message));
    for (const [at, { resolve }] of waiting.entries()) resolve(digests[at] as Uint8Array);
  }
}
