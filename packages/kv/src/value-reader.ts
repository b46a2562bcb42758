import type { Extent } from '@holdfast/wal';
import type { ExtentRecord, InlineRecord, LiveRecord } from './index-record.ts';
import { valueSizeBytes } from './index-record.ts';
import { publicKey } from './key-space.ts';
import type { KvEntry, KvEntryWithValue } from './kv-store.ts';
import { checkTarget } from './request-check.ts';
import { readError } from './wal-failure.ts';

/** Whose value is read: by it another node finds what is damaged here. */
export interface ValueOwner {
  /** Internal key. */
  readonly key: Uint8Array;
  readonly version: number;
}

/** Reads bytes that stayed in the log: `Wal.readExtent`. */
export type ReadExtent = (
  extent: Extent,
  target?: Uint8Array,
  owner?: ValueOwner,
) => Promise<Uint8Array>;

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
  return entryWith(internalKey, record.version, record.value);
}

/** The entry of a value that is at hand. */
export function entryWith(
  internalKey: Uint8Array,
  version: number,
  value: Uint8Array,
): KvEntryWithValue {
  return { key: publicKey(internalKey), version, valueSizeBytes: value.length, value };
}

/** The entry with its value, read where the log has it. The caller holds a pin meanwhile. */
export async function readEntry(
  readExtent: ReadExtent,
  internalKey: Uint8Array,
  record: LiveRecord,
): Promise<KvEntryWithValue> {
  if (record.kind === 'inline') return inlineEntry(internalKey, record);
  return entryWith(internalKey, record.version, await readBytes(readExtent, internalKey, record));
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
  else await readBytes(readExtent, internalKey, record, target);
  return entryOf(internalKey, record);
}

async function readBytes(
  readExtent: ReadExtent,
  key: Uint8Array,
  { extent, version }: ExtentRecord,
  target?: Uint8Array,
): Promise<Uint8Array> {
  try {
    return await readExtent(extent, target, { key, version });
  } catch (cause) {
    throw readError(cause);
  }
}
