import type { Segment } from './segment.ts';

/** The segments of the log in order, and where the log begins. */
export class SegmentList {
  #segments: Segment[];
  #byId: Map<number, Segment>;
  firstIndex: number;
  /** Term of the record before `firstIndex`. */
  termBefore: number;
  /** Index of the last record appended. */
  lastIndex: number;
  #nextId: number;

  constructor(
    segments: Segment[],
    firstIndex: number,
    termBefore: number,
    lastIndex: number,
    nextId: number,
  ) {
    this.#segments = segments;
    this.#byId = indexById(segments);
    this.firstIndex = firstIndex;
    this.termBefore = termBefore;
    this.lastIndex = lastIndex;
    this.#nextId = nextId;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get last(): Segment | undefined {
    return this.#segments.at(-1);
  }

  /** An id never used before. */
  takeId(): number {
    return this.#nextId++;
  }

  push(segment: Segment): void {
    this.#segments.push(segment);
    this.#byId.set(segment.id, segment);
  }

  /** Replaces the whole list. */
  replace(segments: readonly Segment[]): void {
    this.#segments = [...segments];
    this.#byId = indexById(segments);
  }

  byId(segmentId: number): Segment | undefined {
    return this.#byId.get(segmentId);
  }

  /** The segment that holds the record at `index`, which must be in the log or in a released segment. */
  holding(index: number): Segment | undefined {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#segments[middle] as Segment).baseIndex <= index) low = middle;
      else high = middle - 1;
    }
    const segment = this.#segments[low];
    if (segment === undefined || index < segment.baseIndex || index > segment.lastIndex)
      return undefined;
    return segment;
  }

  /**
   * The least index from which all records are on disk, also released ones.
   *
   * Safety: only segments that name each other as predecessors count. A released one may end with records that
   * a later one took out of the log which is not there any more.
   */
  get retainedIndex(): number {
    let at = this.#segments.findLastIndex(({ baseIndex }) => baseIndex <= this.firstIndex);
    for (; at > 0; at--) {
      const segment = this.#segments[at] as Segment;
      const before = this.#segments[at - 1] as Segment;
      if (segment.restarts) break;
      if (segment.previousId !== before.id || before.lastIndex + 1 !== segment.baseIndex) break;
    }
    return Math.min(this.#segments[at]?.baseIndex ?? this.firstIndex, this.firstIndex);
  }

  /** Term of the record at `index`, or of the one before the first; undefined elsewhere. */
  termAt(index: number): number | undefined {
    if (index === this.firstIndex - 1) return this.termBefore;
    if (index < this.firstIndex || index > this.lastIndex) return undefined;
    return this.holding(index)?.termAt(index);
  }

  /** Whether it may be removed. The newest on disk never may: the next one continues its chain and its id. */
  isReleased(segment: Segment): boolean {
    if (segment.state !== 'sealed' || segment.lastIndex >= this.firstIndex) return false;
    return segment !== this.#segments.findLast(({ state }) => state !== 'planned');
  }
}

function indexById(segments: readonly Segment[]): Map<number, Segment> {
  return new Map(segments.map((segment) => [segment.id, segment]));
}
