import type { CipherSeal } from '../ciphers.ts';
import type { DigestLane } from './digest-lane.ts';
import { ThreadCiphers } from './thread-ciphers.ts';

/** The threads that ciphers share with digests. Why: each thread costs 25 MB, and a sealed body is hashed too. */
export interface CipherLanes {
  takeLane(): DigestLane;
  releaseLane(lane: DigestLane): void;
}

/** A buffer no larger than this is sealed on the calling thread: to ask another one takes as long. */
const THREAD_LIMIT_BYTES = 64 * 1024;

/** `Ciphers` that seal large shared buffers in the worker threads of `NodeDigests`. */
export class NodeCiphers extends ThreadCiphers {
  readonly #lanes: CipherLanes;

  constructor(lanes: CipherLanes) {
    super();
    this.#lanes = lanes;
  }

  override async sealInPlace(seal: CipherSeal, bytes: Uint8Array): Promise<void> {
    if (!isForWorker(bytes)) return await super.sealInPlace(seal, bytes);
    await this.#withLane((lane) => lane.ask({ kind: 'seal', seal, bytes }));
  }

  override async openInPlace(seal: CipherSeal, bytes: Uint8Array): Promise<boolean> {
    if (!isForWorker(bytes)) return await super.openInPlace(seal, bytes);
    const { opened } = await this.#withLane((lane) => lane.ask({ kind: 'open', seal, bytes }));
    return opened === true;
  }

  async #withLane<Answer>(work: (lane: DigestLane) => Promise<Answer>): Promise<Answer> {
    const lane = this.#lanes.takeLane();
    try {
      return await work(lane);
    } finally {
      this.#lanes.releaseLane(lane);
    }
  }
}

function isForWorker(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer && bytes.length > THREAD_LIMIT_BYTES;
}
