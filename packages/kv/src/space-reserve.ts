import type { Env } from '@holdfast/env';
import { KvError } from './errors.ts';
import { INLINE_VALUE_LIMIT_BYTES } from './index-record.ts';
import type { Transaction } from './kv-store.ts';

/** Bytes of transactions after which the volume is asked again, at most. */
const SAMPLE_MOST_BYTES: number = 16 * 1024 * 1024;
/** What a transaction takes of the volume at least: the log writes whole blocks. */
const LEAST_BYTES = 4096;
/** While the volume is full, it is asked again this often. */
const RETRY_MS = 1000;

/**
 * Keeps room for deletes. Below the reserve a transaction that only adds is refused with KV_NO_SPACE; one
 * that deletes something and adds little is let through, since it is how room is made. When there is room
 * again, all are: nobody has to restart anything.
 */
export class SpaceReserve {
  readonly #env: Env;
  readonly #directory: string;
  readonly #reserveSizeBytes: number;
  /** Why a part of the reserve: what is written between two questions must not use it up. */
  readonly #sampleEveryBytes: number;
  #freeBytes = Number.POSITIVE_INFINITY;
  #unsampledBytes: number;
  #sampledAtMs = Number.NEGATIVE_INFINITY;
  #sampling: Promise<void> | undefined;

  constructor(env: Env, directory: string, reserveSizeBytes: number) {
    this.#env = env;
    this.#directory = directory;
    this.#reserveSizeBytes = reserveSizeBytes;
    this.#sampleEveryBytes = Math.min(SAMPLE_MOST_BYTES, Math.ceil(reserveSizeBytes / 8));
    this.#unsampledBytes = this.#sampleEveryBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /**
   * Whether so little is left that deletes, too, have to wait until some was given back. Why a third sooner than
   * all is used: copying live values away from dead ones, and flushing, need room themselves.
   */
  get isScarce(): boolean {
    return this.#freeBytes < (this.#reserveSizeBytes * 2) / 3;
  }

  /** Throws KV_NO_SPACE where the transaction has to wait for room. */
  check(transaction: Transaction, sizeBytes: number): void {
    if (this.#reserveSizeBytes === 0) return;
    this.#unsampledBytes += Math.max(sizeBytes, LEAST_BYTES);
    const full = this.#freeBytes - this.#unsampledBytes < this.#reserveSizeBytes;
    if (this.#unsampledBytes >= this.#sampleEveryBytes || full) this.#sample();
    if (this.#freeBytes >= this.#reserveSizeBytes || makesRoom(transaction)) return;
    throw new KvError(
      'KV_NO_SPACE',
      `the volume of ${this.#directory} has ${this.#freeBytes} bytes left, less than the reserve of ${this.#reserveSizeBytes}; delete something, or give it more room`,
    );
  }

  /** Asks the volume, so that the first transaction is already judged rightly. */
  async sample(): Promise<void> {
    if (this.#reserveSizeBytes === 0) return;
    this.#freeBytes = await this.#env.files.freeBytes(this.#directory);
    this.#unsampledBytes = 0;
  }

  /** The log was refused room: the volume is asked again at the next transaction. */
  noteFull(): void {
    this.#unsampledBytes = this.#sampleEveryBytes;
  }

  /** Waits for a question in flight. */
  async stop(): Promise<void> {
    await this.#sampling;
  }

  #sample(): void {
    const nowMs = this.#env.clock.monotonicMs();
    const tooSoon = nowMs - this.#sampledAtMs < RETRY_MS;
    if (this.#sampling !== undefined) return;
    if (tooSoon && this.#unsampledBytes < this.#sampleEveryBytes) return;
    this.#sampledAtMs = nowMs;
    this.#sampling = this.sample()
      // A volume that cannot be asked is found out by the next write.
      .catch(() => undefined)
      .finally(() => {
        this.#sampling = undefined;
      });
  }
}

function makesRoom(transaction: Transaction): boolean {
  const { operations } = transaction;
  return (
    operations.some(({ kind }) => kind === 'delete') &&
    operations.every(
      (each) => each.kind === 'delete' || each.value.length <= INLINE_VALUE_LIMIT_BYTES,
    )
  );
}
