import { invariant } from '@holdfast/bytes';
import type { FileHandle } from '@holdfast/env';
import { isFileError } from './damage.ts';
import { pathIn, spareName } from './file-names.ts';
import { BLOCK_BYTES, viewOf } from './layout.ts';
import { OffsetList } from './offset-list.ts';
import type { LogEnd } from './recovery.ts';
import type { Segment } from './segment.ts';
import { encodeSeal, sealSizeBytes } from './segment-footer.ts';
import { encodeSegmentHeader } from './segment-header.ts';
import type { Settings } from './settings.ts';
import { SpareFiles } from './spare-files.ts';

/** Where the log ends that a segment continues, the footer of the one before counted. */
export type SegmentStart = Pick<LogEnd, 'segmentId' | 'sequence' | 'chain'>;

/** A segment file whose header is durable, under a name that stands for nothing yet. */
interface PreparedSegment {
  readonly temporary: string;
  readonly handle: FileHandle;
  readonly chain: number;
  readonly fileSizeBytes: number;
}

/** Makes and seals segment files. */
export class SegmentFiles {
  readonly #settings: Settings;
  readonly spares: SpareFiles;
  #spareNumber = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.spares = new SpareFiles(settings, () =>
      pathIn(settings.directory, spareName(this.#spareNumber++)),
    );
  }

  /**
   * Makes the file of a planned segment, while the one before is being sealed: each takes several syncs. When it resolves,
   * the segment is durable under its name, and the handle takes its batches. Rejects with what the sealing fails with, too.
   *
   * Durability: the header is synced under a temporary name before the rename, and the folder after it;
   * so a segment's name never stands for a file without a whole header. The rename waits for the seal, so that only the
   * last segment of a log may be without its end.
   */
  async make(
    segment: Segment,
    start: SegmentStart,
    sealing: Promise<void> | undefined,
  ): Promise<{ handle: FileHandle; chain: number }> {
    const [sealed, made] = await Promise.allSettled([sealing, this.#prepare(segment, start)]);
    if (made.status === 'rejected')
      throw sealed.status === 'rejected' ? sealed.reason : made.reason;
    const prepared = made.value;
    try {
      if (sealed.status === 'rejected') throw sealed.reason;
      await this.#settings.env.files.rename(prepared.temporary, segment.path);
    } catch (error) {
      await this.#discard(prepared, error);
      throw error;
    }
    try {
      await this.#settings.env.files.syncDirectory(this.#settings.directory);
    } catch (error) {
      await prepared.handle.close();
      throw error;
    }
    segment.state = 'active';
    segment.fileSizeBytes = prepared.fileSizeBytes;
    return prepared;
  }

  async #prepare(segment: Segment, start: SegmentStart): Promise<PreparedSegment> {
    const { env, directory, identity, segmentSizeBytes } = this.#settings;
    const nonce = viewOf(env.random.bytes(8));
    segment.nonce = { low: nonce.getUint32(0, true), high: nonce.getUint32(4, true) };
    segment.previousId = start.segmentId;
    // A log that begins anew twice has a segment without a record, which is sealed like any other.
    segment.offsets ??= new OffsetList();
    const block = env.files.allocate(BLOCK_BYTES);
    const chain = encodeSegmentHeader(
      block,
      {
        identity,
        segmentId: segment.id,
        nonce: segment.nonce,
        baseIndex: segment.baseIndex,
        termBefore: segment.termBefore,
        firstSequence: start.sequence + 1,
        previousSegmentId: start.segmentId,
        previousChain: start.chain,
        createdMs: segment.createdMs,
        truncates: segment.truncates,
        restarts: segment.restarts,
      },
      env.crc32c,
    );
    const spare = this.spares.take();
    const temporary = spare ?? pathIn(directory, spareName(this.#spareNumber++));
    const handle = await env.files.open(temporary, spare === undefined ? 'create' : 'write', {
      direct: true,
    });
    const fileSizeBytes = spare === undefined ? BLOCK_BYTES : segmentSizeBytes;
    const prepared: PreparedSegment = { temporary, handle, chain, fileSizeBytes };
    try {
      await handle.writeSynced(block, 0);
    } catch (error) {
      await this.#discard(prepared, error);
      throw error;
    }
    return prepared;
  }

  /** Where the volume is full, the file makes room. */
  async #discard({ handle, temporary }: PreparedSegment, cause: unknown): Promise<void> {
    await handle.close();
    if (isFileError(cause, 'NO_SPACE')) await this.#settings.env.files.unlink(temporary);
  }

  /**
   * Writes footer and trailer behind the last batch and cuts the file there. `handle` is the segment's
   * own where it has one. The segment is sealed, durably, when it resolves.
   */
  async seal(
    segment: Segment,
    handle: FileHandle | undefined,
    sequence: number,
    previousChain: number,
  ): Promise<void> {
    const { files, crc32c } = this.#settings.env;
    invariant(segment.offsets !== undefined, 'a segment that is sealed has its offsets');
    const sizeBytes = sealSizeBytes(segment.recordCount, segment.termRuns.length);
    const seal = files.allocate(sizeBytes);
    encodeSeal(seal, segment, segment.offsets, sequence, previousChain, crc32c);
    const own = handle ?? (await files.open(segment.path, 'write', { direct: true }));
    try {
      // Durability: the footer first. In one write a crash may keep the trailer alone, and a trailer says that the footer
      // before it is whole: nothing would ever write it again.
      const footerSizeBytes = sizeBytes - BLOCK_BYTES;
      const trailerPosition = segment.endPosition + footerSizeBytes;
      await own.writeSynced(seal.subarray(0, footerSizeBytes), segment.endPosition);
      await own.writeSynced(seal.subarray(footerSizeBytes), trailerPosition);
      const fileSizeBytes = segment.endPosition + sizeBytes;
      if ((await own.sizeBytes()) !== fileSizeBytes) {
        await own.truncate(fileSizeBytes);
        await own.sync();
      }
      segment.fileSizeBytes = fileSizeBytes;
    } finally {
      if (handle === undefined) await own.close();
    }
    const view = viewOf(seal);
    segment.footer = {
      offset: segment.endPosition,
      byteLength: view.getUint32(44, true),
      contentCrc: view.getUint32(48, true),
    };
    segment.state = 'sealed';
  }
}
