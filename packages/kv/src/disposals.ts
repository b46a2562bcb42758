/**
 * Files that are being closed or removed with nobody waiting. Why failures are ignored: the state does not
 * depend on them, and what a failure leaves behind is removed at the next open.
 */
export class Disposals {
  readonly #running = new Set<Promise<void>>();

  track(disposal: Promise<void>): void {
    const settled = disposal
      .catch(() => undefined)
      .then(() => {
        this.#running.delete(settled);
      });
    this.#running.add(settled);
  }

  /** Resolves when all that were begun are over. */
  async finished(): Promise<void> {
    await Promise.all(this.#running);
  }
}
