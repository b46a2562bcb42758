import { compareBytes, utf8 } from '@holdfast/bytes';
import type { KvCursor, KvReader } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { keyAfter } from './key-range.ts';
import {
  decodeVersionKey,
  KEY_SPACE,
  type KvRange,
  markerKvKey,
  nullVersionKey,
  objectKeyOf,
  objectKvKey,
  spaceRange,
  versionKey,
  versionPrefix,
  versionsOfKey,
} from './keys.ts';
import { decodeObjectRecord, type ObjectRecord } from './object-record.ts';
import type { ListVersionsRequest } from './object-store.ts';
import { isNullVersion, parseVersionId, sortId, type VersionName } from './version-id.ts';

/** Where a walk begins, and over which keys it goes. */
export type VersionWalkRequest = Pick<
  ListVersionsRequest,
  'prefix' | 'delimiter' | 'afterKey' | 'afterVersionId'
>;

export interface WalkedVersion {
  readonly key: string;
  readonly record: ObjectRecord;
  /** Where the record is, and the version of its entry. */
  readonly kvKey: Uint8Array;
  readonly entryVersion: number;
  readonly isLatest: boolean;
}

/** The part of a key up to the delimiter after the prefix; undefined where the key has none. */
export function commonPrefixOf(
  key: string,
  { prefix = '', delimiter }: VersionWalkRequest,
): string | undefined {
  if (delimiter === undefined || delimiter === '' || !key.startsWith(prefix)) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/** A range in one of the three spaces, with its first entry read ahead. */
interface Lane {
  readonly cursor: KvCursor;
  readonly isLatest: boolean;
  readonly keyOf: (kvKey: Uint8Array) => string;
  readonly range: (prefix: string) => KvRange;
  /** undefined until it is read. */
  head: { readonly name: Uint8Array; readonly version: WalkedVersion } | 'end' | undefined;
}

/** All versions in the order of a listing: a merge of the latest ones, the markers and the older ones. */
export class VersionWalk {
  readonly #lanes: readonly Lane[];

  private constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  static async open(
    view: KvReader,
    bucket: KnownBucket,
    request: VersionWalkRequest,
  ): Promise<VersionWalk> {
    const { bucketId } = bucket.record;
    const starts = await startsOf(view, bucketId, request);
    const lanes: Lane[] = [];
    for (const { range, isLatest, keyOf, start } of [
      {
        isLatest: true,
        keyOf: objectKeyOf,
        start: starts.latest(objectKvKey),
        range: latestRange(KEY_SPACE.object, objectKvKey),
      },
      {
        isLatest: true,
        keyOf: objectKeyOf,
        start: starts.latest(markerKvKey),
        range: latestRange(KEY_SPACE.deleteMarker, markerKvKey),
      },
      {
        isLatest: false,
        keyOf: (key: Uint8Array) => decodeVersionKey(key).key,
        start: starts.older,
        range: olderRange,
      },
    ]) {
      const rangeOf = (prefix: string): KvRange => range(bucketId, prefix);
      const { from, to } = rangeOf(request.prefix ?? '');
      const first = start === undefined || compareBytes(start, from) < 0 ? from : start;
      // Where the start is past the end, a range of nothing.
      const end = compareBytes(first, to) < 0 ? to : keyAfter(first);
      const empty = end !== to;
      const cursor = await view.cursor({ from: first, to: end });
      lanes.push({ cursor, isLatest, keyOf, range: rangeOf, head: empty ? 'end' : undefined });
    }
    return new VersionWalk(lanes);
  }

  async next(): Promise<WalkedVersion | undefined> {
    let best: Lane | undefined;
    for (const lane of this.#lanes) {
      lane.head ??= await readHead(lane);
      if (lane.head === 'end') continue;
      // The latest version comes first: its lanes do, and of a key at most one of them has it.
      if (best === undefined || compareBytes(nameOf(lane), nameOf(best)) < 0) best = lane;
    }
    if (best === undefined || best.head === 'end' || best.head === undefined) return undefined;
    const { version } = best.head;
    best.head = undefined;
    return version;
  }

  /** Goes on after all keys that begin with `prefix`. */
  skip(prefix: string): void {
    for (const lane of this.#lanes) {
      if (lane.head === 'end') continue;
      if (lane.head !== undefined && !lane.head.version.key.startsWith(prefix)) continue;
      lane.cursor.seek(lane.range(prefix).to);
      lane.head = undefined;
    }
  }

  close(): void {
    for (const lane of this.#lanes) lane.cursor.close();
  }
}

function nameOf(lane: Lane): Uint8Array {
  return lane.head === undefined || lane.head === 'end' ? new Uint8Array(0) : lane.head.name;
}

async function readHead(lane: Lane): Promise<Lane['head']> {
  const entry = await lane.cursor.next();
  if (entry === undefined) return 'end';
  const key = lane.keyOf(entry.key);
  const { isLatest } = lane;
  const { key: kvKey, version: entryVersion } = entry;
  const version = { key, kvKey, entryVersion, isLatest, record: decodeObjectRecord(entry.value) };
  return { name: utf8(key), version };
}

type KeyOf = (bucketId: Uint8Array, key: string) => Uint8Array;

function latestRange(
  space: typeof KEY_SPACE.object | typeof KEY_SPACE.deleteMarker,
  keyOf: KeyOf,
): (bucketId: Uint8Array, prefix: string) => KvRange {
  return (bucketId, prefix) => spaceRange(space, keyOf(bucketId, prefix).subarray(1));
}

function olderRange(bucketId: Uint8Array, prefix: string): KvRange {
  return spaceRange(KEY_SPACE.objectVersion, versionPrefix(bucketId, prefix).subarray(1));
}

/** Where a page begins in each space. */
interface Starts {
  readonly latest: (keyOf: KeyOf) => Uint8Array | undefined;
  readonly older: Uint8Array | undefined;
}

async function startsOf(
  view: KvReader,
  bucketId: Uint8Array,
  request: VersionWalkRequest,
): Promise<Starts> {
  const { afterKey, afterVersionId } = request;
  if (afterKey === undefined) return { latest: () => undefined, older: undefined };
  const commonPrefix = commonPrefixOf(afterKey, request);
  if (commonPrefix !== undefined) {
    return {
      latest: (keyOf) =>
        latestRange(keyOf === objectKvKey ? KEY_SPACE.object : KEY_SPACE.deleteMarker, keyOf)(
          bucketId,
          commonPrefix,
        ).to,
      older: olderRange(bucketId, commonPrefix).to,
    };
  }
  if (afterVersionId === undefined) {
    return {
      latest: (keyOf) => keyAfter(keyOf(bucketId, afterKey)),
      older: versionsOfKey(bucketId, afterKey).to,
    };
  }
  const name = parseVersionId(afterVersionId);
  const begins = (await isLatestAfter(view, bucketId, afterKey, name))
    ? (kvKey: Uint8Array) => kvKey
    : keyAfter;
  return {
    latest: (keyOf) => begins(keyOf(bucketId, afterKey)),
    older: await olderThan(view, bucketId, afterKey, name),
  };
}

/** Whether the latest version is older than the one named: that one was deleted since, and this one took its place. */
async function isLatestAfter(
  view: KvReader,
  bucketId: Uint8Array,
  key: string,
  name: VersionName,
): Promise<boolean> {
  const entry =
    (await view.get(objectKvKey(bucketId, key))) ?? (await view.get(markerKvKey(bucketId, key)));
  if (entry === undefined) return false;
  const latest = decodeObjectRecord(entry.value);
  if (name !== 'null') return compareBytes(sortId(latest), name) < 0;
  // The null version was deleted since: better to show one twice than to leave one out.
  return (
    !isNullVersion(latest.version) && (await view.get(nullVersionKey(bucketId, key))) === undefined
  );
}

/** The first older version of a key that comes after the one named. */
async function olderThan(
  view: KvReader,
  bucketId: Uint8Array,
  key: string,
  name: VersionName,
): Promise<Uint8Array> {
  if (name !== 'null') return keyAfter(versionKey(bucketId, key, name));
  const pointer = await view.get(nullVersionKey(bucketId, key));
  // The null version is the latest, or was deleted since: better to show one twice than to leave one out.
  if (pointer === undefined) return versionsOfKey(bucketId, key).from;
  return keyAfter(versionKey(bucketId, key, pointer.value));
}
