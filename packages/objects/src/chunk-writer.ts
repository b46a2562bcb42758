import { toHex } from '@holdfast/bytes';
import type { DigestAlgorithm, DigestResults, DigestStream } from '@holdfast/env';
import type { Condition, Operation } from '@holdfast/kv';
import { type ChunkSeals, chunkSeals, SEAL_SIZE_BYTES } from './chunk-seals.ts';
import { type CrcPiece, combineCrcs, crc32Bytes } from './crc-combine.ts';
import { ObjectStoreError } from './errors.ts';
import { chunkKey, idKey, KEY_SPACE } from './keys.ts';
import { Lane } from './lane.ts';
import type { BlobRef } from './object-record.ts';
import { encodeMoment } from './owner-record.ts';
import { releaseById } from './release.ts';
import type { BodyEncryption } from './staged-body.ts';
import { commit, newId, put, remove, type StoreContext } from './store-context.ts';

/**
 * Writes one blob: fills pooled buffers, and lends each to a worker that hashes it. Where there is a place at the KvStore a
 * chunk goes there first, which copies it, and is hashed while it is written; else it is hashed while it waits for its place,
 * so that a log that stands still for a moment does not hold up the hash. At most `chunksInFlight` chunks are on their way;
 * the buffers are the bound on bytes, per stream and in all. The intent goes with the first chunk, in one transaction, and
 * that waits for its place before anything follows.
 *
 * Who asked for it gets the only chunk of a blob back instead, hashed and not written, to write it in the transaction that
 * refers to it: one round to the disk and to the cluster instead of two, and no intent.
 *
 * Of an encrypted blob each chunk is hashed, then sealed in its buffer, then appended: nothing plain leaves it. A
 * full chunk waits there for the next byte, since the last one is sealed as the last.
 *
 * The CRC-32 of a plain blob is put together from those that its chunks are stored with: it costs the worker nothing.
 */
export class ChunkWriter {
  readonly #context: StoreContext;
  readonly #lane: Lane;
  readonly #digest: DigestStream;
  readonly #blobId: Uint8Array;
  readonly #intent: Uint8Array;
  readonly #seals: ChunkSeals | undefined;
  /** The CRC-32 of each chunk, where that of the blob is wanted and made of them. */
  readonly #sums: CrcPiece[] | undefined;
  /** Whether an only chunk is given back instead of written. */
  readonly #keepsOnlyChunk: boolean;
  /** Plain bytes of a full chunk. */
  readonly #chunkSizeBytes: number;
  /** Chunks on their way. None of these promises rejects: see `#failure`. */
  readonly #inFlight = new Set<Promise<void>>();
  /** Settles with the first chunk, which brings the intent. */
  #first: Promise<void> | undefined;
  /** Resolves when the chunk before is on its way to the KvStore. */
  #lastTurn: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #buffer: Uint8Array | undefined;
  #filled = 0;
  /** What waits for its place is not written any more. */
  #isGivenUp = false;
  #chunks = 0;
  #sizeBytes = 0;

  private constructor(
    context: StoreContext,
    algorithms: readonly DigestAlgorithm[],
    lane: Lane,
    { encryption, keepsOnlyChunk = false }: ChunkWriterOptions,
  ) {
    this.#context = context;
    this.#lane = lane;
    const isSummed = encryption === undefined && algorithms.includes('crc32');
    this.#sums = isSummed ? [] : undefined;
    const others = isSummed ? algorithms.filter((one) => one !== 'crc32') : algorithms;
    this.#digest = context.env.digests.stream(others);
    this.#blobId = newId(context);
    this.#intent = idKey(KEY_SPACE.intent, this.#blobId);
    const { chunkSizeBytes } = context.limits;
    this.#chunkSizeBytes = chunkSizeBytes - (encryption === undefined ? 0 : SEAL_SIZE_BYTES);
    this.#keepsOnlyChunk = keepsOnlyChunk && encryption === undefined;
    if (encryption !== undefined) {
      const blob = { blobId: this.#blobId, partNumber: encryption.partNumber };
      this.#seals = chunkSeals(context.env.ciphers, encryption.dataKey, blob);
    }
    context.liveBlobs.add(toHex(this.#blobId));
  }

  /** Waits for a place among the uploads. KV_BUSY where none becomes free in time. */
  static async open(
    context: StoreContext,
    algorithms: readonly DigestAlgorithm[],
    options: ChunkWriterOptions = {},
  ): Promise<ChunkWriter> {
    const { writeBuffers, sharedWriteBuffers } = context;
    const isPlain = options.encryption === undefined;
    const lane = await Lane.open(isPlain ? writeBuffers : sharedWriteBuffers);
    try {
      return new ChunkWriter(context, algorithms, lane, options);
    } catch (error) {
      lane.close();
      throw error;
    }
  }

  /** Takes the piece's bytes, at once where there is room for them; waits while too much is on its way. */
  write(piece: Uint8Array): Promise<void> | undefined {
    const room = this.#buffer === undefined ? 0 : this.#chunkSizeBytes - this.#filled;
    const fits = piece.length < room || (piece.length === room && this.#awaitsMore);
    if (!fits) return this.#writeAll(piece);
    this.#fill(piece);
    return undefined;
  }

  async #writeAll(piece: Uint8Array): Promise<void> {
    const chunkSizeBytes = this.#chunkSizeBytes;
    let taken = 0;
    while (taken < piece.length) {
      if (this.#filled === chunkSizeBytes) await this.#send(false);
      this.#buffer ??= await this.#takeBuffer();
      const count = Math.min(piece.length - taken, chunkSizeBytes - this.#filled);
      this.#fill(piece.subarray(taken, taken + count));
      taken += count;
      if (this.#filled === chunkSizeBytes && !this.#awaitsMore) await this.#send(false);
    }
  }

  /** Whether a full chunk waits for the next byte: the last one is sealed as the last, an only one is kept. */
  get #awaitsMore(): boolean {
    return this.#seals !== undefined || (this.#keepsOnlyChunk && this.#chunks === 0);
  }

  #fill(bytes: Uint8Array): void {
    (this.#buffer as Uint8Array).set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /** Resolves when all chunks are durable, or the only one is hashed and kept. */
  async finish(): Promise<WrittenBlob> {
    if (this.#keepsOnlyChunk && this.#chunks === 0) return await this.#finishKept();
    if (this.#filled > 0) await this.#send(true);
    await Promise.all(this.#inFlight);
    this.#throwFailure();
    const digests = await this.#finishDigests();
    // Why now: of a transaction many blobs wait, written, for their commit, and none of them needs its buffer.
    this.#closeLane();
    const chunkSizeBytes = this.#chunkSizeBytes;
    return { digests, blob: { blobId: this.#blobId, chunkSizeBytes, sizeBytes: this.#sizeBytes } };
  }

  async #finishKept(): Promise<WrittenBlob> {
    const chunkSizeBytes = this.#chunkSizeBytes;
    const sizeBytes = this.#filled;
    const buffer = this.#buffer as Uint8Array;
    this.#buffer = undefined;
    const loan: Loan = { memory: undefined };
    try {
      this.#sum(buffer.subarray(0, sizeBytes));
      loan.memory = await this.#digest.lend(buffer.subarray(0, sizeBytes));
      const digests = await this.#finishDigests();
      this.#buffer = loan.memory;
      const blob = { blobId: this.#blobId, chunkSizeBytes, sizeBytes };
      return { digests, blob, onlyChunk: this.#buffer.subarray(0, sizeBytes) };
    } finally {
      if (this.#buffer === undefined) this.#lane.giveBack(loan.memory);
    }
  }

  /**
   * Called once at the very end. Without a commit, gives the chunks to the sweeper; where even that
   * fails, the intent is left for garbage collection.
   */
  async end(committed: boolean): Promise<void> {
    this.#isGivenUp = !committed;
    await Promise.all(this.#inFlight);
    this.#digest.abort();
    this.#closeLane();
    if (!committed && this.#chunks > 0) await this.#release();
    this.#context.liveBlobs.delete(toHex(this.#blobId));
  }

  /** Idempotent. */
  #closeLane(): void {
    if (this.#buffer !== undefined) this.#lane.giveBack(this.#buffer);
    this.#buffer = undefined;
    this.#lane.close();
  }

  /** A buffer to fill; waits for one of its own chunks where there is no spare. */
  async #takeBuffer(): Promise<Uint8Array> {
    for (;;) {
      const buffer = this.#lane.tryTake();
      if (buffer !== undefined) return buffer;
      await Promise.race(this.#inFlight);
    }
  }

  /** Whether there is a place at the KvStore. The first chunk waits for one: its intent must be there first. */
  async #takePlace(): Promise<boolean> {
    const { chunkCommits } = this.#context;
    if (this.#chunks > 0) return chunkCommits.tryTake();
    await chunkCommits.take();
    return true;
  }

  async #send(isLast: boolean): Promise<void> {
    while (this.#inFlight.size >= this.#context.limits.chunksInFlight) {
      await Promise.race(this.#inFlight);
    }
    this.#throwFailure();
    const hasPlace = this.#seals === undefined && (await this.#takePlace());
    const buffer = this.#buffer as Uint8Array;
    const sizeBytes = this.#filled;
    const number = this.#chunks++;
    this.#sizeBytes += this.#filled;
    this.#buffer = undefined;
    this.#filled = 0;
    const loan: Loan = { memory: buffer };
    const stored =
      this.#seals === undefined
        ? this.#store(loan, buffer.subarray(0, sizeBytes), number, hasPlace)
        : this.#storeSealed(buffer.subarray(0, sizeBytes + SEAL_SIZE_BYTES), number, isLast);
    const sent: Promise<void> = stored
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#lane.giveBack(loan.memory);
        this.#inFlight.delete(sent);
      });
    this.#inFlight.add(sent);
    this.#first ??= sent;
  }

  /**
   * Safety: the digest has read the plain bytes before they are sealed over. And chunks are appended in their order,
   * though a small one is sealed sooner than a large one before it: the intent must be there first.
   */
  async #storeSealed(chunk: Uint8Array, number: number, isLast: boolean): Promise<void> {
    const seals = this.#seals as ChunkSeals;
    const before = this.#lastTurn;
    const turn = Promise.withResolvers<void>();
    this.#lastTurn = turn.promise;
    let stored: Promise<boolean>;
    try {
      await this.#digest.update(chunk.subarray(0, chunk.length - SEAL_SIZE_BYTES));
      await this.#context.env.ciphers.sealInPlace(seals(number, isLast), chunk);
      await before;
      await this.#context.chunkCommits.take();
      stored = this.#place(chunk, number);
    } finally {
      turn.resolve();
    }
    if (!(await stored)) await this.#placeAgain(chunk, number);
  }

  /** Safety: who has a place has the chunk copied when `#place` returns; then its memory is lent. */
  async #store(loan: Loan, chunk: Uint8Array, number: number, hasPlace: boolean): Promise<void> {
    const crc = this.#sum(chunk);
    const { length: sizeBytes } = chunk;
    const early = hasPlace ? this.#place(chunk, number, crc) : undefined;
    const [lent, placed] = await Promise.allSettled([this.#lend(loan, chunk), early]);
    if (lent.status === 'rejected') throw lent.reason;
    if (placed.status === 'rejected') throw placed.reason;
    const memory = lent.value.subarray(0, sizeBytes);
    let isStored = placed.value;
    if (isStored === undefined) {
      await this.#context.chunkCommits.take();
      isStored = await this.#place(memory, number, crc);
    }
    if (!isStored) await this.#placeAgain(memory, number, crc);
  }

  /** Has the chunk hashed, and all of its memory back. */
  async #lend(loan: Loan, chunk: Uint8Array): Promise<Uint8Array> {
    loan.memory = undefined;
    const memory = await this.#digest.lend(chunk);
    loan.memory = memory;
    return memory;
  }

  /**
   * A chunk that found no intent. Why that need not be gone: in a cluster a transaction whose way to the leader is lost comes
   * to the log behind later ones, that of the first chunk too.
   */
  async #placeAgain(chunk: Uint8Array, number: number, crc?: number): Promise<void> {
    await this.#first;
    await this.#context.chunkCommits.take();
    if (!(await this.#place(chunk, number, crc))) throw lostIntent();
  }

  /**
   * Has a place at the KvStore, and gives it back when the chunk is durable. The chunk is copied when this returns. Whether the
   * intent was there; nothing is stored where it was not.
   */
  async #place(chunk: Uint8Array, number: number, crc?: number): Promise<boolean> {
    const operations: Operation[] = [put(chunkKey(this.#blobId, number), chunk, crc)];
    const conditions: Condition[] = [];
    if (number === 0) {
      operations.push(put(this.#intent, encodeMoment(this.#context.env.clock.nowMs())));
    } else {
      conditions.push({ kind: 'exists', key: this.#intent });
    }
    try {
      if (this.#isGivenUp) return true;
      return (await commit(this.#context, conditions, operations)) === undefined;
    } finally {
      this.#context.chunkCommits.give();
    }
  }

  /** Of the next chunk in order, whose bytes are final. */
  #sum(chunk: Uint8Array): number | undefined {
    if (this.#sums === undefined) return undefined;
    const crc = this.#context.env.bodyChecksum.of([chunk]);
    this.#sums.push({ crc: crc32Bytes(crc), sizeBytes: chunk.length });
    return crc;
  }

  async #finishDigests(): Promise<DigestResults> {
    const digests = await this.#digest.finish();
    if (this.#sums === undefined) return digests;
    return new Map(digests).set('crc32', combineCrcs('crc32', this.#sums));
  }

  async #release(): Promise<void> {
    const { operations, tasks } = releaseById(
      'blob',
      this.#blobId,
      this.#context.env.clock.nowMs(),
    );
    try {
      // Safety: asks for the intent, so a commit whose answer was lost is never undone by this.
      const condition: Condition = { kind: 'exists', key: this.#intent };
      const failed = await commit(
        this.#context,
        [condition],
        [remove(this.#intent), ...operations],
      );
      if (failed === undefined) this.#context.sweeper.push(tasks);
    } catch {
      // The reason for giving up is what the caller gets to see; garbage collection does the rest.
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

export interface ChunkWriterOptions {
  readonly encryption?: BodyEncryption | undefined;
  /** Of a plain blob with one chunk, that is not written: see `WrittenBlob`. */
  readonly keepsOnlyChunk?: boolean | undefined;
}

export interface WrittenBlob {
  readonly digests: DigestResults;
  readonly blob: BlobRef;
  /** Not written: the caller's to write, until `end`. */
  readonly onlyChunk?: Uint8Array;
}

/** The memory of a chunk, while nobody else has it. */
interface Loan {
  memory: Uint8Array | undefined;
}

/** The upload was taken for crashed and its bytes are gone. */
export function lostIntent(): ObjectStoreError {
  return new ObjectStoreError(
    'OperationAborted',
    'The upload took so long that it was taken for abandoned. Please try again.',
  );
}
