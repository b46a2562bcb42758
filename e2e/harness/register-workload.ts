import {
  checkLinearizable,
  checkVersionedRegisters,
  type RegisterOperation,
  type RegisterResult,
  registerModel,
} from '@holdfast/sim/history';
import type { RecordedClient } from './recorded-client.ts';
import type { SeededDice } from './seeded-dice.ts';

/** Written by conditional puts only: their ETags form a chain, which checks histories of any length. */
export const CHAINED: readonly string[] = ['chained/a', 'chained/b', 'chained/c'];
/** Written and deleted in every way. */
export const MIXED: readonly string[] = ['mixed/a', 'mixed/b', 'mixed/c', 'mixed/d'];

/** Reads a key and replaces what it found, or does something else to one of the mixed keys. undefined: no answer. */
export async function registerStep(
  client: RecordedClient,
  body: string,
  dice: SeededDice,
): Promise<RegisterResult | undefined> {
  const isChained = dice.below(2) === 0;
  const key = dice.pick(isChained ? CHAINED : MIXED);
  const kind = dice.below(10);
  if (!isChained && kind < 2) return client.delete(key);
  if (!isChained && kind < 4) return client.put(key, body);
  const seen = await client.get(key);
  if (seen === undefined || kind === 4) return seen;
  return client.put(key, body, seen.kind === 'found' ? seen.value : null);
}

/** What no order of the operations explains, in words: by the definition, and by the ETags of the chained keys. */
export function violationsOf(history: readonly RegisterOperation[]): string[] {
  const chained = history.filter(({ key }) => CHAINED.includes(key));
  const verdicts = [checkLinearizable(registerModel, history), checkVersionedRegisters(chained)];
  return verdicts.flatMap((verdict) => {
    if (verdict.kind === 'linearizable') return [];
    return verdict.kind === 'violation'
      ? verdict.conflicts.map(({ text }) => text)
      : [verdict.kind];
  });
}
