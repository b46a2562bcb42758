import { LinearizationSearch } from './linearization-search.ts';
import type { Conflict, Model, Operation, SearchLimits, Verdict } from './operation.ts';
import { operationsByKey } from './operation.ts';
import { smallestConflict } from './smallest-conflict.ts';

/**
 * Whether there is for every key an order of its operations that respects real time and explains every answer. A
 * violation comes with the smallest conflict that was found of each key. Any violation decides; without one, a key
 * whose search reached a limit leaves the history undecided.
 * Source: Herlihy and Wing 1990, "Linearizability"; keys apart by their theorem of locality.
 */
export function checkLinearizable<State extends {} | null, Call, Result>(
  model: Model<State, Call, Result>,
  operations: readonly Operation<Call, Result>[],
  limits: SearchLimits = {},
): Verdict<Call, Result> {
  const conflicts: Conflict<Call, Result>[] = [];
  const undecided: string[] = [];
  const byKey = operationsByKey(operations);
  for (const [key, list] of byKey) {
    const outcome = new LinearizationSearch(model, list, model.initial, limits).run();
    if (outcome === 'undecided') undecided.push(key);
    if (outcome === 'violation') conflicts.push(smallestConflict(model, list, limits));
  }
  if (conflicts.length > 0) return { kind: 'violation', conflicts };
  if (undecided.length > 0) {
    const reason = 'the search reached its limit of steps, memory or time';
    return { kind: 'undecided', keys: undecided, reason };
  }
  return { kind: 'linearizable', keys: byKey.size, operations: operations.length };
}
