import { equalBytes, toHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { KvError, type KvStore, type ReadView } from '@holdfast/kv';
import { ObjectStoreError } from './errors.ts';

/** A view and what the next page names it by. */
interface NamedView {
  readonly id: string;
  readonly view: ReadView;
}

interface PinnedView {
  readonly view: ReadView;
  /** Whose listing it is: a bucket made anew has another id. */
  readonly bucketId: Uint8Array;
  readonly openedMs: number;
}

/**
 * Views that are kept between the requests of one listing, so that all its pages are of one revision. They are in this
 * process only, a bounded number of them, and each ends by itself at its age.
 */
export class PinnedViews {
  readonly #kv: KvStore;
  readonly #env: Pick<Env, 'clock' | 'random'>;
  readonly #count: number;
  readonly #ageMs: number;
  readonly #views = new Map<string, PinnedView>();
  #opening = 0;

  constructor(
    kv: KvStore,
    env: Pick<Env, 'clock' | 'random'>,
    { count, ageMs }: { readonly count: number; readonly ageMs: number },
  ) {
    this.#kv = kv;
    this.#env = env;
    this.#count = count;
    this.#ageMs = ageMs;
  }

  /**
   * The view of a page: a new one for `true`, that of an earlier page by its name. KV_BUSY where as many as may be are
   * open; InvalidArgument where the named one has ended, or was of another bucket.
   */
  async of(
    pinned: true | string | undefined,
    bucketId: Uint8Array,
  ): Promise<NamedView | undefined> {
    if (pinned === undefined) return undefined;
    if (pinned === true) return await this.#open(bucketId);
    return { id: pinned, view: this.#find(pinned, bucketId) };
  }

  close(id: string): void {
    this.#views.get(id)?.view.close();
    this.#views.delete(id);
  }

  closeAll(): void {
    for (const id of this.#views.keys()) this.close(id);
  }

  async #open(bucketId: Uint8Array): Promise<NamedView> {
    this.#closeOld();
    if (this.#views.size + this.#opening >= this.#count) {
      throw new KvError('KV_BUSY', `${this.#count} listings are pinned already; try again later`);
    }
    const id = toHex(this.#env.random.bytes(16));
    const openedMs = this.#env.clock.monotonicMs();
    this.#opening++;
    try {
      const view = await this.#kv.readView({ maxAgeMs: this.#ageMs });
      this.#views.set(id, { view, bucketId, openedMs });
      return { id, view };
    } finally {
      this.#opening--;
    }
  }

  #find(id: string, bucketId: Uint8Array): ReadView {
    this.#closeOld();
    const pinned = this.#views.get(id);
    if (pinned !== undefined && equalBytes(pinned.bucketId, bucketId)) return pinned.view;
    throw new ObjectStoreError(
      'InvalidArgument',
      'The pinned listing has ended, or was begun at another server. Begin it again.',
    );
  }

  #closeOld(): void {
    const nowMs = this.#env.clock.monotonicMs();
    for (const [id, { openedMs }] of this.#views) {
      if (openedMs + this.#ageMs <= nowMs) this.close(id);
    }
  }
}
