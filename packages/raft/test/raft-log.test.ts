import { logIndex, term } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import {
  appendToLog,
  dropContents,
  entryAt,
  firstIndex,
  isUpToDate,
  lastIndex,
  lastNotAfterTerm,
  lastTerm,
  openLog,
  releaseLog,
  sizeOfRange,
  sliceLog,
  termAt,
  truncateLog,
} from '../src/raft-log.ts';
import { storedEntry } from './fixtures/test-cluster.ts';

const START = { index: logIndex(0), term: term(0) };
const logOf = (terms: readonly number[], base = START) =>
  openLog(
    base,
    terms.map((value) => ({ term: term(value), sizeBytes: 10 })),
  );

describe('terms and positions', () => {
  it.each([
    [0, 0],
    [1, 1],
    [2, 1],
    [3, 4],
    [4, 4],
    [5, 5],
    [6, undefined],
    [-1, undefined],
  ])('the term at %i of 1 1 4 4 5 is %s', (index, wanted) => {
    expect(termAt(logOf([1, 1, 4, 4, 5]), index)).toBe(wanted);
  });

  it('an empty log ends where it begins', () => {
    const log = logOf([], { index: logIndex(7), term: term(3) });
    expect([firstIndex(log), lastIndex(log), lastTerm(log)]).toEqual([8, 7, 3]);
  });

  it('below the base no term is known, and at the base it is', () => {
    const log = logOf([4], { index: logIndex(7), term: term(3) });
    expect([termAt(log, 6), termAt(log, 7), termAt(log, 8)]).toEqual([undefined, 3, 4]);
  });
});

describe('section 5.4.1: which log is more up to date', () => {
  it.each([
    [3, 5, true],
    [3, 6, true],
    [9, 4, false],
    [2, 5, false],
    [4, 5, true],
    [1, 6, true],
    [0, 0, false],
  ])('one that ends at %i in term %i against 1 1 5: %s', (index, lastLogTerm, wanted) => {
    const candidate = { index: logIndex(index), term: term(lastLogTerm) };
    expect(isUpToDate(logOf([1, 1, 5]), candidate)).toBe(wanted);
  });
});

describe('the highest place that can match', () => {
  it.each([
    [[1, 1, 2, 2, 3], 5, 3, 5, 3],
    [[1, 1, 2, 2, 3], 5, 2, 4, 2],
    [[1, 1, 2, 2, 3], 5, 1, 2, 1],
    [[1, 1, 2, 2, 3], 9, 2, 4, 2],
    [[1, 1, 2, 2, 3], 3, 9, 3, 2],
    [[2, 2, 2], 3, 1, 0, 0],
    [[1, 4, 4, 6], 3, 5, 3, 4],
    [[], 3, 5, 0, 0],
  ])('in %j from %i with term %i is %i of term %i', (terms, from, limit, index, found) => {
    expect(lastNotAfterTerm(logOf(terms), from, term(limit))).toEqual({ index, term: found });
  });
});

describe('changing a log', () => {
  it.each([
    [1, []],
    [2, [1]],
    [4, [1, 1, 2]],
    [6, [1, 1, 2, 2, 3]],
  ])('cut at %i it has the terms %j', (from, wanted) => {
    const log = logOf([1, 1, 2, 2, 3]);
    truncateLog(log, from);
    const terms = Array.from({ length: lastIndex(log) }, (_, n) => termAt(log, n + 1));
    expect(terms).toEqual(wanted);
  });

  it('what is released cannot be cut', () => {
    const log = logOf([4], { index: logIndex(7), term: term(3) });
    expect(() => truncateLog(log, 7)).toThrow(/below the log/);
  });

  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
  ])('released up to %i its base has term %i, and the rest is as before', (upTo, wanted) => {
    const log = logOf([1, 1, 2, 2, 3]);
    releaseLog(log, logIndex(upTo));
    expect(log.base).toEqual({ index: upTo, term: wanted });
    expect([lastIndex(log), lastTerm(log)]).toEqual([5, 3]);
    expect(sizeOfRange(log, 1, 6)).toBe((5 - upTo) * 10);
  });

  it('appends again where it was released to the end', () => {
    const log = logOf([1, 1]);
    releaseLog(log, logIndex(2));
    appendToLog(log, [storedEntry(3, 1), storedEntry(4, 2)]);
    expect([termAt(log, 2), termAt(log, 3), termAt(log, 4)]).toEqual([1, 1, 2]);
  });

  it('refuses a gap, a term that falls, and an entry without content', () => {
    const log = logOf([3]);
    expect(() => appendToLog(log, [storedEntry(3, 3)])).toThrow(/gap/);
    expect(() => appendToLog(log, [storedEntry(2, 2)])).toThrow(/falls/);
    const bare = { ...storedEntry(2, 3), content: undefined };
    expect(() => appendToLog(log, [bare])).toThrow(/content/);
  });

  it('cannot release what it does not have', () => {
    expect(() => releaseLog(logOf([1]), logIndex(2))).toThrow(/above the log/);
  });
});

describe('entries in hand', () => {
  const log = logOf([1]);
  appendToLog(log, [storedEntry(2, 1), storedEntry(3, 2)]);
  it('gives the content it holds', () => expect(entryAt(log, 3).content).toBeDefined());
  it('gives index, term and size of what it does not hold', () => {
    expect(entryAt(log, 1)).toEqual({ index: 1, term: 1, sizeBytes: 10, content: undefined });
  });
  it.each([
    [1, 1],
    [44, 2],
    [77, 2],
    [78, 3],
    [1000, 3],
  ])('as many as fit in %i bytes are %i, and at least one', (limitBytes, count) => {
    expect(sliceLog(log, 1, 4, limitBytes)).toHaveLength(count);
  });
  it('lets go of content up to an index', () => {
    const other = logOf([]);
    appendToLog(other, [storedEntry(1, 1), storedEntry(2, 1)]);
    dropContents(other, 1);
    expect(entryAt(other, 1).content).toBeUndefined();
    expect(entryAt(other, 2).content).toBeDefined();
  });
});
