import { InvariantError } from './invariant.ts';

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A Raft term, from 0. */
export type Term = Brand<number, 'Term'>;
/** A position in the log, from 1; 0 means "before the first record". */
export type LogIndex = Brand<number, 'LogIndex'>;

// Why: indexes and terms are safe integers, not bigints. 2^53 records at a million a second last
// 285 years, and numbers stay unboxed where bigints allocate.

/** Checks and brands a term. */
export function term(value: number): Term {
  if (!isPosition(value)) throw new InvariantError(`not a term: ${value}`);
  return value as Term;
}

/** Checks and brands a log index. */
export function logIndex(value: number): LogIndex {
  if (!isPosition(value)) throw new InvariantError(`not a log index: ${value}`);
  return value as LogIndex;
}

function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
