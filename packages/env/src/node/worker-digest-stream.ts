import {
  type DigestAlgorithm,
  DigestError,
  type DigestResults,
  type DigestStream,
} from '../digests.ts';
import type { DigestLane } from './digest-lane.ts';

/** What a stream needs of the `Digests` that made it. */
export interface DigestStreamHost {
  /** A body no larger than this is hashed on the calling thread. Bytes. */
  readonly threadLimitBytes: number;
  /** Bytes of one stream that may be on their way to its worker. */
  readonly inFlightLimitBytes: number;
  readonly closed: DigestError | undefined;
  compute(algorithms: readonly DigestAlgorithm[], bytes: Uint8Array): DigestResults;
  takeLane(): DigestLane;
  releaseLane(lane: DigestLane): void;
  newStreamId(): number;
}

/** Who has the memory of an update: `caller` keeps it, so that what is not shared is copied; `worker` may have it for good. */
type Owner = 'caller' | 'lender' | 'worker';

interface Queued {
  readonly bytes: Uint8Array;
  readonly owner: Owner;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A stream that begins on the calling thread and moves to a worker when it has grown beyond the limit.
 *
 * Why the first bytes are copied: a hash that has begun here cannot be moved, and a small body should
 * not wait for another thread. So they are kept, at most the limit, until it is clear which it is.
 */
export class WorkerDigestStream implements DigestStream {
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #host: DigestStreamHost;
  readonly #id: number;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #lane: DigestLane | undefined;
  readonly #queue: Queued[] = [];
  #lastUpdate: Promise<Uint8Array> | undefined;
  #inFlightBytes = 0;
  #ended = false;

  constructor(algorithms: readonly DigestAlgorithm[], host: DigestStreamHost) {
    this.#algorithms = algorithms;
    this.#host = host;
    this.#id = host.newStreamId();
  }

  async update(bytes: Uint8Array): Promise<void> {
    await this.#add(bytes, 'caller');
  }

  async lend(bytes: Uint8Array): Promise<Uint8Array> {
    const { buffer } = await this.#add(bytes, 'lender');
    return new Uint8Array(buffer);
  }

  async #add(bytes: Uint8Array, owner: Owner): Promise<Uint8Array> {
    this.#mustBeOpen();
    if (bytes.length === 0) return bytes;
    if (this.#lane === undefined) {
      if (this.#keptBytes + bytes.length <= this.#host.threadLimitBytes) {
        this.#kept.push(new Uint8Array(bytes));
        this.#keptBytes += bytes.length;
        return bytes;
      }
      this.#moveToWorker();
    }
    this.#lastUpdate = this.#enqueue(bytes, owner);
    return this.#lastUpdate;
  }

  async finish(): Promise<DigestResults> {
    this.#mustBeOpen();
    this.#ended = true;
    const lane = this.#lane;
    if (lane === undefined) {
      return this.#host.compute(this.#algorithms, joined(this.#kept, this.#keptBytes));
    }
    try {
      if (this.#queue.length > 0) await this.#lastUpdate;
      const { results } = await lane.ask({ kind: 'finish', stream: this.#id });
      if (results !== undefined) return results;
      throw new DigestError('DIGEST_WORKER_FAILED', 'the digest worker does not know the stream');
    } finally {
      this.#host.releaseLane(lane);
    }
  }

  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#kept = [];
    for (const { resolve, bytes } of this.#queue.splice(0)) resolve(bytes);
    if (this.#lane === undefined) return;
    this.#lane.tell({ kind: 'abort', stream: this.#id });
    this.#host.releaseLane(this.#lane);
  }

  #mustBeOpen(): void {
    if (this.#host.closed !== undefined) throw this.#host.closed;
    if (this.#ended) throw new DigestError('DIGEST_STREAM_ENDED', 'the stream has ended');
  }

  #moveToWorker(): void {
    const lane = this.#host.takeLane();
    this.#lane = lane;
    lane.tell({ kind: 'start', stream: this.#id, algorithms: this.#algorithms });
    for (const bytes of this.#kept) {
      this.#inFlightBytes += bytes.length;
      // A failure reaches the caller with the update that made the stream move.
      this.#send(lane, bytes, 'worker').catch(() => {});
    }
    this.#kept = [];
  }

  #enqueue(bytes: Uint8Array, owner: Owner): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, owner, resolve, reject });
      this.#pump();
    });
  }

  /** Sends from the queue while less than the limit is on its way; one buffer always goes. */
  #pump(): void {
    const lane = this.#lane;
    const limitBytes = this.#host.inFlightLimitBytes;
    while (lane !== undefined) {
      const next = this.#queue[0];
      const fits = this.#inFlightBytes + (next?.bytes.length ?? 0) <= limitBytes;
      if (next === undefined || (!fits && this.#inFlightBytes > 0)) return;
      this.#queue.shift();
      this.#inFlightBytes += next.bytes.length;
      this.#send(lane, next.bytes, next.owner).then(next.resolve, next.reject);
    }
  }

  /** Resolves with the bytes, or with all the memory that was lent. */
  async #send(lane: DigestLane, bytes: Uint8Array, owner: Owner): Promise<Uint8Array> {
    const sizeBytes = bytes.length;
    const update = { kind: 'update', stream: this.#id } as const;
    try {
      if (bytes.buffer instanceof SharedArrayBuffer) {
        await lane.ask({ ...update, bytes });
        return bytes;
      }
      const given = owner === 'caller' ? new Uint8Array(bytes) : bytes;
      const isLent = owner === 'lender';
      const { memory } = await lane.ask({ ...update, bytes: given, isLent }, [
        given.buffer as ArrayBuffer,
      ]);
      return memory === undefined ? bytes : new Uint8Array(memory);
    } finally {
      this.#inFlightBytes -= sizeBytes;
      this.#pump();
    }
  }
}

function joined(parts: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
