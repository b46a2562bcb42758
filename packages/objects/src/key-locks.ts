import { ObjectStoreError } from './errors.ts';

/**
 * Lets the writers of one key commit one after another, in order of call, so that within a process no
 * transaction is lost to a race. Correctness never rests on it: the transactions' conditions decide.
 */
export class KeyLocks {
  readonly #waitersPerKey: number;
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(waitersPerKey: number) {
    this.#waitersPerKey = waitersPerKey;
  }

  /** As `run`, for several keys, which are sorted: so no two callers wait for each other. */
  runAll<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const all = keys.reduceRight((inner, key) => () => this.run(key, inner), work);
    return all();
  }

  /** ConditionalRequestConflict where too many wait already. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key);
    if (queue === undefined) {
      this.#queues.set(key, []);
    } else {
      if (queue.length >= this.#waitersPerKey) throw tooMany();
      await new Promise<void>((resolve) => queue.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#queues.get(key)?.shift();
      if (next === undefined) this.#queues.delete(key);
      else next();
    }
  }
}

function tooMany(): ObjectStoreError {
  return new ObjectStoreError(
    'ConditionalRequestConflict',
    'Too many conflicting operations are in progress on this key. Try again.',
  );
}
