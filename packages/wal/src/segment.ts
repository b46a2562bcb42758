import { invariant } from '@holdfast/bytes';
import { type Nonce, roundUpToBlock } from './layout.ts';
import { OffsetList } from './offset-list.ts';

/** From `firstIndex` on, up to the next run, records have `term`. */
export interface TermRun {
  readonly firstIndex: number;
  readonly term: number;
}

/**
 * `planned`: records are gathered for it, its file is not made yet. `active`: batches are written to it.
 * `sealed`: it has its footer and never changes again.
 */
export type SegmentState = 'planned' | 'active' | 'sealed';

/** Where the footer of a sealed segment is. */
export interface FooterPlace {
  readonly offset: number;
  readonly byteLength: number;
  /** Checksum of the footer's bytes. */
  readonly contentCrc: number;
}

/** What is known in memory of one segment file. */
export class Segment {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly baseIndex: number;
  readonly createdMs: number;
  /** Term of the record at `baseIndex - 1`, 0 where there is none. */
  termBefore = 0;
  nonce: Nonce = { low: 0, high: 0 };
  state: SegmentState = 'planned';
  /** Its header takes records of older segments out of the log. */
  truncates = false;
  /** The log begins with it: what older ones hold is no part of the log. */
  restarts = false;
  /** Id of the segment whose chain it continues; 0 where there is none. */
  previousId = 0;
  /** Undefined where they must be loaded from the footer first. */
  offsets: OffsetList | undefined;
  termRuns: TermRun[] = [];
  recordCount = 0;
  payloadBytes = 0;
  /** Where the next batch goes; of a sealed segment: where the footer begins. */
  endPosition = 0;
  fileSizeBytes = 0;
  footer: FooterPlace | undefined;
  /** Records above it are void: a later segment begins at or below them. */
  clipIndex: number = Number.MAX_SAFE_INTEGER;

  constructor(fields: {
    readonly id: number;
    readonly name: string;
    readonly path: string;
    readonly baseIndex: number;
    readonly createdMs: number;
  }) {
    this.id = fields.id;
    this.name = fields.name;
    this.path = fields.path;
    this.baseIndex = fields.baseIndex;
    this.createdMs = fields.createdMs;
  }

  /** Index of the last record in the file, void ones included; `baseIndex - 1` where there is none. */
  get lastWrittenIndex(): number {
    return this.baseIndex + this.recordCount - 1;
  }

  /** Index of the last record that is part of the log. */
  get lastIndex(): number {
    return Math.min(this.lastWrittenIndex, this.clipIndex);
  }

  addRecord(offset: number, index: number, term: number, payloadBytes: number): void {
    (this.offsets ??= new OffsetList()).push(offset);
    const run = this.termRuns.at(-1);
    if (run === undefined || run.term !== term) this.termRuns.push({ firstIndex: index, term });
    this.recordCount++;
    this.payloadBytes += payloadBytes;
  }

  /** As many records of one term and size, one right behind the other; `payloadBytes` is that of each. */
  addRecords(
    offset: number,
    sizeBytes: number,
    count: number,
    index: number,
    term: number,
    payloadBytes: number,
  ): void {
    this.addRecord(offset, index, term, payloadBytes);
    (this.offsets as OffsetList).addRecords(offset + sizeBytes, sizeBytes, count - 1);
    this.recordCount += count - 1;
    this.payloadBytes += (count - 1) * payloadBytes;
  }

  /** Forgets the records behind `lastIndex`, which hold `payloadBytes`. */
  trim(lastIndex: number, payloadBytes: number): void {
    const count = Math.max(0, lastIndex - this.baseIndex + 1);
    this.offsets?.trim(count);
    this.recordCount = count;
    this.payloadBytes -= payloadBytes;
    while ((this.termRuns.at(-1)?.firstIndex ?? 0) > lastIndex) this.termRuns.pop();
  }

  termAt(index: number): number {
    const runs = this.termRuns;
    let low = 0;
    let high = runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((runs[middle] as TermRun).firstIndex <= index) low = middle;
      else high = middle - 1;
    }
    const run = runs[low];
    invariant(run !== undefined && run.firstIndex <= index, `no term of index ${index}`);
    return run.term;
  }

  /** Byte range in which the record at `index` lies; the end may include padding and a batch header. */
  recordRange(index: number): { readonly start: number; readonly end: number } {
    invariant(this.offsets !== undefined, `offsets of segment ${this.id} are not loaded`);
    const position = index - this.baseIndex;
    const start = this.offsets.at(position);
    const isLast = position + 1 === this.offsets.length;
    return {
      start,
      end: isLast ? roundUpToBlock(this.endPosition) : this.offsets.at(position + 1),
    };
  }
}
