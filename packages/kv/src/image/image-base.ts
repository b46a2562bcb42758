import { compareBytes } from '@holdfast/bytes';
import type { LiveRecord } from '../index-record.ts';
import { liveRecord } from '../index-record.ts';
import type { IndexSource } from '../index-source.ts';
import type { ListRequest } from './image-feed.ts';
import type { PlacedEntry } from './journal-codec.ts';

/** What the receiver knows of a range of keys: all of the state after one log index. */
export interface BaseLayer {
  readonly source: IndexSource;
  /** The range's last key; undefined: it has no end. */
  readonly upTo: Uint8Array | undefined;
  /** It is the state after this log index. */
  readonly since: number;
}

/**
 * What the receiver has already, walked over in key order beside what it is sent: what it received of earlier images, each
 * from the beginning to some key, and behind that its own state. So what was received once is never received again, not
 * even when the image is another one.
 */
export class ImageBase {
  /** In the order of their ranges. */
  readonly #layers: readonly BaseLayer[];
  #at = 0;
  #after: Uint8Array | undefined;

  private constructor(layers: readonly BaseLayer[]) {
    this.#layers = layers;
  }

  /** Behind the key `after`. The last layer has no end. */
  static async open(
    layers: readonly BaseLayer[],
    after: Uint8Array | undefined,
  ): Promise<ImageBase> {
    const base = new ImageBase(layers);
    await base.#seek(after);
    return base;
  }

  /** What to ask for next; undefined where the walk is over. */
  get request(): Omit<ListRequest, 'sectionLimit'> | undefined {
    const layer = this.#layers[this.#at];
    return layer && { after: this.#after, upTo: layer.upTo, since: layer.since };
  }

  /** The next entry in the layer's range, up to `end`; undefined where there is none. */
  async next(end: Uint8Array | undefined): Promise<PlacedEntry | undefined> {
    const { source, upTo } = this.#layers[this.#at] as BaseLayer;
    for (;;) {
      const { key } = source;
      if (key === undefined || isPast(key, end) || isPast(key, upTo)) return undefined;
      const record: LiveRecord | undefined = liveRecord(source.record);
      // A copy: it shares memory with a piece of the table.
      const found = record === undefined ? undefined : { key: key.slice(), record };
      const advanced = source.advance();
      if (advanced !== undefined) await advanced;
      if (found !== undefined) return found;
    }
  }

  /** Everything up to `end` was dealt with; undefined: everything in the layer. */
  async passed(end: Uint8Array | undefined): Promise<void> {
    while ((await this.next(end)) !== undefined);
    if (end !== undefined) {
      this.#after = end;
      return;
    }
    const { upTo } = this.#layers[this.#at] as BaseLayer;
    this.#at++;
    if (upTo === undefined) this.#at = this.#layers.length;
    else await this.#seek(upTo);
  }

  /** To the layer that has what follows `after`, and there behind it. */
  async #seek(after: Uint8Array | undefined): Promise<void> {
    this.#after = after;
    for (; this.#at < this.#layers.length; this.#at++) {
      const { source, upTo } = this.#layers[this.#at] as BaseLayer;
      if (after !== undefined && upTo !== undefined && compareBytes(upTo, after) <= 0) continue;
      await source.seek(after);
      if (after !== undefined && source.key !== undefined) {
        if (compareBytes(source.key, after) === 0) await source.advance();
      }
      return;
    }
  }
}

function isPast(key: Uint8Array, end: Uint8Array | undefined): boolean {
  return end !== undefined && compareBytes(key, end) > 0;
}
