import { EventList } from './event-list.ts';
import type { Model, Operation, SearchLimits } from './operation.ts';
import { OperationSet } from './operation-set.ts';

const DEFAULT_MAX_STEPS = 20_000_000;
const DEFAULT_MAX_MEMORY_BYTES = 256 * 1024 * 1024;
/** Of a remembered string: its header, its place in the set. */
const MEMO_OVERHEAD_BYTES = 64;
/** Steps between two looks at the time. */
const EXPIRY_STRIDE = 4096;
const NONE = -1;

export type SearchOutcome = 'linearizable' | 'violation' | 'undecided';

interface Frame<State> {
  /** Place among the choices of its moment: an event of the list, or after all of them an unanswered operation. */
  readonly choice: number;
  readonly stateBefore: State;
  /** The other choices of its moment need not be tried. */
  readonly isForced: boolean;
}

/**
 * Looks for an order of the operations of one key that respects real time and explains every answer. Depth first, as
 * Wing and Gong; what was tried once, the same operations done and the same state reached, is not tried again
 * (Lowe). Three things keep it fast:
 *
 * - A read (whatever can never change a state) that fits now goes first: if any order is right, one with it here is.
 * - An unanswered operation need not be in the order at all, so it is tried last, and only where it changes the
 *   state; and never right before another unanswered one that overwrites what it left.
 * - What is remembered is short (`OperationSet`).
 */
export class LinearizationSearch<State extends {} | null, Call, Result> {
  readonly #model: Model<State, Call, Result>;
  readonly #answered: readonly Operation<Call, Result>[];
  readonly #unanswered: readonly Operation<Call, Result>[];
  readonly #events: EventList;
  readonly #done: OperationSet;
  readonly #used: OperationSet;
  readonly #seen = new Set<string>();
  readonly #frames: Frame<State>[] = [];
  readonly #limits: Required<SearchLimits>;
  #state: State;
  #steps = 0;
  #nextLook = 0;
  #memoryBytes = 0;

  /** `operations`: of one key, by time of invocation. */
  constructor(
    model: Model<State, Call, Result>,
    operations: readonly Operation<Call, Result>[],
    start: State,
    limits: SearchLimits = {},
  ) {
    this.#model = model;
    this.#answered = operations.filter(({ result }) => result !== undefined);
    this.#unanswered = operations.filter(
      ({ call, result }) => result === undefined && !model.isRead(call, result),
    );
    this.#events = new EventList(this.#answered);
    this.#done = new OperationSet(this.#answered.length);
    this.#used = new OperationSet(this.#unanswered.length);
    this.#state = start;
    this.#limits = {
      maxSteps: limits.maxSteps ?? DEFAULT_MAX_STEPS,
      maxMemoryBytes: limits.maxMemoryBytes ?? DEFAULT_MAX_MEMORY_BYTES,
      isExpired: limits.isExpired ?? (() => false),
    };
  }

  run(): SearchOutcome {
    while (!this.#events.isEmpty) {
      if (this.#isSpent()) return 'undecided';
      const read = this.#choose(0, true);
      if (read !== NONE) {
        this.#enter(read, this.#state, true);
        continue;
      }
      if (!this.#advance()) return 'violation';
    }
    return 'linearizable';
  }

  /** Makes the next choice that was not made, here or at an earlier moment; false where none is left. */
  #advance(): boolean {
    let choice = this.#choose(0, false);
    while (choice === NONE) {
      const frame = this.#leave();
      if (frame === undefined) return false;
      if (!frame.isForced) choice = this.#choose(frame.choice + 1, false);
    }
    this.#enter(choice, this.#after(choice) as State, false);
    return true;
  }

  /**
   * The first choice from `from` that fits: of answered operations that change nothing (`reads`), or of those that
   * do and lead where the search has not been.
   */
  #choose(from: number, reads: boolean): number {
    const events = this.#events;
    for (let event = events.after(0); events.callAt(event) !== NONE; event = events.after(event)) {
      if (event >= from && this.#fits(event, reads)) return event;
    }
    if (reads) return NONE;
    const base = this.#firstUnanswered;
    const until = events.firstReturnTime();
    for (let at = Math.max(0, from - base); at < this.#unanswered.length; at++) {
      if ((this.#unanswered[at]?.invokedAt ?? Infinity) > until) break;
      if (!this.#used.has(at) && this.#fits(base + at, false)) return base + at;
    }
    return NONE;
  }

  #fits(choice: number, isRead: boolean): boolean {
    this.#steps += 1;
    const { call, result } = this.#operation(choice);
    if (this.#model.isRead(call, result) !== isRead) return false;
    const after = this.#after(choice);
    if (after === undefined || isRead) return isRead && after !== undefined;
    if (choice >= this.#firstUnanswered && this.#isPointless(choice, after)) return false;
    return this.#isNew(choice, after);
  }

  /** Of an unanswered operation. What it overwrites at once need not have been there if it was unanswered too. */
  #isPointless(choice: number, after: State): boolean {
    const { identify, overwrites } = this.#model;
    if (identify(after) === identify(this.#state)) return true;
    const last = this.#frames.at(-1);
    if (last === undefined || last.choice < this.#firstUnanswered) return false;
    return overwrites(this.#operation(choice).call);
  }

  #isNew(choice: number, after: State): boolean {
    this.#mark(choice);
    const key = `${this.#done.key()}/${this.#used.key()}/${this.#model.identify(after)}`;
    this.#unmark(choice);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    this.#memoryBytes += 2 * key.length + MEMO_OVERHEAD_BYTES;
    return true;
  }

  #enter(choice: number, after: State, isForced: boolean): void {
    this.#frames.push({ choice, stateBefore: this.#state, isForced });
    this.#mark(choice);
    if (choice < this.#firstUnanswered) this.#events.lift(this.#events.callAt(choice));
    this.#state = after;
  }

  #leave(): Frame<State> | undefined {
    const frame = this.#frames.pop();
    if (frame === undefined) return undefined;
    const { choice } = frame;
    if (choice < this.#firstUnanswered) this.#events.unlift(this.#events.callAt(choice));
    this.#unmark(choice);
    this.#state = frame.stateBefore;
    return frame;
  }

  #mark(choice: number): void {
    if (choice >= this.#firstUnanswered) this.#used.add(choice - this.#firstUnanswered);
    else this.#done.add(this.#events.callAt(choice));
  }

  #unmark(choice: number): void {
    if (choice >= this.#firstUnanswered) this.#used.delete(choice - this.#firstUnanswered);
    else this.#done.delete(this.#events.callAt(choice));
  }

  #after(choice: number): State | undefined {
    const { call, result } = this.#operation(choice);
    return this.#model.apply(this.#state, call, result);
  }

  #operation(choice: number): Operation<Call, Result> {
    const at = choice - this.#firstUnanswered;
    const found = at >= 0 ? this.#unanswered[at] : this.#answered[this.#events.callAt(choice)];
    return found as Operation<Call, Result>;
  }

  /** Choices below it are events of the list. */
  get #firstUnanswered(): number {
    return 2 * this.#answered.length + 1;
  }

  #isSpent(): boolean {
    const { maxSteps, maxMemoryBytes, isExpired } = this.#limits;
    if (this.#steps > maxSteps || this.#memoryBytes > maxMemoryBytes) return true;
    if (this.#steps < this.#nextLook) return false;
    this.#nextLook = this.#steps + EXPIRY_STRIDE;
    return isExpired();
  }
}
