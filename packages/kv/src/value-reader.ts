import type { Extent } from '@holdfast/wal';
import type { InlineRecord, LiveRecord } from './index-record.ts';
import { valueSizeBytes } from './index-record.ts';
import { publicKey } from './key-space.ts';
import type { KvEntry, KvEntryWithValue } from './kv-store.ts';
import { checkTarget } from './request-check.ts';
import { readError } from './wal-failure.ts';

/** Reads bytes that stayed in the log: `Wal.readExtent`. */
export type ReadExtent = (extent: Extent, target?: Uint8Array) => Promise<Uint8Array>;

/** The entry without its value. */
export function entryOf(internalKey: Uint8Array, record: LiveRecord): KvEntry {
  return {
    key: publicKey(internalKey),
    version: record.version,
    valueSizeBytes: valueSizeBytes(record),
  };
}

/** The entry of a value that is in the index. */
export function inlineEntry(internalKey: Uint8Array, record: InlineRecord): KvEntryWithValue {
  return {
    key: publicKey(internalKey),
    version: record.version,
    valueSizeBytes: record.value.length,
    value: record.value,
  };
}

/** The entry with its value, read where the log has it. The caller holds a pin meanwhile. */
export async function readEntry(
  readExtent: ReadExtent,
  internalKey: Uint8Array,
  record: LiveRecord,
): Promise<KvEntryWithValue> {
  if (record.kind === 'inline') return inlineEntry(internalKey, record);
  const value = await readBytes(readExtent, record.extent);
  return {
    key: publicKey(internalKey),
    version: record.version,
    valueSizeBytes: value.length,
    value,
  };
}

/** As `readEntry`, with the value at the start of `target`. */
export async function readEntryInto(
  readExtent: ReadExtent,
  internalKey: Uint8Array,
  record: LiveRecord,
  target: Uint8Array,
): Promise<KvEntry> {
  checkTarget(target, valueSizeBytes(record));
  if (record.kind === 'inline') target.set(record.value);
  else await readBytes(readExtent, record.extent, target);
  return entryOf(internalKey, record);
}

async function readBytes(
  readExtent: ReadExtent,
  extent: Extent,
  target?: Uint8Array,
): Promise<Uint8Array> {
  try {
    return await readExtent(extent, target);
  } catch (cause) {
    throw readError(cause);
  }
}
