import type { KvEntryWithValue, KvReader } from '@holdfast/kv';
import type { KvRange } from './keys.ts';

/** Entries read at once. */
const PAGE_ENTRIES = 200;

/** The keys of a range, page by page; keys that are deleted meanwhile may or may not be among them. */
export async function* keysOf(
  kv: KvReader,
  range: KvRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  let { from } = range;
  for (;;) {
    const page = await kv.scan({ ...range, from, limit: PAGE_ENTRIES, values: false });
    for (const entry of page.entries) {
      yield entry.key;
      from = keyAfter(entry.key);
    }
    if (!page.more) return;
  }
}

/** As `keysOf`, with values. */
export async function* entriesOf(
  kv: KvReader,
  range: KvRange,
): AsyncGenerator<KvEntryWithValue, void, undefined> {
  let { from } = range;
  for (;;) {
    const page = await kv.scan({ ...range, from, limit: PAGE_ENTRIES });
    for (const entry of page.entries) {
      yield entry;
      from = keyAfter(entry.key);
    }
    if (!page.more) return;
  }
}

/** The smallest key greater than `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}
