import { toHex } from '@holdfast/bytes';
import type { MemoryFiles } from '@holdfast/env/memory';
import type { Operation, Transaction, TransactResult } from '../../src/index.ts';

/** What is under a key: its digest, and the revision that wrote it where that is known. */
interface Value {
  readonly digest: string;
  readonly version: number | undefined;
}

export type Contents = ReadonlyMap<string, Value>;

/** A transaction, or all that another node's state puts in the place of what there was. */
interface Sent {
  readonly transaction: Transaction | undefined;
  readonly whole: Contents | undefined;
  /** What became of it; undefined where that is not known. `refused`: it was never there. */
  outcome: TransactResult | 'installed' | 'refused' | undefined;
}

/** What a store was told, in order, and has said. */
export class StoreModel {
  #base: Contents = new Map();
  #sent: Sent[] = [];
  #texts = 0;
  /** A node that is ahead, whose state is on its way. */
  ahead: MemoryFiles | undefined;
  /** The last record of it. */
  aheadIndex = 0;

  get nextValue(): number {
    return this.#texts++;
  }

  send(transaction: Transaction): Sent {
    return this.#add({ transaction, whole: undefined, outcome: undefined });
  }

  sendWhole(whole: Contents): Sent {
    return this.#add({ transaction: undefined, whole, outcome: undefined });
  }

  #add(sent: Sent): Sent {
    this.#sent.push(sent);
    return sent;
  }

  /** What is wrong with what was found by a start; undefined where nothing is. From then on it is what there is. */
  settle(found: Contents): string | undefined {
    let contents = this.#base;
    const least = this.#sent.findLastIndex(
      ({ outcome }) => outcome !== undefined && outcome !== 'refused',
    );
    let matches = least < 0 && isSame(found, contents);
    for (const [at, sent] of this.#sent.entries()) {
      if (matches) break;
      contents = after(contents, sent);
      matches = at >= least && isSame(found, contents);
    }
    if (!matches) {
      return `${describe(found)} is none of the states behind ${least + 1} of ${this.#sent.length} transactions; all are ${describe(contents)}`;
    }
    this.#base = found;
    this.#sent = [];
    return undefined;
  }

  /** Nothing is under way: what is there. */
  get contents(): Contents {
    let contents = this.#base;
    for (const sent of this.#sent) contents = after(contents, sent);
    this.#base = contents;
    this.#sent = [];
    return contents;
  }

  /** Every state that there may be, of what is under way the first so many. */
  get states(): Contents[] {
    const states = [this.#base];
    for (const sent of this.#sent) states.push(after(states.at(-1) as Contents, sent));
    return states;
  }
}

function after(contents: Contents, { transaction, whole, outcome }: Sent): Contents {
  if (outcome === 'refused') return contents;
  if (whole !== undefined) return whole;
  const { conditions = [], operations } = transaction as Transaction;
  const failed = conditions.findIndex((condition) => {
    const value = contents.get(toHex(condition.key));
    if (condition.kind === 'versionEquals') return value?.version !== condition.version;
    return (value !== undefined) !== (condition.kind === 'exists');
  });
  const known = outcome === undefined || outcome === 'installed' ? undefined : outcome;
  if (known !== undefined) {
    const said = known.committed ? -1 : known.failedCondition;
    if (said !== failed) {
      throw new Error(`condition ${failed} fails, and it was said that ${said} does`);
    }
  }
  if (failed >= 0) return contents;
  const next = new Map(contents);
  for (const operation of operations) apply(next, operation, known?.revision);
  return next;
}

function apply(next: Map<string, Value>, operation: Operation, version: number | undefined): void {
  const key = toHex(operation.key);
  if (operation.kind === 'delete') next.delete(key);
  else next.set(key, { digest: digestOf(operation.value), version });
}

export function isSame(found: Contents, expected: Contents): boolean {
  if (found.size !== expected.size) return false;
  for (const [key, { digest, version }] of expected) {
    const value = found.get(key);
    if (value?.digest !== digest) return false;
    if (version !== undefined && value.version !== version) return false;
  }
  return true;
}

export function describe(contents: Contents): string {
  return [...contents].map(([key, { digest, version }]) => `${key}=${digest}@${version}`).join(' ');
}

/** A value that nothing else has: its number again and again. */
export function valueOf(number: number, sizeBytes: number): Uint8Array {
  const value = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) value[at] = number >> (8 * (at % 3));
  return value;
}

export function digestOf(value: Uint8Array): string {
  const number = (value[0] ?? 0) | ((value[1] ?? 0) << 8) | ((value[2] ?? 0) << 16);
  for (let at = 0; at < value.length; at++) {
    if (value[at] !== ((number >> (8 * (at % 3))) & 0xff)) {
      throw new Error(`byte ${at} of a value of ${value.length} is wrong`);
    }
  }
  return `${value.length}x${number}`;
}
