import { compareBytes } from '@holdfast/bytes';
import type { IndexRecord } from './index-record.ts';
import type { IndexSource } from './index-source.ts';

/**
 * Several sources as one. Where more than one has a key, the first of them in the list, the newest, is
 * the one that counts; the others are passed over. Tombstones are shown: they hide what is older.
 */
export class MergeSource implements IndexSource {
  readonly #sources: readonly IndexSource[];
  readonly #reverse: boolean;
  #current: IndexSource | undefined;

  constructor(newestFirst: readonly IndexSource[], reverse: boolean) {
    this.#sources = newestFirst;
    this.#reverse = reverse;
  }

  get key(): Uint8Array | undefined {
    return this.#current?.key;
  }

  get record(): IndexRecord {
    return (this.#current as IndexSource).record;
  }

  seek(key: Uint8Array | undefined): Promise<void> | undefined {
    let waiting: Promise<void>[] | undefined;
    for (const source of this.#sources) {
      const pending = source.seek(key);
      if (pending !== undefined) (waiting ??= []).push(pending);
    }
    return this.#choose(waiting);
  }

  advance(): Promise<void> | undefined {
    const passed = this.#current?.key;
    if (passed === undefined) return undefined;
    let waiting: Promise<void>[] | undefined;
    for (const source of this.#sources) {
      const key = source.key;
      if (key === undefined) continue;
      if (source !== this.#current && compareBytes(key, passed) !== 0) continue;
      const pending = source.advance();
      if (pending !== undefined) (waiting ??= []).push(pending);
    }
    return this.#choose(waiting);
  }

  #choose(waiting: Promise<void>[] | undefined): Promise<void> | undefined {
    if (waiting !== undefined) return Promise.all(waiting).then(() => this.#pick());
    this.#pick();
    return undefined;
  }

  #pick(): void {
    let chosen: IndexSource | undefined;
    let best: Uint8Array | undefined;
    for (const source of this.#sources) {
      const key = source.key;
      if (key === undefined) continue;
      if (best !== undefined) {
        const order = compareBytes(key, best);
        // Why strictly: among equal keys the first source, the newest, stays chosen.
        if (this.#reverse ? order <= 0 : order >= 0) continue;
      }
      chosen = source;
      best = key;
    }
    this.#current = chosen;
  }
}
