import type { Log } from '../log.ts';

/** The queue of one target, as metrics show it. */
export interface TargetStatus {
  readonly webhook: string;
  /** Events that wait, as last counted: up to the limit. */
  readonly waiting: number;
  /** Events that were not queued since the start, because the queue was full. */
  readonly dropped: number;
}

interface Target {
  full: boolean;
  waiting: number;
  dropped: number;
  /** Of them, those that the log has told of. */
  told: number;
}

/** Which targets take events: those that are set up, while their queues are not full. */
export class TargetTable {
  readonly #targets = new Map<string, Target>();
  readonly #log: Log;

  constructor(names: readonly string[], log: Log) {
    this.#log = log;
    for (const name of names) {
      this.#targets.set(name, { full: false, waiting: 0, dropped: 0, told: 0 });
    }
  }

  has(name: string): boolean {
    return this.#targets.has(name);
  }

  /** Asked for an event that is to be queued: where the answer is no it is dropped, and counted. */
  takesEvents(name: string): boolean {
    const target = this.#targets.get(name);
    if (target?.full === true) target.dropped++;
    return target?.full === false;
  }

  status(): readonly TargetStatus[] {
    return [...this.#targets].map(([webhook, { waiting, dropped }]) => ({
      webhook,
      waiting,
      dropped,
    }));
  }

  /** So many events wait for it now. The operator is told when its queue becomes full, and when it no longer is. */
  setWaiting(name: string, waiting: number, limit: number): void {
    const target = this.#targets.get(name);
    if (target === undefined) return;
    target.waiting = waiting;
    const full = waiting >= limit;
    if (target.full === full) return;
    target.full = full;
    if (full) {
      this.#log.error({ webhook: name }, 'the queue of a webhook is full: events are not queued');
      return;
    }
    const dropped = target.dropped - target.told;
    target.told = target.dropped;
    this.#log.warn({ webhook: name, dropped }, 'the queue of a webhook has room again');
  }
}
