import type { Log } from '../log.ts';

/** Which targets take events: those that are set up, while their queues are not full. */
export class TargetTable {
  /** Whether its queue is full, by the target's name. */
  readonly #full = new Map<string, boolean>();
  readonly #log: Log;
  #dropped = 0;

  constructor(names: readonly string[], log: Log) {
    this.#log = log;
    for (const name of names) this.#full.set(name, false);
  }

  has(name: string): boolean {
    return this.#full.has(name);
  }

  takesEvents(name: string): boolean {
    const full = this.#full.get(name);
    if (full === true) this.#dropped++;
    return full === false;
  }

  /** The operator is told at each change. */
  setFull(name: string, full: boolean): void {
    if (this.#full.get(name) === full) return;
    this.#full.set(name, full);
    if (full) {
      this.#log.error({ webhook: name }, 'the queue of a webhook is full: events are not queued');
      return;
    }
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#log.warn({ webhook: name, dropped }, 'the queue of a webhook has room again');
  }
}
