import { compareBytes } from '@holdfast/bytes';
import type { KvCursor, KvEntryWithValue, KvReader } from '@holdfast/kv';
import type { KvRange } from './keys.ts';

export interface NameWalkOptions {
  /** Keys of the entries whose name begins with `prefix`. */
  readonly range: (prefix: string) => KvRange;
  /** The name in an entry. */
  readonly keyOf: (entry: KvEntryWithValue) => string;
  readonly prefix: string;
  readonly delimiter: string | undefined;
  /** Names after this one, exclusive. */
  readonly after: string | undefined;
  /** The first kvKey past the name `after`. */
  readonly past: (after: string) => Uint8Array;
}

/** A key with its entry, or a common prefix. */
export interface WalkedName {
  readonly name: string;
  readonly entry: KvEntryWithValue | undefined;
}

/**
 * The names of a listing in UTF-8 byte order: keys, and in place of all keys that have the delimiter
 * after the prefix in common, one common prefix. The cursor jumps past a common prefix as soon as it
 * has seen one key of it. Source: Amazon S3 API, ListObjectsV2, `Delimiter`.
 */
export class NameWalk {
  readonly #options: NameWalkOptions;

  constructor(options: NameWalkOptions) {
    this.#options = options;
  }

  async *names(reader: KvReader): AsyncGenerator<WalkedName, void, undefined> {
    const range = this.#options.range(this.#options.prefix);
    const from = this.#start(range);
    if (compareBytes(from, range.to) >= 0) return;
    const cursor = await reader.cursor({ from, to: range.to });
    try {
      yield* this.#walk(cursor);
    } finally {
      cursor.close();
    }
  }

  async *#walk(cursor: KvCursor): AsyncGenerator<WalkedName, void, undefined> {
    for (;;) {
      const entry = await cursor.next();
      if (entry === undefined) return;
      const key = this.#options.keyOf(entry);
      const commonPrefix = this.#commonPrefix(key);
      if (commonPrefix === undefined) {
        yield { name: key, entry };
      } else {
        yield { name: commonPrefix, entry: undefined };
        cursor.seek(this.#options.range(commonPrefix).to);
      }
    }
  }

  /** The first key whose name can be after `after`. */
  #start(range: KvRange): Uint8Array {
    const { after, past } = this.#options;
    if (after === undefined) return range.from;
    // Why: where `after` lies in a common prefix, or is one, all keys of it have a name that is not
    // after `after`.
    const commonPrefix = this.#commonPrefix(after);
    const from = commonPrefix === undefined ? past(after) : this.#options.range(commonPrefix).to;
    return compareBytes(from, range.from) > 0 ? from : range.from;
  }

  #commonPrefix(key: string): string | undefined {
    const { prefix, delimiter } = this.#options;
    if (delimiter === undefined || delimiter === '' || !key.startsWith(prefix)) return undefined;
    const at = key.indexOf(delimiter, prefix.length);
    return at < 0 ? undefined : key.slice(0, at + delimiter.length);
  }
}
