import {
  type KvEntry,
  type KvEntryWithValue,
  KvError,
  type KvStore,
  type ReadView,
} from '@holdfast/kv';

/**
 * A view for a read that may take long. A view ends at its age, so that a slow reader does not keep
 * dead bytes for ever; it is then taken anew, as long as the object is still the one that is read.
 */
export class ViewPin {
  readonly #kv: KvStore;
  readonly #maxAgeMs: number;
  readonly #stillThere: (view: ReadView) => Promise<boolean>;
  #view: ReadView;
  #closed = false;

  constructor(
    kv: KvStore,
    view: ReadView,
    options: {
      readonly maxAgeMs: number;
      readonly stillThere: (view: ReadView) => Promise<boolean>;
    },
  ) {
    this.#kv = kv;
    this.#view = view;
    this.#maxAgeMs = options.maxAgeMs;
    this.#stillThere = options.stillThere;
  }

  async get(key: Uint8Array): Promise<KvEntryWithValue | undefined> {
    return await this.#read((view) => view.get(key));
  }

  async getInto(key: Uint8Array, target: Uint8Array): Promise<KvEntry | undefined> {
    return await this.#read((view) => view.getInto(key, target));
  }

  /** Idempotent. Reads after it reject with KV_VIEW_CLOSED. */
  close(): void {
    this.#closed = true;
    this.#view.close();
  }

  async #read<T>(work: (view: ReadView) => Promise<T>): Promise<T> {
    try {
      return await work(this.#view);
    } catch (error) {
      if (!(error instanceof KvError) || error.code !== 'KV_VIEW_CLOSED' || this.#closed)
        throw error;
    }
    const view = await this.#kv.readView({ maxAgeMs: this.#maxAgeMs });
    let isOfUse = false;
    try {
      // Safety: asked of `#closed` last, since `close` knows nothing of this view yet.
      isOfUse = (await this.#stillThere(view)) && !this.#closed;
    } finally {
      if (!isOfUse) view.close();
    }
    if (!isOfUse) {
      throw new KvError('KV_VIEW_CLOSED', 'the object was replaced during a very slow read of it');
    }
    this.#view = view;
    return await work(view);
  }
}
