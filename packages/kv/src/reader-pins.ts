/** A reader's hold on everything that was live at a moment. */
export interface ReaderPin {
  readonly moment: number;
}

/** Since when the index is being read, so that what its readers need is not removed. */
export class ReaderPins {
  readonly #now: () => number;
  readonly #pins = new Set<ReaderPin>();

  /** `now` is `SegmentSpace.moment`. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get count(): number {
    return this.#pins.size;
  }

  /** In the turn in which the reader looks at the index. */
  acquire(): ReaderPin {
    const pin = { moment: this.#now() };
    this.#pins.add(pin);
    return pin;
  }

  /** Idempotent. */
  release(pin: ReaderPin): void {
    this.#pins.delete(pin);
  }

  /** The moment since which somebody reads; infinity where nobody does. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const pin of this.#pins) if (pin.moment < oldest) oldest = pin.moment;
    return oldest;
  }
}
