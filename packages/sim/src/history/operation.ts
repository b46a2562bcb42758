/**
 * One operation of a history: what was asked, what was answered, and when. Times are event numbers: every
 * invocation and every return of a history has its own, and the smaller one happened earlier.
 */
export interface Operation<Call, Result> {
  /** Who asked. */
  readonly client: string;
  /** Operations on different keys do not influence each other, and are checked apart. */
  readonly key: string;
  readonly call: Call;
  /** undefined: no answer came. The operation may have happened at any time since, or may yet, or never. */
  readonly result: Result | undefined;
  readonly invokedAt: number;
  /** Infinity exactly where `result` is undefined. */
  readonly returnedAt: number;
}

/** What one key does when operations come one after another. Pure. */
export interface Model<State extends {} | null, Call, Result> {
  readonly initial: State;
  /**
   * The state after `call` was answered with `result`, or undefined where it cannot be in this state. With
   * `result` undefined every answer is possible, and the state that the call leaves is returned.
   */
  apply(state: State, call: Call, result: Result | undefined): State | undefined;
  /** Equal exactly for equal states. */
  identify(state: State): string;
  /** True where a call that is answered so changes no state whatever. */
  isRead(call: Call, result: Result | undefined): boolean;
  /** True where the state that the call leaves does not depend on the one before. */
  overwrites(call: Call): boolean;
  /**
   * The states in which a key may be after `earlier` calls in any order, each or none: enough of them that every
   * other one behaves like one of these in `window`.
   */
  startStates(earlier: readonly Call[], window: readonly Operation<Call, Result>[]): State[];
  /** For people, in a few words. */
  describe(call: Call, result: Result | undefined): string;
}

/** What to spend at most. A search that needs more is `undecided`, which is neither right nor wrong. */
export interface SearchLimits {
  /** Operations tried, of one search. Default 20 million. */
  readonly maxSteps?: number;
  /** Memory of states seen, in bytes, estimated. Default 256 MiB. */
  readonly maxMemoryBytes?: number;
  /** Asked now and then; true ends the search. For a limit of time. */
  readonly isExpired?: () => boolean;
}

/** Operations of one key whose answers no order explains. */
export interface Conflict<Call, Result> {
  readonly key: string;
  /** The fewest that were found to contradict each other, by time of invocation. */
  readonly operations: readonly Operation<Call, Result>[];
  /** Whose answer could not be explained when it came; it is one of `operations`. */
  readonly culprit: Operation<Call, Result>;
  /** Whether the key may have held anything written earlier when the window of the conflict began. */
  readonly fromAnyState: boolean;
  /** Others of the window, which may have happened at any point and explain nothing. */
  readonly weighed: number;
  /** For people: the operations on a time line. */
  readonly text: string;
}

/** What a check of a history says. */
export type Verdict<Call, Result> =
  | { readonly kind: 'linearizable'; readonly keys: number; readonly operations: number }
  | { readonly kind: 'violation'; readonly conflicts: readonly Conflict<Call, Result>[] }
  | { readonly kind: 'undecided'; readonly keys: readonly string[]; readonly reason: string };

/** By key, each list by time of invocation. */
export function operationsByKey<Call, Result>(
  operations: readonly Operation<Call, Result>[],
): Map<string, Operation<Call, Result>[]> {
  const byKey = new Map<string, Operation<Call, Result>[]>();
  for (const operation of operations) {
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  }
  for (const list of byKey.values()) {
    list.sort((left, right) => left.invokedAt - right.invokedAt);
  }
  return byKey;
}
