import type { Socket } from 'node:net';
import { invariant } from '@holdfast/bytes';
import type { Clock, Timer } from '../clock.ts';
import type { Connection, Lane, LaneLimits } from '../network.ts';
import { NetworkError } from '../network.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { FrameQueue } from './frame-queue.ts';

/** Given to the socket at once; more waits, and is put together with what comes meanwhile. */
const IN_FLIGHT_BYTES = 256 * 1024;
/** A peer that does not take as much in this time is lost. */
const STALL_LIMIT_MS = 10_000;
const CLOSE_LIMIT_MS = 1000;
/** Of silence, before the system asks whether the peer is still there. */
const KEEP_ALIVE_MS = 30_000;
/** What a waiting frame costs besides its bytes: empty ones are bounded too. */
const FRAME_OVERHEAD_BYTES = 64;

interface Waiter {
  readonly resolve: (frames: readonly Uint8Array[] | undefined) => void;
  readonly reject: (error: NetworkError) => void;
}

export interface NodeConnectionOptions {
  readonly socket: Socket;
  readonly peerId: string;
  readonly lane: Lane;
  readonly limits: LaneLimits;
  readonly clock: Clock;
  /** Called once, when the socket is gone. */
  readonly onEnd: (connection: NodeConnection) => void;
}

/** A connection to a proven peer on one socket, plain or TLS, which it owns. */
export class NodeConnection implements Connection {
  readonly peerId: string;
  readonly lane: Lane;
  readonly #socket: Socket;
  readonly #limits: LaneLimits;
  readonly #clock: Clock;
  readonly #queue = new FrameQueue();
  readonly #decoder: FrameDecoder;
  readonly #gone = Promise.withResolvers<void>();
  #inFlightBytes = 0;
  #isFlushPlanned = false;
  #stall: Timer | undefined;
  #drainWaiters: (() => void)[] = [];
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #waiter: Waiter | undefined;
  #state: 'open' | 'ending' | 'ended' = 'open';
  #failure: NetworkError | undefined;

  constructor(options: NodeConnectionOptions) {
    const { socket, limits } = options;
    this.peerId = options.peerId;
    this.lane = options.lane;
    this.#socket = socket;
    this.#limits = limits;
    this.#clock = options.clock;
    this.#decoder = new FrameDecoder(limits.frameBytes);
    socket.setNoDelay(true);
    // Why: who only listens would never learn that the other machine has vanished.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (piece: Buffer) => {
      // Plain bytes: `slice` of a Buffer does not copy, which who owns a frame would not expect.
      this.#take(new Uint8Array(piece.buffer, piece.byteOffset, piece.length));
      if (!this.#decoder.isPieceShared) free(piece);
    });
    socket.on('end', () => this.#peerEnded());
    socket.on('error', (cause) => this.#lose('the connection broke', cause));
    socket.on('close', () => {
      this.#lose('the connection broke');
      options.onEnd(this);
      this.#gone.resolve();
    });
    // The handshake read from the paused socket; what it left comes now.
    socket.resume();
  }

  get queuedBytes(): number {
    return this.#queue.bytes + this.#inFlightBytes;
  }

  send(...parts: readonly Uint8Array[]): boolean {
    let length = 0;
    for (const part of parts) length += part.length;
    invariant(length <= this.#limits.frameBytes, `a ${this.lane} frame of ${length} bytes`);
    if (this.#state !== 'open') return false;
    const queued = this.queuedBytes;
    if (queued > 0 && queued + length > this.#limits.sendQueueBytes) return false;
    this.#queue.push(parts, length);
    this.#planFlush();
    return true;
  }

  drained(): Promise<void> {
    if (this.#isDrained()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drainWaiters.push(resolve);
    });
  }

  receive(): Promise<readonly Uint8Array[] | undefined> {
    invariant(this.#waiter === undefined, 'one receive at a time');
    if (this.#inbox.length > 0) {
      const frames = this.#inbox;
      this.#inbox = [];
      this.#inboxBytes = 0;
      this.#socket.resume();
      return Promise.resolve(frames);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#state !== 'open') return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#flush();
      this.#end();
      // What still comes is read and dropped, so that the peer's end is seen.
      this.#inbox = [];
      this.#socket.resume();
      const limit = this.#clock.setTimer(CLOSE_LIMIT_MS, () => this.#socket.destroy());
      void this.#gone.promise.then(() => limit.cancel());
    }
    await this.#gone.promise;
  }

  #end(): void {
    this.#state = 'ending';
    this.#wakeAll();
    if (this.#queue.bytes === 0) this.#socket.end();
  }

  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    const flush = (): void => {
      this.#isFlushPlanned = false;
      this.#flush();
    };
    // Why: after the events of this turn, so that the frames which they send leave together. A heartbeat leaves
    // after the promises of this event already, before the entries of the same turn.
    if (this.lane === 'control') process.nextTick(flush);
    else setImmediate(flush);
  }

  #flush(): void {
    if (this.#state === 'ended') return;
    while (this.#queue.bytes > 0 && this.#inFlightBytes < IN_FLIGHT_BYTES) {
      const before = this.#queue.bytes;
      const pieces = this.#queue.take(IN_FLIGHT_BYTES);
      const bytes = before - this.#queue.bytes;
      this.#inFlightBytes += bytes;
      this.#stall ??= this.#watchStall();
      if (pieces.length > 1) this.#socket.cork();
      for (const [at, piece] of pieces.entries()) {
        if (at < pieces.length - 1) this.#socket.write(piece);
        else this.#socket.write(piece, () => this.#written(bytes));
      }
      if (pieces.length > 1) this.#socket.uncork();
    }
  }

  #written(bytes: number): void {
    this.#inFlightBytes -= bytes;
    this.#stall?.cancel();
    this.#stall = undefined;
    if (this.#state === 'ended') return;
    // Why not at once: where the kernel takes each piece as it is written, all that waits would be written in one turn.
    if (this.#queue.bytes > 0) this.#planFlush();
    else if (this.#state === 'ending') this.#socket.end();
    if (this.#inFlightBytes > 0) this.#stall ??= this.#watchStall();
    if (this.#isDrained()) this.#wakeSenders();
  }

  #watchStall(): Timer {
    return this.#clock.setTimer(STALL_LIMIT_MS, () => {
      this.#lose(`the peer took nothing for ${STALL_LIMIT_MS} ms`);
    });
  }

  #take(piece: Uint8Array): void {
    if (this.#state !== 'open') return;
    const before = this.#inbox.length;
    const isWithin = this.#decoder.push(piece, this.#inbox);
    for (let at = before; at < this.#inbox.length; at++) {
      this.#inboxBytes += FRAME_OVERHEAD_BYTES + (this.#inbox[at]?.length ?? 0);
    }
    if (!isWithin) {
      const { frameBytes } = this.#limits;
      const message = `the peer ${this.peerId} sent a ${this.lane} frame above ${frameBytes} bytes`;
      this.#fail(new NetworkError('FRAME_TOO_LARGE', message));
    }
    if (this.#waiter !== undefined && this.#inbox.length > 0) this.#handOver(this.#waiter);
    else if (this.#inboxBytes >= this.#limits.receiveBytes) this.#socket.pause();
  }

  #handOver(waiter: Waiter): void {
    const frames = this.#inbox;
    this.#waiter = undefined;
    this.#inbox = [];
    this.#inboxBytes = 0;
    waiter.resolve(frames);
  }

  #peerEnded(): void {
    if (this.#decoder.isInside) return this.#lose('the connection ended inside a frame');
    if (this.#state !== 'open') return;
    // The peer has closed: it takes nothing more.
    this.#queue.clear();
    this.#end();
  }

  #lose(message: string, cause?: unknown): void {
    if (this.#state === 'open') {
      const text = `${message}: ${this.peerId}, ${this.lane}`;
      this.#fail(new NetworkError('CONNECTION_LOST', text, { cause }));
      return;
    }
    this.#finish();
  }

  #fail(error: NetworkError): void {
    this.#failure ??= error;
    this.#finish();
  }

  #finish(): void {
    this.#state = 'ended';
    this.#stall?.cancel();
    this.#queue.clear();
    this.#wakeAll();
    this.#socket.destroy();
  }

  #wakeAll(): void {
    this.#wakeSenders();
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    // What came before the end is handed over before it.
    if (this.#inbox.length > 0) return this.#handOver(waiter);
    this.#waiter = undefined;
    if (this.#failure === undefined) waiter.resolve(undefined);
    else waiter.reject(this.#failure);
  }

  #isDrained(): boolean {
    return this.#state !== 'open' || this.queuedBytes <= this.#limits.sendQueueBytes / 2;
  }

  #wakeSenders(): void {
    for (const wake of this.#drainWaiters.splice(0)) wake();
  }
}

/**
 * Gives the memory back at once where nobody else has it. Why: the collector counts it, and would soon collect the whole heap
 * for what is garbage the moment that it was copied.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
