import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import {
  type DigestAlgorithm,
  DigestError,
  type DigestResults,
  type DigestStream,
  type Digests,
} from '../digests.ts';
import { crc32Of } from './crc32.ts';
import type { LoadedCrc32c } from './crc32c.ts';
import { DigestLane } from './digest-lane.ts';
import { type Checksums, digestsOf, makeChecksums } from './hash-set.ts';
import { Md5Lanes } from './md5-lanes.ts';
import { Md5OfTurn } from './md5-of-turn.ts';
import { type DigestStreamHost, WorkerDigestStream } from './worker-digest-stream.ts';
import type { XxHashes } from './xx-hashes.ts';

export interface NodeDigestsOptions {
  /** Worker threads at most, started when they are first needed. Default 2, or 1 on two cores and less. */
  readonly workerCount?: number;
  /** A streamed body no larger than this is hashed on the calling thread. Default 256 KiB. */
  readonly threadLimitBytes?: number;
  /** Bytes of one stream that may be on their way to its worker. Default 8 MiB. */
  readonly inFlightLimitBytes?: number;
}

/** `Digests` that hash large bodies in worker threads, one thread a stream. */
export class NodeDigests implements Digests, DigestStreamHost {
  readonly threadLimitBytes: number;
  readonly inFlightLimitBytes: number;
  readonly #workerCount: number;
  readonly #loaded: LoadedCrc32c;
  readonly #checksums: Checksums;
  readonly #md5: Md5OfTurn | undefined;
  readonly #lanes = new Set<DigestLane>();
  #streamIds = 0;
  #closed: DigestError | undefined;

  constructor(loaded: LoadedCrc32c, xxHashes: XxHashes, options: NodeDigestsOptions = {}) {
    this.#loaded = loaded;
    const crc32 = crc32Of(loaded.implementation, createRequire(import.meta.url));
    this.#checksums = makeChecksums(crc32, loaded.crc32c, xxHashes);
    const lanes = Md5Lanes.load();
    this.#md5 = lanes && new Md5OfTurn(lanes);
    // Why one less: the calling thread is busy too, and each worker costs 25 MB.
    this.#workerCount = options.workerCount ?? Math.max(1, Math.min(2, availableParallelism() - 1));
    this.threadLimitBytes = options.threadLimitBytes ?? 256 * 1024;
    this.inFlightLimitBytes = options.inFlightLimitBytes ?? 8 * 1024 * 1024;
  }

  /** Worker threads that run now. */
  get runningWorkers(): number {
    return this.#lanes.size;
  }

  get closed(): DigestError | undefined {
    return this.#closed;
  }

  compute(algorithms: readonly DigestAlgorithm[], bytes: Uint8Array): DigestResults {
    return digestsOf(algorithms, bytes, this.#checksums);
  }

  computeSoon(
    algorithms: readonly DigestAlgorithm[],
    bytes: Uint8Array,
  ): DigestResults | Promise<DigestResults> {
    const together = this.#md5;
    if (together?.takes(bytes) !== true || !algorithms.includes('md5')) {
      return this.compute(algorithms, bytes);
    }
    const md5 = together.digest(bytes);
    const results = digestsOf(algorithms, bytes, this.#checksums, 'md5');
    if (!(md5 instanceof Promise)) return results.set('md5', md5);
    return md5.then((digest) => results.set('md5', digest));
  }

  stream(algorithms: readonly DigestAlgorithm[]): DigestStream {
    if (this.#closed !== undefined) throw this.#closed;
    return new WorkerDigestStream(algorithms, this);
  }

  allocate(sizeBytes: number): Uint8Array {
    return new Uint8Array(new SharedArrayBuffer(sizeBytes));
  }

  async close(): Promise<void> {
    this.#closed ??= new DigestError('DIGESTS_CLOSED', 'digests were closed');
    const error = this.#closed;
    const lanes = [...this.#lanes];
    this.#lanes.clear();
    await Promise.all(lanes.map((lane) => lane.close(error)));
  }

  /** The lane with the fewest streams; a new one while there is none free and not all are started. */
  takeLane(): DigestLane {
    if (this.#closed !== undefined) throw this.#closed;
    let chosen: DigestLane | undefined;
    for (const lane of this.#lanes) {
      if (chosen === undefined || lane.streamCount < chosen.streamCount) chosen = lane;
    }
    const busy = chosen === undefined || chosen.streamCount > 0;
    if (chosen === undefined || (busy && this.#lanes.size < this.#workerCount)) {
      chosen = new DigestLane({ crc32c: this.#loaded.implementation }, (lane) => {
        this.#lanes.delete(lane);
      });
      this.#lanes.add(chosen);
    }
    chosen.streamCount += 1;
    return chosen;
  }

  releaseLane(lane: DigestLane): void {
    lane.streamCount -= 1;
  }

  newStreamId(): number {
    this.#streamIds += 1;
    return this.#streamIds;
  }
}
