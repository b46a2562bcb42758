/** Positions [from, to) in the list of tables. */
export interface MergeRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Which tables to merge, the newest first in the list. With more than `countLimit` of them: the newest two,
 * and each older one that is not larger than all newer together. So a table is rewritten only when it grows
 * to twice its size at least, and the number of tables grows with the logarithm of their bytes.
 */
export function tablesToMerge(
  tables: readonly { readonly sizeBytes: number }[],
  countLimit: number,
  everything: boolean,
): MergeRange | undefined {
  if (everything) return tables.length < 2 ? undefined : { from: 0, to: tables.length };
  if (tables.length <= countLimit) return undefined;
  let sumBytes = 0;
  let to = 0;
  for (const table of tables) {
    if (to >= 2 && table.sizeBytes > sumBytes) break;
    sumBytes += table.sizeBytes;
    to++;
  }
  return { from: 0, to };
}
