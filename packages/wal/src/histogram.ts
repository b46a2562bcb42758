/** How often a number was seen, by size. Plain data. */
export interface HistogramCounts {
  /** Upper bounds, inclusive, growing. */
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is above the last. Not cumulative. */
  readonly counts: readonly number[];
  /** Of all that was seen. */
  readonly sum: number;
  readonly count: number;
}

/** Counts numbers into fixed ranges: constant memory, no work but an addition. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** Counts `value`, `times` times. */
  observe(value: number, times = 1): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] as number)) at++;
    this.#counts[at] = (this.#counts[at] as number) + times;
    this.#sum += value * times;
    this.#count += times;
  }

  get counts(): HistogramCounts {
    return {
      bounds: this.#bounds,
      counts: [...this.#counts],
      sum: this.#sum,
      count: this.#count,
    };
  }
}
