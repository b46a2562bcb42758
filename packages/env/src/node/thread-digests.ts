import { crc32 } from 'node:zlib';
import type { Crc32c } from '@holdfast/bytes';
import {
  type DigestAlgorithm,
  DigestError,
  type DigestResults,
  type DigestStream,
  type Digests,
} from '../digests.ts';
import { type Checksums, digestsOf, HashSet, makeChecksums } from './hash-set.ts';
import type { XxHashes } from './xx-hashes.ts';

/** `Digests` on the calling thread alone: of tests, and of environments without threads. */
export class ThreadDigests implements Digests {
  readonly #checksums: Checksums;
  readonly #open = new Set<ThreadDigestStream>();
  #closed = false;

  constructor(crc32c: Crc32c, xxHashes: XxHashes) {
    this.#checksums = makeChecksums(crc32, crc32c, xxHashes);
  }

  compute(algorithms: readonly DigestAlgorithm[], bytes: Uint8Array): DigestResults {
    return digestsOf(algorithms, bytes, this.#checksums);
  }

  computeSoon(algorithms: readonly DigestAlgorithm[], bytes: Uint8Array): DigestResults {
    return this.compute(algorithms, bytes);
  }

  stream(algorithms: readonly DigestAlgorithm[]): DigestStream {
    if (this.#closed) throw new DigestError('DIGESTS_CLOSED', 'digests are closed');
    const set = new HashSet(algorithms, this.#checksums);
    const stream = new ThreadDigestStream(set, () => this.#open.delete(stream));
    this.#open.add(stream);
    return stream;
  }

  allocate(sizeBytes: number): Uint8Array {
    return new Uint8Array(sizeBytes);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = new DigestError('DIGESTS_CLOSED', 'digests were closed under the stream');
    for (const stream of this.#open) stream.end(error);
  }
}

class ThreadDigestStream implements DigestStream {
  readonly #set: HashSet;
  readonly #onEnd: () => void;
  #ended: DigestError | undefined;

  constructor(set: HashSet, onEnd: () => void) {
    this.#set = set;
    this.#onEnd = onEnd;
  }

  async update(bytes: Uint8Array): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#set.update(bytes);
  }

  async lend(bytes: Uint8Array): Promise<Uint8Array> {
    await this.update(bytes);
    return new Uint8Array(bytes.buffer);
  }

  async finish(): Promise<DigestResults> {
    if (this.#ended !== undefined) throw this.#ended;
    this.end();
    return this.#set.finish();
  }

  abort(): void {
    this.end();
  }

  end(reason: DigestError = new DigestError('DIGEST_STREAM_ENDED', 'the stream has ended')): void {
    this.#ended ??= reason;
    this.#onEnd();
  }
}
