import type { Conflict, Model, Operation } from './operation.ts';

/** Columns of the time line for one step of time. */
const STEP = 3;

/** The conflict as text: an operation a line, beside the others in time. */
export function describeConflict<State extends {} | null, Call, Result>(
  model: Model<State, Call, Result>,
  conflict: Omit<Conflict<Call, Result>, 'text'>,
): string {
  const { key, operations, culprit, weighed, fromAnyState } = conflict;
  const names = operations.map((one) => `${one.client}  ${model.describe(one.call, one.result)}`);
  const nameWidth = Math.max(...names.map((name) => name.length));
  const lines = timeLines(operations).map((line, at) => {
    const mark = operations[at] === culprit ? '  <- no order explains it' : '';
    return `  ${(names[at] ?? '').padEnd(nameWidth)}  ${line}${mark}`;
  });
  const notes: string[] = [];
  if (fromAnyState)
    notes.push('  at its begin the key may have held anything that was ever written until then');
  if (weighed > 0)
    notes.push(`  ${weighed} more at the time may or may not have happened, and explain nothing`);
  return [`key ${JSON.stringify(key)} is not linearizable:`, ...lines, ...notes].join('\n');
}

/** A bar for each operation, from its invocation to its return; events in equal steps. */
function timeLines(operations: readonly Operation<unknown, unknown>[]): string[] {
  const times = operations.flatMap(({ invokedAt, returnedAt }) => [invokedAt, returnedAt]);
  const steps = [...new Set(times.filter(Number.isFinite))].sort((left, right) => left - right);
  const columnOf = new Map(steps.map((time, at) => [time, at * STEP]));
  const width = steps.length * STEP;
  return operations.map(({ invokedAt, returnedAt }) => {
    const start = columnOf.get(invokedAt) ?? 0;
    const end = columnOf.get(returnedAt);
    const bar = `${' '.repeat(start)}|${'-'.repeat((end ?? width) - start - 1)}`;
    return end === undefined ? `${bar}...` : `${bar}|`;
  });
}
