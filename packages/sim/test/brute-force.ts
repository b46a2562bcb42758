import type { Model, Operation } from '../src/history/index.ts';

/** The definition, tried out: every order of every subset that keeps the answered operations. For small histories. */
export function isLinearizableByDefinition<State extends {} | null, Call, Result>(
  model: Model<State, Call, Result>,
  operations: readonly Operation<Call, Result>[],
  state: State = model.initial,
): boolean {
  if (operations.every(({ result }) => result === undefined)) return true;
  return operations.some((one, at) => {
    const isFirst = operations.every((other) => other.returnedAt > one.invokedAt);
    const after = isFirst ? model.apply(state, one.call, one.result) : undefined;
    return (
      after !== undefined && isLinearizableByDefinition(model, operations.toSpliced(at, 1), after)
    );
  });
}
