import { corruption } from './damage.ts';
import { FileWindow } from './file-window.ts';
import { BLOCK_BYTES } from './layout.ts';
import { OffsetList } from './offset-list.ts';
import type { ReadHandles } from './read-handles.ts';
import type { Segment } from './segment.ts';
import { decodeSegmentHeader } from './segment-header.ts';
import { readFooter } from './segment-loader.ts';
import { scanSegment, scanStartOf } from './segment-scan.ts';
import type { Settings } from './settings.ts';

/** Offsets kept of sealed segments; the active one's are always there. */
const LIMIT_BYTES = 16 * 1024 * 1024;

/** Loads record offsets of sealed segments when they are needed, and forgets those not used for long. */
export class SegmentIndex {
  readonly #settings: Settings;
  readonly #handles: ReadHandles;
  /** Sealed segments with loaded offsets, least recently used first. */
  readonly #loaded = new Set<Segment>();
  readonly #loading = new Map<Segment, Promise<void>>();

  constructor(settings: Settings, handles: ReadHandles) {
    this.#settings = settings;
    this.#handles = handles;
  }

  get sizeBytes(): number {
    let sum = 0;
    for (const segment of this.#loaded) sum += segment.offsets?.sizeBytes ?? 0;
    return sum;
  }

  /** After it, `segment.offsets` is there until the caller's turn ends. */
  async load(segment: Segment): Promise<void> {
    if (segment.offsets === undefined) {
      let loading = this.#loading.get(segment);
      if (loading === undefined) {
        loading = this.#read(segment).finally(() => this.#loading.delete(segment));
        this.#loading.set(segment, loading);
      }
      await loading;
    }
    if (segment.state === 'sealed') this.keep(segment);
  }

  /** A segment was sealed, or found sealed, with its offsets: they count from now on. */
  keep(segment: Segment): void {
    this.#loaded.delete(segment);
    this.#loaded.add(segment);
    let sizeBytes = this.sizeBytes;
    for (const oldest of this.#loaded) {
      if (sizeBytes <= LIMIT_BYTES || oldest === segment) break;
      sizeBytes -= oldest.offsets?.sizeBytes ?? 0;
      oldest.offsets = undefined;
      this.#loaded.delete(oldest);
    }
  }

  forget(segment: Segment): void {
    this.#loaded.delete(segment);
  }

  async #read(segment: Segment): Promise<void> {
    const { crc32c } = this.#settings.env;
    await this.#handles.use(segment, async (handle) => {
      const footer = await readFooter(handle, segment, crc32c);
      segment.offsets = footer?.offsets ?? (await this.#rebuild(segment));
    });
  }

  /** The footer is damaged, the records may not be: finds them by reading all. */
  async #rebuild(segment: Segment): Promise<OffsetList> {
    const { env } = this.#settings;
    return await this.#handles.use(segment, async (handle) => {
      const window = new FileWindow(handle, segment.fileSizeBytes);
      try {
        const decoded = decodeSegmentHeader(await window.bytes(0, BLOCK_BYTES), env.crc32c);
        if (typeof decoded === 'string')
          throw corruption(segment.path, 0, 'the segment header is damaged');
        const offsets = new OffsetList();
        // Safety: by what was read of the segment at the start, so that a file in its place is not taken for it.
        const { nonce, baseIndex: nextIndex } = segment;
        const start = { ...scanStartOf(decoded.header, decoded.crc), nonce, nextIndex };
        const result = await scanSegment(window, start, env, { records: offsets });
        if (offsets.length < segment.recordCount) {
          const problem = result.problem ?? 'records are missing';
          throw corruption(segment.path, result.endPosition, problem);
        }
        offsets.trim(segment.recordCount);
        return offsets;
      } finally {
        await window.close();
      }
    });
  }
}
