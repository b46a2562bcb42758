import { KvError } from '../errors.ts';
import { liveRecord } from '../index-record.ts';
import { readError } from '../wal-failure.ts';
import type { ValueName } from './image-entry.ts';
import { isNamed } from './image-entry.ts';
import type { ImageParts } from './image-parts.ts';
import type { IncomingSettings } from './incoming-image.ts';
import { IncomingImage } from './incoming-image.ts';
import { PinnedImage } from './pinned-image.ts';

/** A store's state as other nodes see it, and other nodes' states on their way into it. */
export class StoreImages {
  readonly #parts: ImageParts;
  readonly #pinned = new Set<PinnedImage>();
  #incoming: IncomingImage | undefined;

  constructor(parts: ImageParts) {
    this.#parts = parts;
  }

  /** The state as it is now, held until the image is closed. KV_UNAVAILABLE where nothing was applied yet. */
  pin(): PinnedImage {
    const { engine, wal, env, pins, readExtent } = this.#parts;
    const index = engine.appliedIndex;
    const term = wal.termAt(index as typeof wal.lastIndex);
    if (index === 0 || term === undefined) {
      throw new KvError('KV_UNAVAILABLE', 'there is no state to give to another node yet');
    }
    engine.keepHash();
    const snapshot = engine.index.snapshot();
    const image = new PinnedImage({ env, snapshot, pins, readExtent, index, term });
    this.#pinned.add(image);
    for (const each of this.#pinned) if (each.isClosed) this.#pinned.delete(each);
    return image;
  }

  /** What another node's state is received into; one at a time, until it is closed. */
  incoming(settings?: IncomingSettings): IncomingImage {
    if (this.#incoming?.isOpen === true) {
      throw new KvError('KV_BUSY', 'another state is being received already');
    }
    this.#incoming = new IncomingImage(this.#parts, settings);
    return this.#incoming;
  }

  /** The bytes of a value, if the state of now has it and they are whole here. */
  async find(name: ValueName): Promise<Uint8Array | undefined> {
    const { engine, pins, readExtent } = this.#parts;
    const pin = pins.acquire();
    try {
      const record = liveRecord(await engine.index.get(name.key));
      if (!isNamed(record, name)) return undefined;
      return await readExtent(record.extent);
    } catch (cause) {
      const error = readError(cause);
      if (error instanceof KvError && error.code === 'KV_CORRUPTION') return undefined;
      throw error;
    } finally {
      pins.release(pin);
    }
  }

  async close(): Promise<void> {
    for (const image of this.#pinned) image.close();
    await this.#incoming?.close();
  }
}
