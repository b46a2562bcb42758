import { fromHex, toHex } from '@holdfast/bytes';
import { KvError, type KvStore, type Operation } from '@holdfast/kv';
import { entriesOf, keysOf } from './key-range.ts';
import {
  chunkKey,
  decodeUploadKey,
  idKey,
  idOfKey,
  KEY_SPACE,
  type KeySpace,
  spaceRange,
} from './keys.ts';
import { encodeMoment } from './owner-record.ts';
import { decodeManifestPage, decodePartRecord, type PartRecord } from './part-record.ts';
import { put, remove } from './store-context.ts';
import type { TaskQueue, TaskQueueFactory } from './task-queue.ts';

/** A to-do record: what is to be swept, and its id in hexadecimal. */
export interface SweepTask {
  readonly kind: 'blob' | 'group' | 'leftovers' | 'bucket';
  readonly id: string;
}

/** What a sweep did. */
export interface SweepCounts {
  releasedBlobs: number;
  deletedChunks: number;
  deletedBytes: number;
}

/** Keys deleted in one transaction. */
const BATCH_KEYS = 1000;

const TO_DO: readonly { readonly kind: SweepTask['kind']; readonly space: KeySpace }[] = [
  // Why this order: a bucket makes groups, leftovers make blobs.
  { kind: 'bucket', space: KEY_SPACE.deletedBucket },
  { kind: 'leftovers', space: KEY_SPACE.leftoverParts },
  { kind: 'group', space: KEY_SPACE.releasedGroup },
  { kind: 'blob', space: KEY_SPACE.releasedBlob },
];

/**
 * Deletes the bytes that were let go of. Each to-do record is durable, and deleted last; every step
 * may be done twice, so a sweep that was cut short is simply done again.
 */
export class Sweeper {
  readonly #kv: KvStore;
  readonly #nowMs: () => number;
  readonly #queue: TaskQueue<SweepTask | { readonly kind: 'backlog' }>;
  #closed = false;

  constructor(kv: KvStore, nowMs: () => number, tasks: TaskQueueFactory) {
    this.#kv = kv;
    this.#nowMs = nowMs;
    this.#queue = tasks('sweep', async (task) => {
      if (task.kind === 'backlog') await this.sweepAll();
      else await this.sweep(task, newCounts());
    });
    // What an earlier process wrote down and did not do.
    this.#queue.push('backlog', { kind: 'backlog' });
  }

  /** Queues what a committed transaction wrote down. */
  push(tasks: readonly SweepTask[]): void {
    // After the end the records alone remember it; the next start queues them.
    if (this.#closed) return;
    for (const task of tasks) this.#queue.push(`${task.kind}/${task.id}`, task);
  }

  /** What runs ends after its present step; its to-do record is kept. */
  stop(): void {
    this.#closed = true;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#queue.close();
  }

  /** Does all that is written down, page by page. */
  async sweepAll(): Promise<SweepCounts> {
    const counts = newCounts();
    for (const { kind, space } of TO_DO) {
      for await (const key of keysOf(this.#kv, spaceRange(space))) {
        await this.sweep({ kind, id: toHex(idOfKey(key)) }, counts);
      }
    }
    return counts;
  }

  async sweep(task: SweepTask, counts: SweepCounts): Promise<void> {
    const id = fromHex(task.id);
    switch (task.kind) {
      case 'blob':
        await this.#sweepChunks(id, counts);
        counts.releasedBlobs++;
        return await this.#apply([remove(idKey(KEY_SPACE.releasedBlob, id))]);
      case 'group':
        return await this.#sweepGroup(id, counts);
      case 'leftovers':
        return await this.#sweepLeftovers(id, counts);
      case 'bucket':
        return await this.#sweepBucket(id, counts);
    }
  }

  /** Deletes the chunks of a blob, and then its reference. */
  async sweepBlob(blobId: Uint8Array, counts: SweepCounts): Promise<void> {
    await this.#sweepChunks(blobId, counts);
    await this.#apply([remove(idKey(KEY_SPACE.reference, blobId))]);
  }

  async #sweepChunks(blobId: Uint8Array, counts: SweepCounts): Promise<void> {
    const range = spaceRange(KEY_SPACE.chunk, blobId);
    for (;;) {
      const page = await this.#kv.scan({ ...range, limit: BATCH_KEYS, values: false });
      if (page.entries.length === 0) return;
      await this.#apply(page.entries.map((entry) => remove(entry.key)));
      counts.deletedChunks += page.entries.length;
      for (const entry of page.entries) counts.deletedBytes += entry.valueSizeBytes;
      if (!page.more) return;
    }
  }

  /** All parts of an aborted upload, or of an object that was overwritten or deleted. */
  async #sweepGroup(uploadId: Uint8Array, counts: SweepCounts): Promise<void> {
    for (const space of [KEY_SPACE.part, KEY_SPACE.manifest]) {
      for await (const entry of entriesOf(this.#kv, spaceRange(space, uploadId))) {
        const parts =
          space === KEY_SPACE.part
            ? [decodePartRecord(entry.value)]
            : decodeManifestPage(entry.value);
        for (const part of parts) await this.#sweepPart(part, counts);
        await this.#apply([remove(entry.key)]);
      }
    }
    counts.releasedBlobs++;
    await this.#apply([remove(idKey(KEY_SPACE.releasedGroup, uploadId))]);
  }

  async #sweepPart(part: PartRecord, counts: SweepCounts): Promise<void> {
    if (part.blob === undefined) return;
    if (part.sizeBytes > part.blob.chunkSizeBytes) {
      return await this.sweepBlob(part.blob.blobId, counts);
    }
    const { blobId } = part.blob;
    await this.#apply([remove(chunkKey(blobId, 0)), remove(idKey(KEY_SPACE.reference, blobId))]);
    counts.deletedChunks++;
    counts.deletedBytes += part.sizeBytes;
  }

  /** Part records of a completed upload: those in the manifest are kept by it, the others are swept. */
  async #sweepLeftovers(uploadId: Uint8Array, counts: SweepCounts): Promise<void> {
    const listed = new Set<string>();
    for await (const page of entriesOf(this.#kv, spaceRange(KEY_SPACE.manifest, uploadId))) {
      for (const part of decodeManifestPage(page.value)) {
        if (part.blob !== undefined) listed.add(toHex(part.blob.blobId));
      }
    }
    let kept: Operation[] = [];
    for await (const entry of entriesOf(this.#kv, spaceRange(KEY_SPACE.part, uploadId))) {
      const part = decodePartRecord(entry.value);
      if (part.blob !== undefined && !listed.has(toHex(part.blob.blobId))) {
        await this.#sweepPart(part, counts);
      }
      kept.push(remove(entry.key));
      if (kept.length < BATCH_KEYS) continue;
      await this.#apply(kept);
      kept = [];
    }
    await this.#apply([...kept, remove(idKey(KEY_SPACE.leftoverParts, uploadId))]);
  }

  /** Aborts the uploads that a deleted bucket left. No part can be added: their bucket is gone. */
  async #sweepBucket(bucketId: Uint8Array, counts: SweepCounts): Promise<void> {
    for await (const key of keysOf(this.#kv, spaceRange(KEY_SPACE.upload, bucketId))) {
      const { uploadId } = decodeUploadKey(key);
      await this.#apply([
        remove(key),
        remove(idKey(KEY_SPACE.partGroup, uploadId)),
        put(idKey(KEY_SPACE.releasedGroup, uploadId), encodeMoment(this.#nowMs())),
      ]);
      await this.#sweepGroup(uploadId, counts);
    }
    await this.#apply([remove(idKey(KEY_SPACE.deletedBucket, bucketId))]);
  }

  /** Rejects the next step of whatever sweeps, so that `close` does not wait for a long pass. */
  throwIfClosed(): void {
    if (this.#closed) throw new KvError('KV_CLOSED', 'the object store is closing');
  }

  async #apply(operations: readonly Operation[]): Promise<void> {
    this.throwIfClosed();
    await this.#kv.transact({ operations });
  }
}

function newCounts(): SweepCounts {
  return { releasedBlobs: 0, deletedChunks: 0, deletedBytes: 0 };
}
