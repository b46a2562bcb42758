import { invariant } from '@holdfast/bytes';
import type { Operation } from './operation.ts';

/** An operation under way. Exactly one of its methods is called, once. */
export interface PendingOperation<Result> {
  /** The answer came. */
  answered(result: Result): void;
  /** No answer came, or one that does not say whether it happened: a timeout, a cut connection, a 5xx. */
  unknown(): void;
  /** It surely had no effect, and its answer claims nothing about the key: the connection was refused. */
  withdrawn(): void;
}

/** Writes down what concurrent clients do, in the order in which it happens in this process. */
export class HistoryRecorder<Call, Result> {
  readonly #operations: Operation<Call, Result>[] = [];
  readonly #pending = new Map<number, Operation<Call, Result>>();
  /** Stands for time: every invocation and every return has its own number. */
  #now = 0;

  /** Call it before the request is sent. */
  begin(client: string, key: string, call: Call): PendingOperation<Result> {
    this.#now += 1;
    const invokedAt = this.#now;
    const begun = { client, key, call, result: undefined, invokedAt, returnedAt: Infinity };
    this.#pending.set(invokedAt, begun);
    const end = (ended: Operation<Call, Result> | undefined): void => {
      invariant(this.#pending.delete(invokedAt), 'an operation ends once');
      if (ended !== undefined) this.#operations.push(ended);
    };
    return {
      answered: (result) => {
        this.#now += 1;
        end({ ...begun, result, returnedAt: this.#now });
      },
      unknown: () => end(begun),
      withdrawn: () => end(undefined),
    };
  }

  /** All so far, those under way as unanswered, by time of invocation. */
  history(): Operation<Call, Result>[] {
    const all = [...this.#operations, ...this.#pending.values()];
    return all.sort((left, right) => left.invokedAt - right.invokedAt);
  }
}
