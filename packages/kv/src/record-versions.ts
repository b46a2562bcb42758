import type { ByteSlabs } from './byte-slabs.ts';
import type { IndexRecord } from './index-record.ts';
import { WordArena } from './word-arena.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** Words of a record. */
const EPOCH = 0;
const OLDER = 1;
/** Kind in the low two bits, length of the value above. */
const KIND_AND_LENGTH = 2;
const VERSION = 3;
/** Inline: the reference of the value. */
const VALUE = 5;
const INLINE_WORDS = 6;
const TOMBSTONE_WORDS = 5;
/** Extent: segment id, offset, length and checksum. */
const SEGMENT_ID = 5;
const OFFSET = 7;
const LENGTH = 9;
const CRC = 10;
const EXTENT_WORDS = 11;

const KIND_TOMBSTONE = 0;
const KIND_INLINE = 1;
const KIND_EXTENT = 2;

/** Records in flat arrays, each with the epoch in which it was written and the one that it replaced. 0 is none. */
export class RecordVersions {
  readonly #arena: WordArena;
  readonly #slabs: ByteSlabs;

  /** With room for as many as `like` holds. */
  constructor(slabs: ByteSlabs, like?: RecordVersions) {
    this.#arena = new WordArena(like === undefined ? undefined : like.#arena);
    this.#slabs = slabs;
  }

  /** Memory of the records; inline values are in the slabs. */
  get sizeBytes(): number {
    return this.#arena.sizeBytes;
  }

  /** Keeps a record, on top of `older`, which epochs before see. What of its own epoch it replaces, none sees. */
  add(record: IndexRecord, epoch: number, older: number): number {
    const replaces = older !== 0 && this.#word(older, EPOCH) === epoch;
    const count = wordsOf(record);
    const reuses = replaces && this.#wordCount(older) === count;
    const at = reuses ? older : this.#arena.reserve(count);
    const { words } = this.#arena;
    words[at + EPOCH] = epoch;
    words[at + OLDER] = replaces ? this.#word(older, OLDER) : older;
    putNumber(words, at + VERSION, record.version);
    if (record.kind === 'tombstone') words[at + KIND_AND_LENGTH] = KIND_TOMBSTONE;
    else if (record.kind === 'inline') {
      words[at + KIND_AND_LENGTH] = KIND_INLINE | (record.value.length << 2);
      // Why kept anew: readers may have the bytes of the one before.
      words[at + VALUE] = this.#slabs.keep(record.value);
    } else {
      words[at + KIND_AND_LENGTH] = KIND_EXTENT;
      putNumber(words, at + SEGMENT_ID, record.extent.segmentId);
      putNumber(words, at + OFFSET, record.extent.offset);
      words[at + LENGTH] = record.extent.length;
      words[at + CRC] = record.extent.crc;
    }
    return at;
  }

  /** The newest version that a reader of the epoch sees, from `at` on; 0 where none is. */
  seenAt(epoch: number, at: number): number {
    let seen = at;
    while (seen !== 0 && this.#word(seen, EPOCH) > epoch) seen = this.#word(seen, OLDER);
    return seen;
  }

  /** Memory of all records: with the slabs, what `readRecord` needs. */
  get recordBytes(): Uint8Array {
    return this.#arena.used;
  }

  /** The record; an inline value is a view of memory that does not change. */
  read(at: number): IndexRecord {
    return readRecord(this.#arena.words, this.#slabs, at);
  }

  #word(at: number, field: number): number {
    return this.#arena.words[at + field] as number;
  }

  #wordCount(at: number): number {
    const kind = this.#word(at, KIND_AND_LENGTH) & 3;
    if (kind === KIND_INLINE) return INLINE_WORDS;
    return kind === KIND_EXTENT ? EXTENT_WORDS : TOMBSTONE_WORDS;
  }
}

/** The record at `at` of the words; an inline value is a view of memory that does not change. */
export function readRecord(
  words: Int32Array,
  slabs: Pick<ByteSlabs, 'at'>,
  at: number,
): IndexRecord {
  const version = numberAt(words, at + VERSION);
  const kindAndLength = words[at + KIND_AND_LENGTH] as number;
  const kind = kindAndLength & 3;
  if (kind === KIND_TOMBSTONE) return { kind: 'tombstone', version };
  if (kind === KIND_INLINE) {
    const value = slabs.at(words[at + VALUE] as number, kindAndLength >>> 2);
    return { kind: 'inline', version, value };
  }
  const extent = {
    segmentId: numberAt(words, at + SEGMENT_ID),
    offset: numberAt(words, at + OFFSET),
    length: words[at + LENGTH] as number,
    crc: (words[at + CRC] as number) >>> 0,
  };
  return { kind: 'extent', version, extent };
}

function wordsOf(record: IndexRecord): number {
  if (record.kind === 'inline') return INLINE_WORDS;
  return record.kind === 'extent' ? EXTENT_WORDS : TOMBSTONE_WORDS;
}

/** A safe integer in two words. */
function putNumber(words: Int32Array, at: number, value: number): void {
  words[at] = value;
  words[at + 1] = Math.floor(value / TWO_TO_32);
}

function numberAt(words: Int32Array, at: number): number {
  return ((words[at] as number) >>> 0) + (words[at + 1] as number) * TWO_TO_32;
}
