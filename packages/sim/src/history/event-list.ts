import type { Operation } from './operation.ts';

const NONE = -1;

/**
 * The invocations and returns of operations that were answered, in the order of time, as a linked list out of which
 * the two events of an operation are lifted when it is put into the order, and back into which they are put when
 * that was a mistake. Source: Wing and Gong 1993; Lowe 2017, "Testing for linearizability".
 */
export class EventList {
  /** Of each event: the operation if it is its invocation, else -1. */
  readonly #calls: Int32Array;
  readonly #times: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #invocationOf: Int32Array;
  readonly #returnOf: Int32Array;

  /** Of operations that all have a result. Events are numbered from 1; 0 is the head of the list. */
  constructor(operations: readonly Operation<unknown, unknown>[]) {
    const count = 2 * operations.length + 1;
    this.#calls = new Int32Array(count).fill(NONE);
    this.#times = new Float64Array(count);
    this.#next = Int32Array.from({ length: count }, (_, at) => (at + 1 < count ? at + 1 : NONE));
    this.#previous = Int32Array.from({ length: count }, (_, at) => at - 1);
    this.#invocationOf = new Int32Array(operations.length);
    this.#returnOf = new Int32Array(operations.length);
    const events = operations.flatMap((operation, at) => [
      { time: operation.invokedAt, at, isCall: true },
      { time: operation.returnedAt, at, isCall: false },
    ]);
    events.sort((left, right) => left.time - right.time);
    for (const [index, { time, at, isCall }] of events.entries()) {
      const event = index + 1;
      this.#times[event] = time;
      if (isCall) this.#calls[event] = at;
      (isCall ? this.#invocationOf : this.#returnOf)[at] = event;
    }
  }

  get isEmpty(): boolean {
    return this.#next[0] === NONE;
  }

  /** The event after, or -1; the first one after 0. */
  after(event: number): number {
    return this.#next[event] ?? NONE;
  }

  /** The operation that the event invokes, or -1 where it is a return. */
  callAt(event: number): number {
    return this.#calls[event] ?? NONE;
  }

  eventOf(operation: number): number {
    return this.#invocationOf[operation] ?? NONE;
  }

  /** When the first operation of the list returns: whatever is invoked later cannot come before it. */
  firstReturnTime(): number {
    let event = this.after(0);
    while (event !== NONE && this.callAt(event) !== NONE) event = this.after(event);
    return event === NONE ? Number.POSITIVE_INFINITY : (this.#times[event] ?? 0);
  }

  lift(operation: number): void {
    this.#unlink(this.#invocationOf[operation] ?? 0);
    this.#unlink(this.#returnOf[operation] ?? 0);
  }

  /** Undoes the latest `lift` that is not undone. */
  unlift(operation: number): void {
    this.#relink(this.#returnOf[operation] ?? 0);
    this.#relink(this.#invocationOf[operation] ?? 0);
  }

  #unlink(event: number): void {
    const next = this.after(event);
    const previous = this.#previous[event] ?? 0;
    this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
  }

  #relink(event: number): void {
    const next = this.after(event);
    this.#next[this.#previous[event] ?? 0] = event;
    if (next !== NONE) this.#previous[next] = event;
  }
}
