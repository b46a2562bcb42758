/**
 * A whole pass over everything that may hold dead bytes. Nothing here is needed for what commits and
 * sweeps by itself; it finds what crashed in between.
 */
import { compareBytes, equalBytes, toHex } from '@holdfast/bytes';
import { type KvCursor, KvError, type ReadView } from '@holdfast/kv';
import { decodeTokenRecord } from './client-tokens.ts';
import { findVersionIn } from './find-version.ts';
import type { IntentAges } from './intent-ages.ts';
import { entriesOf } from './key-range.ts';
import { idKey, idOfKey, KEY_SPACE, type KeySpace, spaceRange, uploadKey } from './keys.ts';
import { decodeGroupOwner } from './owner-record.ts';
import type { GarbageReport } from './pass-reports.ts';
import { releaseById, releaseGroup } from './release.ts';
import { commit, remove, type StoreContext, unchanged } from './store-context.ts';
import type { SweepCounts } from './sweeper.ts';
import { decodeCompletedRecord } from './upload-record.ts';

/** `intentAges`: what earlier passes of this process saw. */
export async function collectGarbage(
  context: StoreContext,
  intentAges: IntentAges,
): Promise<GarbageReport> {
  const counts = await context.sweeper.sweepAll();
  const { releasedBlobs } = counts;
  const expiredIntents = await expireIntents(context, intentAges, counts);
  await forgetCompleted(context);
  await releaseVanishedGroups(context, counts);
  const unreferencedBlobs = await sweepUnreferenced(context, counts);
  const { deletedChunks, deletedBytes } = counts;
  return { releasedBlobs, expiredIntents, unreferencedBlobs, deletedChunks, deletedBytes };
}

/**
 * Gives up the uploads that crashed. Safety: the intent is deleted before a chunk is, in a transaction
 * that asks for the version that was judged; the upload, if it lives after all, asks for the intent in
 * each of its own, and fails.
 */
async function expireIntents(
  context: StoreContext,
  ages: IntentAges,
  counts: SweepCounts,
): Promise<number> {
  const { clock } = context.env;
  let expired = 0;
  ages.beginPass();
  for await (const { key, version } of entriesOf(context.kv, spaceRange(KEY_SPACE.intent))) {
    context.sweeper.throwIfClosed();
    const blobId = idOfKey(key);
    if (ages.ageMs(blobId, version) < context.limits.intentGraceMs) continue;
    if (context.liveBlobs.has(toHex(blobId))) continue;
    const { operations, tasks } = releaseById('blob', blobId, clock.nowMs());
    const conditions = [unchanged(key, version)];
    const failed = await commit(context, conditions, [remove(key), ...operations]);
    if (failed !== undefined) continue;
    expired++;
    for (const task of tasks) await context.sweeper.sweep(task, counts);
  }
  ages.endPass();
  return expired;
}

async function forgetCompleted(context: StoreContext): Promise<void> {
  const nowMs = context.env.clock.nowMs();
  const range = spaceRange(KEY_SPACE.completedUpload);
  for await (const { key, value, version } of entriesOf(context.kv, range)) {
    context.sweeper.throwIfClosed();
    const { completedMs } = decodeCompletedRecord(value);
    if (completedMs + context.limits.completedUploadMs > nowMs) continue;
    await commit(context, [unchanged(key, version)], [remove(key)]);
  }
  for await (const { key, value, version } of entriesOf(
    context.kv,
    spaceRange(KEY_SPACE.clientToken),
  )) {
    context.sweeper.throwIfClosed();
    if (decodeTokenRecord(value).doneMs + context.limits.completedUploadMs > nowMs) continue;
    await commit(context, [unchanged(key, version)], [remove(key)]);
  }
}

/** Parts whose upload, and object, are gone. */
async function releaseVanishedGroups(context: StoreContext, counts: SweepCounts): Promise<void> {
  const range = spaceRange(KEY_SPACE.partGroup);
  for await (const { key, value, version } of entriesOf(context.kv, range)) {
    context.sweeper.throwIfClosed();
    const uploadId = idOfKey(key);
    if (await groupIsHeld(context, uploadId, value)) continue;
    const { operations, tasks } = releaseGroup(uploadId, context.env.clock.nowMs());
    // Invariant: what holds a group changes only together with the group's record.
    const failed = await commit(context, [unchanged(key, version)], operations);
    if (failed !== undefined) continue;
    for (const task of tasks) await context.sweeper.sweep(task, counts);
  }
}

/**
 * Safety: on one view, for a version may be moving between two places. What does not hold a group at the
 * view's revision gets to hold it only in a transaction that writes the group's record.
 */
async function groupIsHeld(
  context: StoreContext,
  uploadId: Uint8Array,
  value: Uint8Array,
): Promise<boolean> {
  const { kind, bucketId, key, versionId } = decodeGroupOwner(value);
  if (kind === 'upload') {
    return (await context.kv.get(uploadKey(bucketId, key, uploadId))) !== undefined;
  }
  const view = await context.kv.readView({ maxAgeMs: context.limits.readViewAgeMs });
  try {
    const found = await findVersionIn(view, bucketId, key, versionId ?? 'null');
    const body = found?.record.body;
    return body?.kind === 'parts' && equalBytes(body.uploadId, uploadId);
  } finally {
    view.close();
  }
}

/** What keeps a blob's chunks, or says that they are being swept. All are keyed by the blobId. */
const KEEPERS: readonly KeySpace[] = [
  KEY_SPACE.reference,
  KEY_SPACE.intent,
  KEY_SPACE.releasedBlob,
];

/**
 * Sweeps the blobs that have chunks and no keeper: a merge of sorted ranges, in constant memory.
 *
 * Safety: all ranges are read at one revision. A blob gets its first keeper in the transaction of its
 * first chunk and passes from keeper to keeper in one transaction each, and a blobId is never used
 * twice. So a blob without one at any revision is dead at every later one.
 */
async function sweepUnreferenced(context: StoreContext, counts: SweepCounts): Promise<number> {
  const position = { from: spaceRange(KEY_SPACE.chunk).from };
  let swept = 0;
  for (;;) {
    const view = await context.kv.readView({ maxAgeMs: context.limits.readViewAgeMs });
    try {
      for await (const blobId of unreferenced(context, view, position)) {
        await context.sweeper.sweepBlob(blobId, counts);
        swept++;
      }
      return swept;
    } catch (error) {
      // A view that has reached its age is taken anew, from where the walk had come to.
      if (!(error instanceof KvError) || error.code !== 'KV_VIEW_CLOSED') throw error;
    } finally {
      view.close();
    }
  }
}

/** Blobs without a keeper; `position.from` is kept at the first chunk key that was not looked at. */
async function* unreferenced(
  context: StoreContext,
  view: ReadView,
  position: { from: Uint8Array },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { from } = position;
  const { to } = spaceRange(KEY_SPACE.chunk);
  const cursors: KvCursor[] = [];
  try {
    const chunks = await view.cursor({ from, to, values: false });
    cursors.push(chunks);
    const keepers: SortedIds[] = [];
    for (const space of KEEPERS) {
      const range = { from: idKey(space, idOfKey(from)), to: spaceRange(space).to };
      const cursor = await view.cursor({ ...range, values: false });
      cursors.push(cursor);
      keepers.push(new SortedIds(cursor));
    }
    for (;;) {
      context.sweeper.throwIfClosed();
      const chunk = await chunks.next();
      if (chunk === undefined) return;
      const blobId = idOfKey(chunk.key);
      let kept = false;
      for (const keeper of keepers) kept = (await keeper.has(blobId)) || kept;
      if (!kept) yield blobId;
      position.from = spaceRange(KEY_SPACE.chunk, blobId).to;
      chunks.seek(position.from);
    }
  } finally {
    for (const cursor of cursors) cursor.close();
  }
}

/** Asks of ascending ids whether they are in a range of keys. */
class SortedIds {
  readonly #cursor: KvCursor;
  #current: Uint8Array | undefined;
  #ended = false;

  constructor(cursor: KvCursor) {
    this.#cursor = cursor;
  }

  async has(id: Uint8Array): Promise<boolean> {
    while (!this.#ended && (this.#current === undefined || compareBytes(this.#current, id) < 0)) {
      const entry = await this.#cursor.next();
      if (entry === undefined) this.#ended = true;
      else this.#current = idOfKey(entry.key);
    }
    return !this.#ended && this.#current !== undefined && equalBytes(this.#current, id);
  }
}
