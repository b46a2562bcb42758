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

  /** As `enter`, `work` and `leave`. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = this.enter(key);
    if (turn !== undefined) await turn;
    try {
      return await work();
    } finally {
      this.leave(key);
    }
  }

  /**
   * Takes the key, which the caller gives back with `leave` whatever happens. Resolves when it is the caller's turn; undefined
   * where it is at once. ConditionalRequestConflict where too many wait already.
   */
  enter(key: string): Promise<void> | undefined {
    const queue = this.#queues.get(key);
    if (queue === undefined) {
      this.#queues.set(key, []);
      return undefined;
    }
    if (queue.length >= this.#waitersPerKey) throw tooMany();
    return new Promise<void>((resolve) => queue.push(resolve));
  }

  /** The turn of who waits longest. */
  leave(key: string): void {
    const next = this.#queues.get(key)?.shift();
    if (next === undefined) this.#queues.delete(key);
    else next();
  }
}

function tooMany(): ObjectStoreError {
  return new ObjectStoreError(
    'ConditionalRequestConflict',
    'Too many conflicting operations are in progress on this key. Try again.',
  );
}
