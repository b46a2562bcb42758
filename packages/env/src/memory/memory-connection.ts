import { concatBytes, invariant } from '@holdfast/bytes';
import type { Connection, Lane, LaneLimits } from '../network.ts';
import { NetworkError } from '../network.ts';

interface Waiter {
  readonly resolve: (frames: readonly Uint8Array[] | undefined) => void;
  readonly reject: (error: NetworkError) => void;
}

/** How a connection reaches the other end of it. */
export interface MemoryWire {
  /** Takes the frame; the other end's `arrive` is called for every copy, and `left` of this one, once. */
  carry(from: MemoryConnection, frame: Uint8Array): void;
  /** Tells the other end, in order behind the frames, that this one is closed. */
  end(from: MemoryConnection): void;
}

/** One end of a connection in memory. */
export class MemoryConnection implements Connection {
  readonly nodeId: string;
  readonly peerId: string;
  readonly lane: Lane;
  readonly #limits: LaneLimits;
  readonly #wire: MemoryWire;
  /** The other end; set once, right after both are made. */
  other: MemoryConnection | undefined;
  /** When the latest frame of this side that keeps its order is due, in the clock's milliseconds. */
  lastDueMs = 0;
  /** It was closed, and the other end was not told, since that way was cut. */
  isEndLost = false;
  /** Frames of this side that are on their way. */
  #underWayBytes = 0;
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #waiter: Waiter | undefined;
  #drainWaiters: (() => void)[] = [];
  #isOpen = true;
  #failure: NetworkError | undefined;

  constructor(nodeId: string, peerId: string, lane: Lane, limits: LaneLimits, wire: MemoryWire) {
    this.nodeId = nodeId;
    this.peerId = peerId;
    this.lane = lane;
    this.#limits = limits;
    this.#wire = wire;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What the other side has room for is not in the queue, as what a socket holds is not. */
  get queuedBytes(): number {
    const untaken = this.#underWayBytes + (this.other?.inboxBytes ?? 0);
    return Math.max(0, untaken - this.#limits.receiveBytes);
  }

  get inboxBytes(): number {
    return this.#inboxBytes;
  }

  send(...parts: readonly Uint8Array[]): boolean {
    const frame = parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts);
    const { frameBytes, sendQueueBytes } = this.#limits;
    invariant(frame.length <= frameBytes, `a ${this.lane} frame of ${frame.length} bytes`);
    if (!this.#isOpen) return false;
    const queued = this.queuedBytes;
    if (queued > 0 && queued + frame.length > sendQueueBytes) return false;
    this.#underWayBytes += frame.length;
    this.#wire.carry(this, frame);
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
    if (this.#inbox.length > 0) return Promise.resolve(this.#takeInbox());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (!this.#isOpen) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  close(): Promise<void> {
    if (this.#isOpen) {
      this.#inbox = [];
      this.#inboxBytes = 0;
      this.finish();
      this.#wire.end(this);
    }
    return Promise.resolve();
  }

  /** A frame of this side has arrived, or never will. */
  left(frame: Uint8Array): void {
    this.#underWayBytes -= frame.length;
    this.wakeSenders();
  }

  /** A frame of the other side is here. False where this side takes none any more. */
  arrive(frame: Uint8Array): boolean {
    if (!this.#isOpen) return false;
    this.#inbox.push(frame);
    this.#inboxBytes += frame.length;
    const waiter = this.#waiter;
    if (waiter === undefined) return true;
    this.#waiter = undefined;
    waiter.resolve(this.#takeInbox());
    return true;
  }

  /** Ends this side: closed, or broken where there is a failure. */
  finish(failure?: NetworkError): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#failure = failure;
    this.wakeSenders();
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (failure === undefined) waiter?.resolve(undefined);
    else waiter?.reject(failure);
  }

  wakeSenders(): void {
    if (!this.#isDrained()) return;
    for (const wake of this.#drainWaiters.splice(0)) wake();
  }

  #takeInbox(): Uint8Array[] {
    const frames = this.#inbox;
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.other?.wakeSenders();
    return frames;
  }

  #isDrained(): boolean {
    return !this.#isOpen || this.queuedBytes <= this.#limits.sendQueueBytes / 2;
  }
}
