/** What the main thread and a digest worker say to each other. Requests are answered in their order. */
import type { CipherSeal } from '../ciphers.ts';
import type { DigestAlgorithm } from '../digests.ts';
import type { LoadedCrc32c } from './crc32c.ts';

export type DigestRequest =
  | {
      readonly kind: 'start';
      readonly stream: number;
      readonly algorithms: readonly DigestAlgorithm[];
    }
  | {
      readonly kind: 'update';
      readonly stream: number;
      /** Shared with the worker, or handed over to it. */
      readonly bytes: Uint8Array;
      /** The memory is handed back with the answer. */
      readonly isLent?: boolean;
    }
  | {
      readonly kind: 'seal' | 'open';
      readonly seal: CipherSeal;
      /** Shared with the worker, which writes over it. */
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'finish'; readonly stream: number }
  /** No answer. */
  | { readonly kind: 'abort'; readonly stream: number };

export interface DigestAnswer {
  /** Of `finish`. */
  readonly results?: ReadonlyMap<DigestAlgorithm, Uint8Array>;
  /** Of an `update` with lent bytes: their memory. */
  readonly memory?: ArrayBuffer;
  /** Of `open`. */
  readonly opened?: boolean;
}

export interface DigestWorkerData {
  /** The one that the main thread chose. */
  readonly crc32c: LoadedCrc32c['implementation'];
}
