import type { ImageEntry, ValueName } from './image-entry.ts';

/** Entries of a section, at most; one with long keys or values has fewer. */
export const SECTION_ENTRY_LIMIT = 256;
/** Bytes of a section's entries, after which it ends. */
export const SECTION_SIZE_BYTES: number = 64 * 1024;
/** Sections of one answer, at most. */
export const PAGE_SECTION_LIMIT = 16;
/** Bytes of fresh entries after which an answer ends. */
export const PAGE_SIZE_BYTES: number = 256 * 1024;

/** Which entries are asked for: in (after, upTo], in key order. */
export interface ListRequest {
  /** undefined: from the very first. */
  readonly after: Uint8Array | undefined;
  /** undefined: to the very last. */
  readonly upTo: Uint8Array | undefined;
  /** The receiver has the state after this log index; entries up to it are not sent. 0: all are. */
  readonly since: number;
  /** Of the answer, at most; from 1 to `PAGE_SECTION_LIMIT`. */
  readonly sectionLimit: number;
}

/**
 * A run of entries of an image. What the receiver has already is only counted: the digest says whether that and the
 * fresh entries are together exactly what the image has there.
 */
export interface ImageSection {
  /** Key of its last entry; undefined: it reaches to the end of what was asked for. */
  readonly end: Uint8Array | undefined;
  /** Of all entries, fresh or not. */
  readonly digest: Uint8Array;
  /** Those that are newer than `since`, in order. */
  readonly fresh: readonly ImageEntry[];
}

/** One node's state after one log index, as another node sees it. What fails is the feed's to name. */
export interface ImageFeed {
  readonly index: number;
  /** Of the record at `index`. */
  readonly term: number;
  /** At least one section; the last one of all has no `end`. */
  list(request: ListRequest): Promise<readonly ImageSection[]>;
  /** The bytes of all values, in the order of their names. */
  values(names: readonly ValueName[]): Promise<readonly Uint8Array[]>;
}
