import { toHex } from '@holdfast/bytes';
import type { LocalStore, Transaction } from '../../src/index.ts';
import { digestOf } from '../fixtures/crash-enumeration.ts';

/** What may be found after a crash: one of the states `acknowledged` to `submitted`, whole. */
export interface StoreMoment {
  /** After each transaction, the first before any: `key version value` in lines. Grows at its end. */
  readonly states: readonly string[];
  readonly acknowledged: number;
  readonly submitted: number;
}

/** A store, and a plain map that is told the same. */
export class Script {
  readonly #store: LocalStore;
  readonly #model = new Map<string, string>();
  readonly #states: string[];
  #revision: number;
  #acknowledged = 0;

  /** `found`: what the store holds now. */
  constructor(store: LocalStore, found: string = '') {
    this.#store = store;
    this.#states = [found];
    this.#revision = store.status().revision;
    for (const line of found === '' ? [] : found.split('\n')) {
      const space = line.indexOf(' ');
      this.#model.set(line.slice(0, space), line.slice(space + 1));
    }
  }

  get moment(): StoreMoment {
    const submitted = this.#states.length - 1;
    return { states: this.#states, acknowledged: this.#acknowledged, submitted };
  }

  /** After each transaction, the first before any: `key version value` of each key, in order. */
  get contents(): readonly (readonly string[])[] {
    return this.#states.map((state) => (state === '' ? [] : state.split('\n')));
  }

  /** Submits all at once and waits for all answers. */
  async transact(...transactions: Transaction[]): Promise<void> {
    const answers = transactions.map((transaction) => {
      this.#note(transaction);
      return this.#store.transact(transaction);
    });
    for (const answer of answers) answer.catch(() => undefined);
    for (const answer of answers) {
      await answer;
      this.#acknowledged++;
    }
  }

  /** Every record takes the next revision, so the model knows the versions. */
  #note(transaction: Transaction): void {
    const revision = ++this.#revision;
    const failed = (transaction.conditions ?? []).some(
      ({ kind, key }) => this.#model.has(toHex(key)) !== (kind === 'exists'),
    );
    for (const operation of failed ? [] : transaction.operations) {
      const key = toHex(operation.key);
      if (operation.kind === 'delete') this.#model.delete(key);
      else this.#model.set(key, `${revision} ${digestOf(operation.value)}`);
    }
    const lines = [...this.#model].map(([key, value]) => `${key} ${value}`);
    this.#states.push(lines.sort().join('\n'));
  }
}

/** What is wrong with what was found; undefined where it is one whole state of those that may be there. */
export function judgeState(
  found: string,
  { states, acknowledged, submitted }: StoreMoment,
): string | undefined {
  for (let count = acknowledged; count <= submitted; count++) {
    if (states[count] === found) return undefined;
  }
  const earlier = states.indexOf(found);
  const what = earlier < 0 ? 'no state that ever was' : `the state after ${earlier} transactions`;
  return `${what}, and ${acknowledged} of ${submitted} were acknowledged: ${found}`;
}
