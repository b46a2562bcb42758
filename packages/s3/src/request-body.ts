import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer } from '@holdfast/env';
import type { TakePiece } from '@holdfast/objects';
import { S3Error } from './s3-error.ts';

/** Bytes that may wait here for the consumer before the socket is paused. */
const QUEUE_BYTES = 128 * 1024;

/**
 * The bytes of a request as they come from the socket, with back-pressure.
 *
 * Why not the stream's own iterator: it destroys the socket when the consumer stops early, and then the client
 * never gets to read why. This one leaves the connection to the handler. The first `next` sends
 * `100 Continue` where the client waits for it, so all refusals that need no body come before it.
 *
 * Invariant: a piece is never touched again after it was handed out; but by `pour`, which frees it.
 */
export class RequestBody implements AsyncIterableIterator<Uint8Array> {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #leastBytesPerSecond: number;
  /** Time that was spent in waiting for the client, up to `#waitsFromMs`. */
  #waitedMs = 0;
  /** Since when it is waited. */
  #waitsFromMs = 0;
  /** Runs while it is waited. */
  #patience: Timer | undefined;
  #continueDue: boolean;
  #started = false;
  #ended = false;
  #failure: Error | undefined;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #paused = false;
  #wakes: (() => void)[] = [];
  /** Takes a piece as it comes, while its taker waits and nothing is queued. */
  #passOn: ((piece: Uint8Array) => void) | undefined;
  #bytesRead = 0;
  /** Pieces that were handed out; undefined where they are not kept. */
  #kept: Uint8Array[] | undefined;
  /** Those of them that were taken out of a pour: nobody else has them. */
  #taken: Uint8Array[] = [];
  /** Kept pieces that are to be handed out again. */
  #again: Uint8Array[] = [];

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    clock: Clock,
    options: {
      readonly expectContinue: boolean;
      readonly idleMs: number;
      readonly leastBytesPerSecond: number;
    },
  ) {
    this.#req = req;
    this.#res = res;
    this.#clock = clock;
    this.#continueDue = options.expectContinue;
    this.#idleMs = options.idleMs;
    this.#leastBytesPerSecond = options.leastBytesPerSecond;
  }

  /** Bytes that came from the socket so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** True until `100 Continue` was sent to a client that waits for it: its body is not on the way. */
  get continueDue(): boolean {
    return this.#continueDue;
  }

  /** Makes the current or next read fail, for a reason that only the connection knows. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#signal();
  }

  /**
   * All of a body of this size if it came along with the head. Why by size: this may run before the parser has said that
   * the body is complete, and nothing can follow the last of the declared bytes.
   */
  takeWhole(sizeBytes: number): Uint8Array | undefined {
    const req = this.#req;
    if (this.#continueDue || this.#started || this.#bytesRead > 0) return undefined;
    if (this.#failure !== undefined || req.readableLength !== sizeBytes) return undefined;
    const piece: Uint8Array | null = req.read();
    if (piece === null) return undefined;
    this.#bytesRead = piece.byteLength;
    this.#kept?.push(piece);
    return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
  }

  /** Keeps what is handed out from here on, for `rewind`. The caller bounds the body. */
  keep(): void {
    this.#kept = [];
  }

  /** The next read begins at the first byte again; once. */
  rewind(): void {
    this.#again = this.#kept ?? [];
    this.#kept = undefined;
    this.#taken = [];
  }

  /** There will be no `rewind`: what only that would have needed is freed. */
  forget(): void {
    this.#kept = undefined;
    for (const piece of this.#taken.splice(0)) free(piece);
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const again = this.#again.shift();
    if (again !== undefined) return { done: false, value: again };
    const read = await this.#read();
    if (read.done !== true) this.#kept?.push(read.value);
    return read;
  }

  /**
   * Gives all of the body to `take`, and frees each piece when it was taken, or where it is kept, with `forget`. Why not leave
   * them to the collector: a piece is 64 KiB that hang on an object of 100 bytes. The young generation fills too slowly to give
   * them back, and V8 collected the whole heap for each 10 MiB of a body: that was a third of the processor time of a large put.
   */
  async pour(take: TakePiece): Promise<void> {
    this.#shorten();
    for (;;) {
      const next = await this.next();
      if (next.done === true) return;
      let piece: Uint8Array | undefined = next.value;
      while (piece !== undefined) {
        const taken = take(piece);
        if (taken !== undefined) await taken;
        if (this.#again.length > 0) break;
        this.#freeTaken(piece);
        piece = this.#shift();
        if (piece !== undefined) this.#kept?.push(piece);
      }
      if (piece === undefined && this.#started) await this.#pourAlong(take);
    }
  }

  /**
   * Waits, and takes what comes in the turn in which it comes, up to a piece that `take` has to wait with. Why: promises
   * and a timer for each piece are a twentieth of the thread's time in a large put.
   */
  async #pourAlong(take: TakePiece): Promise<void> {
    let last: { readonly piece: Uint8Array; readonly taken: Promise<void> } | undefined;
    this.#passOn = (piece) => {
      this.#countWait();
      this.#kept?.push(piece);
      const taken = takeSafely(take, piece);
      this.#waitsFromMs = this.#clock.monotonicMs();
      if (taken === undefined) {
        this.#freeTaken(piece);
        return;
      }
      last = { piece, taken };
      this.#passOn = undefined;
      this.#signal();
    };
    if (!this.#ended && this.#failure === undefined) await this.#wait();
    this.#passOn = undefined;
    if (last === undefined) return;
    await last.taken;
    this.#freeTaken(last.piece);
  }

  #freeTaken(piece: Uint8Array): void {
    if (this.#kept === undefined) free(piece);
    else this.#taken.push(piece);
  }

  async #read(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#started) {
      const arrived = this.#takeArrived();
      if (arrived !== undefined) return arrived;
      this.#start();
    }
    for (;;) {
      const piece = this.#shift();
      if (piece !== undefined) return { done: false, value: piece };
      if (this.#ended) return { done: true, value: undefined };
      if (this.#failure !== undefined) throw this.#failure;
      await this.#wait();
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * What came along with the head, which for most small bodies is all of it. Why: then nothing is to be waited for,
   * and neither listeners nor a timer are needed.
   */
  #takeArrived(): IteratorResult<Uint8Array, undefined> | undefined {
    const req = this.#req;
    if (this.#continueDue || this.#failure !== undefined) return undefined;
    // Node destroys a request that was read to its end; what it tells of that is over where the taker took long.
    if (req.readableEnded) return { done: true, value: undefined };
    if (req.destroyed) return undefined;
    const piece: Uint8Array | null = req.read();
    if (piece !== null) {
      this.#bytesRead += piece.byteLength;
      return { done: false, value: piece };
    }
    return req.complete ? { done: true, value: undefined } : undefined;
  }

  #start(): void {
    this.#started = true;
    if (this.#continueDue) {
      this.#continueDue = false;
      this.#res.writeContinue();
    }
    const req = this.#req;
    req.on('end', () => {
      this.#ended = true;
      this.#signal();
    });
    req.on('error', (error) => this.fail(error));
    req.on('close', () => {
      if (!this.#ended) this.fail(new Error('the connection closed before the end of the body'));
    });
    if (req.destroyed && !req.readableEnded) this.fail(new Error('the connection is closed'));
    req.on('data', (piece: Uint8Array) => this.#push(piece));
  }

  /**
   * Takes a piece that a pour waits for where Node's parser gives it to the stream. Why: the stream's own way to a listener, with a
   * read that is begun anew for each piece, is a twentieth of the thread's time in a large put. All else goes that way.
   */
  #shorten(): void {
    const req = this.#req;
    const push = req.push.bind(req);
    req.push = (piece: Uint8Array | null, encoding): boolean => {
      const isWaitedFor = this.#passOn !== undefined && req.readableLength === 0;
      if (piece === null || !isWaitedFor) return push(piece, encoding);
      this.#push(piece);
      return true;
    };
  }

  #shift(): Uint8Array | undefined {
    const piece = this.#queue.shift();
    if (piece === undefined) return undefined;
    this.#queuedBytes -= piece.byteLength;
    if (this.#paused && this.#queuedBytes < QUEUE_BYTES / 2) this.#resume();
    return piece;
  }

  #push(piece: Uint8Array): void {
    this.#bytesRead += piece.byteLength;
    if (this.#passOn !== undefined) {
      this.#passOn(piece);
      return;
    }
    this.#queue.push(piece);
    this.#queuedBytes += piece.byteLength;
    if (this.#queuedBytes >= QUEUE_BYTES && !this.#paused) {
      this.#paused = true;
      this.#req.pause();
    }
    this.#signal();
  }

  #resume(): void {
    this.#paused = false;
    this.#req.resume();
  }

  async #wait(): Promise<void> {
    this.#waitsFromMs = this.#clock.monotonicMs();
    this.#watch(this.#patienceMs());
    try {
      await new Promise<void>((resolve) => {
        this.#wakes.push(resolve);
      });
    } finally {
      this.#patience?.cancel();
      this.#countWait();
    }
  }

  #countWait(): void {
    this.#waitedMs += this.#clock.monotonicMs() - this.#waitsFromMs;
  }

  /** Looks after so long whether the client's time is over. It is later than it was if something came meanwhile. */
  #watch(afterMs: number): void {
    this.#patience = this.#clock.setTimer(afterMs, () => {
      const leftMs = this.#waitsFromMs + this.#patienceMs() - this.#clock.monotonicMs();
      if (leftMs > 0) this.#watch(leftMs);
      else this.fail(new S3Error('RequestTimeout'));
    });
  }

  /**
   * How long the next bytes may take. Why not the idle time alone: a client that sends one byte before each end of it
   * would hold a connection and a buffer for ever. Only waiting counts, so a slow disk is not the client's fault.
   */
  #patienceMs(): number {
    const earnedMs = (this.#bytesRead / this.#leastBytesPerSecond) * 1000;
    return Math.max(1, Math.min(this.#idleMs, this.#idleMs + earnedMs - this.#waitedMs));
  }

  #signal(): void {
    const wakes = this.#wakes;
    if (wakes.length === 0) return;
    this.#wakes = [];
    for (const wake of wakes) wake();
  }
}

/** As `take`; what it throws it rejects with. */
function takeSafely(take: TakePiece, piece: Uint8Array): Promise<void> | undefined {
  try {
    return take(piece);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Gives the memory of a piece back at once, if nothing else has a part of it. Its bytes are gone then. */
function free(piece: Uint8Array): void {
  const { buffer } = piece;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength) buffer.transfer(0);
}
