import { MalformedBytesError } from '@holdfast/bytes';
import type { Clock } from '@holdfast/env';
import type { Extent, Wal } from '@holdfast/wal';
import type { CopyPace } from './copy-pace.ts';
import { decodeEntry, KV_ENTRY_KIND } from './entry-codec.ts';
import { corruption } from './errors.ts';
import type { ExtentWriter } from './extent-writer.ts';
import type { KvEngine, MovedValue } from './kv-engine.ts';
import { extentAt, isAt } from './kv-engine.ts';
import type { ReadExtent } from './value-reader.ts';
import { readError } from './wal-failure.ts';
import { WorkSlices } from './work-slices.ts';

export interface SegmentCopyOptions {
  readonly clock: Clock;
  readonly wal: Wal;
  readonly engine: KvEngine;
  readonly readExtent: ReadExtent;
  readonly pace: CopyPace;
  readonly isStopped: () => boolean;
}

/** A value that a segment holds, dead or alive, and the key that it was written for. */
interface PlacedValue {
  readonly key: Uint8Array;
  readonly extent: Extent;
}

/**
 * Copies the live values of one segment to the writer. The caller holds a pin, and syncs the writer before it
 * uses what is returned. `complete` is false where the writer was full or the copying was stopped.
 *
 * Safety: a value is copied only if it matches the checksum that the index has of it. One that does not ends the
 * copying with KV_CORRUPTION, and the segment is left as it is.
 */
export async function copyLiveValues(
  options: SegmentCopyOptions,
  segmentId: number,
  writer: ExtentWriter,
): Promise<{ readonly moved: MovedValue[]; readonly complete: boolean }> {
  const { engine, readExtent, pace } = options;
  const moved: MovedValue[] = [];
  // Why: of a segment that is dead, everything is found in memory.
  const slices = new WorkSlices(options.clock);
  try {
    for await (const { key, extent } of valuesOf(options, segmentId)) {
      const turn = slices.spend(1);
      if (turn !== undefined) await turn;
      const found = engine.index.get(key);
      const record = found instanceof Promise ? await found : found;
      if (!isAt(record, extent)) continue;
      if (writer.isFull || options.isStopped()) return { moved, complete: false };
      const pause = pace.spend(extent.length);
      if (pause !== undefined) await pause;
      const value = await readExtent(extent, undefined, { key, version: record.version });
      moved.push({ key, from: extent, to: await writer.add(key, value, extent.crc) });
    }
  } catch (cause) {
    throw damageOf(cause, segmentId);
  }
  return { moved, complete: true };
}

async function* valuesOf(
  { wal, engine }: SegmentCopyOptions,
  segmentId: number,
): AsyncGenerator<PlacedValue> {
  const file = engine.extents.get(segmentId);
  if (file !== undefined) {
    for (const { key, offset, length, crc } of await engine.extents.directoryOf(file)) {
      // Zeros between two values: nobody's.
      if (key.length === 0) continue;
      yield { key, extent: { segmentId, offset, length, crc } };
    }
    return;
  }
  for await (const { kind, head, body } of wal.segmentRecords(segmentId)) {
    if (kind !== KV_ENTRY_KIND || body === undefined) continue;
    for (const operation of decodeEntry(head, body.length).operations) {
      if (operation.kind !== 'putBody') continue;
      // A copy of the key: it shares memory with a large piece of the file.
      yield { key: operation.key.slice(), extent: extentAt(body, operation) };
    }
  }
}

/** Damage of what was read, as KV_CORRUPTION; anything else as it is. */
function damageOf(cause: unknown, segmentId: number): unknown {
  if (cause instanceof MalformedBytesError) {
    return corruption(`segment ${segmentId}`, cause.message, cause);
  }
  return readError(cause);
}
