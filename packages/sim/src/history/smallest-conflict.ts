import { invariant } from '@holdfast/bytes';
import { describeConflict } from './describe-conflict.ts';
import { LinearizationSearch } from './linearization-search.ts';
import type { Conflict, Model, Operation, SearchLimits } from './operation.ts';

/** Of one of the many searches that make a conflict small; one that needs more keeps what it would have dropped. */
const MAX_STEPS = 300_000;
/** Operations of a window that are tried one by one. */
const MAX_TRIED = 200;

/** A part of a history, and the states in which the key may be when it begins. */
interface Window<State, Call, Result> {
  readonly operations: readonly Operation<Call, Result>[];
  readonly starts: readonly State[];
}

/**
 * The fewest operations of a history that no order explains. Every step only takes claims away (it drops an
 * operation that changes nothing, or lets one be as if it had not been answered, or lets the key begin in any
 * state), so what is left contradicts itself whatever the rest was:
 *
 * 1. the shortest beginning that is wrong: its last return is the culprit's;
 * 2. the latest moment from which on it is still wrong, whatever the key held then;
 * 3. one operation after the other, as long as the rest is still wrong.
 */
export function smallestConflict<State extends {} | null, Call, Result>(
  model: Model<State, Call, Result>,
  operations: readonly Operation<Call, Result>[],
  limits: SearchLimits,
): Conflict<Call, Result> {
  const bounded = { ...limits, maxSteps: Math.min(limits.maxSteps ?? MAX_STEPS, MAX_STEPS) };
  const isWrong = ({ operations: part, starts }: Window<State, Call, Result>): boolean =>
    starts.every(
      (start) => new LinearizationSearch(model, part, start, bounded).run() === 'violation',
    );
  const whole = { operations, starts: [model.initial] };
  const returns = operations.map(({ returnedAt }) => returnedAt).filter(Number.isFinite);
  returns.sort((left, right) => left - right);
  const last = firstWhere(returns, (time) => isWrong(until(whole, time)));
  const prefix = last === undefined ? whole : until(whole, last);
  const culprit = operations.find(({ returnedAt }) => returnedAt === (last ?? returns.at(-1)));
  invariant(culprit !== undefined, 'a conflict has an operation that was answered');
  const begins = prefix.operations.map(({ invokedAt }) => invokedAt).reverse();
  const from = firstWhere(begins, (time) => isWrong(since(model, prefix, time)));
  const window = from === undefined ? prefix : since(model, prefix, from);
  const fewest = weaken(model, window, culprit, isWrong);
  const left = fewest.filter(({ result }) => result !== undefined);
  const conflict = {
    key: culprit.key,
    operations: left,
    culprit,
    fromAnyState: from !== undefined && window.starts.length > 1,
    weighed: window.operations.length - left.length,
  };
  return { ...conflict, text: describeConflict(model, conflict) };
}

/** The first of the values for which the predicate is true, if it stays true from there on. */
function firstWhere(
  values: readonly number[],
  isTrue: (value: number) => boolean,
): number | undefined {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isTrue(values[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return values[low];
}

/** What was known at a moment: later answers had not come. */
function until<State, Call, Result>(
  { operations, starts }: Window<State, Call, Result>,
  time: number,
): Window<State, Call, Result> {
  const begun = operations.filter(({ invokedAt }) => invokedAt < time);
  return {
    operations: begun.map((one) => (one.returnedAt > time ? unanswered(one) : one)),
    starts,
  };
}

/** What began at a moment or later. What was under way may have happened before it. */
function since<State extends {} | null, Call, Result>(
  model: Model<State, Call, Result>,
  { operations }: Window<State, Call, Result>,
  time: number,
): Window<State, Call, Result> {
  const left = operations.filter(({ returnedAt }) => returnedAt > time);
  const window = left.map((one) => (one.invokedAt < time ? unanswered(one) : one));
  const earlier = operations.filter(({ invokedAt }) => invokedAt < time).map(({ call }) => call);
  return { operations: window, starts: model.startStates(earlier, window) };
}

function weaken<State extends {} | null, Call, Result>(
  model: Model<State, Call, Result>,
  window: Window<State, Call, Result>,
  culprit: Operation<Call, Result>,
  isWrong: (window: Window<State, Call, Result>) => boolean,
): readonly Operation<Call, Result>[] {
  let { operations } = window;
  const answered = operations.filter(({ result }) => result !== undefined);
  for (const one of answered.slice(0, MAX_TRIED)) {
    if (one === culprit) continue;
    const weaker = operations.flatMap((other) => {
      if (other !== one) return [other];
      return model.isRead(one.call, one.result) ? [] : [unanswered(one)];
    });
    if (isWrong({ ...window, operations: weaker })) operations = weaker;
  }
  return operations;
}

function unanswered<Call, Result>(operation: Operation<Call, Result>): Operation<Call, Result> {
  return { ...operation, result: undefined, returnedAt: Number.POSITIVE_INFINITY };
}
