import { fromHex } from '@holdfast/bytes';
import type { Random } from '@holdfast/env';
import { ObjectStoreError } from './errors.ts';
import { ID_SIZE_BYTES } from './keys.ts';
import type { ObjectRecord, RecordVersion } from './object-record.ts';

const TIME_SIZE_BYTES = 6;
const VERSION_ID = /^[0-9a-f]{32}$/;

/** A version as a client names it: its id, or the one null version. */
export type VersionName = 'null' | Uint8Array;

/** InvalidArgument for what this store never gave out. */
export function parseVersionId(text: string): VersionName {
  if (text === 'null') return 'null';
  if (VERSION_ID.test(text)) return fromHex(text);
  throw new ObjectStoreError('InvalidArgument', 'Invalid version id specified', {
    versionId: text,
  });
}

/**
 * The id of a version that is newer than `latest`. Its first six bytes are wall-clock milliseconds, or one
 * more than those of `latest` where the clock does not say that it is later: so versions of a key sort in
 * the order of their commits.
 */
export function newVersionId(
  random: Random,
  nowMs: number,
  latest: ObjectRecord | undefined,
): Uint8Array {
  const id = random.bytes(ID_SIZE_BYTES);
  const timeMs = latest === undefined ? nowMs : Math.max(nowMs, timeOf(latest) + 1);
  writeTime(id, timeMs);
  return id;
}

/** Where a record sorts among the versions of its key. */
export function sortId(record: Pick<ObjectRecord, 'version' | 'modifiedMs'>): Uint8Array {
  if (record.version !== undefined) return record.version.id;
  const id = new Uint8Array(ID_SIZE_BYTES);
  writeTime(id, record.modifiedMs);
  return id;
}

export function isNullVersion(version: RecordVersion | undefined): boolean {
  return version === undefined || version.isNull;
}

function timeOf(record: ObjectRecord): number {
  let time = 0;
  for (const byte of sortId(record).subarray(0, TIME_SIZE_BYTES)) time = time * 0x100 + byte;
  return time;
}

function writeTime(id: Uint8Array, timeMs: number): void {
  let rest = timeMs;
  for (let at = TIME_SIZE_BYTES - 1; at >= 0; at--) {
    id[at] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
}
