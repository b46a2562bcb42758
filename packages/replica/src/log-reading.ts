import { logIndex } from '@holdfast/bytes';
import type { Entry } from '@holdfast/raft';
import type { Wal } from '@holdfast/wal';
import { contentOf } from './entry-format.ts';

/** Entries with their content from the log; undefined where the log has others by now, or has them no more. */
export async function loadEntries(
  wal: Wal,
  entries: readonly Entry[],
): Promise<Entry[] | undefined> {
  const loaded: Entry[] = [];
  for (let at = 0; at < entries.length; ) {
    const entry = entries[at] as Entry;
    if (entry.content !== undefined) {
      loaded.push(entry);
      at++;
      continue;
    }
    const end = entries.findIndex((later, place) => place > at && later.content !== undefined);
    const run = entries.slice(at, end < 0 ? entries.length : end);
    const last = run.at(-1) as Entry;
    const limitBytes = Number.MAX_SAFE_INTEGER;
    const records = await wal.readRange(entry.index, logIndex(last.index + 1), limitBytes);
    for (const [place, record] of records.entries()) {
      const wanted = run[place];
      if (wanted?.index !== record.index || wanted.term !== record.term) return undefined;
      const { kind, head, bodyBytes, body } = record;
      const hasBody = bodyBytes.length > 0;
      const parts = { kind, head, body: hasBody ? [bodyBytes] : undefined, bodyCrc: body?.crc };
      loaded.push({ ...wanted, content: contentOf(parts) });
    }
    if (records.length !== run.length) return undefined;
    at += run.length;
  }
  return loaded;
}
