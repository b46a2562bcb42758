import type { IndexRecord } from './index-record.ts';
import type { SortedTable } from './sorted-table.ts';

/** Looks in the tables from `first` on, without a promise as long as no block must be read. */
export function findInTables(
  tables: readonly SortedTable[],
  key: Uint8Array,
  keyHash: number,
  first: number,
): IndexRecord | undefined | Promise<IndexRecord | undefined> {
  for (let at = first; at < tables.length; at++) {
    const found = (tables[at] as SortedTable).get(key, keyHash);
    if (found instanceof Promise) return findLater(tables, key, keyHash, at, found);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function findLater(
  tables: readonly SortedTable[],
  key: Uint8Array,
  keyHash: number,
  at: number,
  reading: Promise<IndexRecord | undefined>,
): Promise<IndexRecord | undefined> {
  const rest = tables.slice(at).map((table) => table.retain());
  try {
    return (await reading) ?? (await findInTables(tables, key, keyHash, at + 1));
  } finally {
    for (const table of rest) table.release();
  }
}
