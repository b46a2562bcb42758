import { createHash, type Hash, hash } from 'node:crypto';
import type { Crc32c } from '@holdfast/bytes';
import type { DigestAlgorithm } from '../digests.ts';
import type { Crc32 } from './crc32.ts';
import { Crc64Adder, Crc64Nvme, putUint32 } from './crc64nvme.ts';
import { RunningXxHash, type XxHashes } from './xx-hashes.ts';

/** What the checksums need that are not node:crypto's. One a thread. */
export interface Checksums {
  readonly crc32: Crc32;
  readonly crc32c: Crc32c;
  readonly crc64: Crc64Adder;
  readonly xxHashes: XxHashes;
}

export function makeChecksums(crc32: Crc32, crc32c: Crc32c, xxHashes: XxHashes): Checksums {
  return { crc32, crc32c, crc64: new Crc64Adder(), xxHashes };
}

interface Running {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/** Incremental computation of several digests on the current thread. */
export class HashSet {
  readonly #running: readonly (readonly [DigestAlgorithm, Running])[];

  constructor(algorithms: readonly DigestAlgorithm[], checksums: Checksums) {
    this.#running = algorithms.map(
      (algorithm) => [algorithm, start(algorithm, checksums)] as const,
    );
  }

  update(bytes: Uint8Array): void {
    for (const [, running] of this.#running) running.update(bytes);
  }

  finish(): Map<DigestAlgorithm, Uint8Array> {
    return new Map(this.#running.map(([algorithm, running]) => [algorithm, running.digest()]));
  }
}

/** The digests of one buffer that are asked for, without `except`. One map, for this is done for each small body. */
export function digestsOf(
  algorithms: readonly DigestAlgorithm[],
  bytes: Uint8Array,
  checksums: Checksums,
  except?: DigestAlgorithm,
): Map<DigestAlgorithm, Uint8Array> {
  const results = new Map<DigestAlgorithm, Uint8Array>();
  for (const algorithm of algorithms) {
    if (algorithm !== except) results.set(algorithm, digestOf(algorithm, bytes, checksums));
  }
  return results;
}

/** One digest of one buffer. */
function digestOf(algorithm: DigestAlgorithm, bytes: Uint8Array, checksums: Checksums): Uint8Array {
  switch (algorithm) {
    case 'crc32':
      return bigEndian(checksums.crc32(bytes));
    case 'crc32c':
      return bigEndian(checksums.crc32c(bytes));
    case 'crc64nvme': {
      const crc = new Crc64Nvme(checksums.crc64);
      crc.update(bytes);
      return crc.digest();
    }
    case 'xxhash64':
    case 'xxhash3':
    case 'xxhash128':
      return checksums.xxHashes[algorithm].init().update(bytes).digest('binary');
    default:
      return hashOf(algorithm, bytes);
  }
}

/**
 * One digest of node:crypto's. Why not createHash: the one-shot call makes no object, 0.5 us instead of 0.8. Why by way of a
 * text: a `buffer` has memory of its own, which takes another 0.6 us and is to be freed; this one is a part of the pool.
 */
export function hashOf(
  algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512',
  bytes: Uint8Array,
): Uint8Array {
  return Buffer.from(hash(algorithm, bytes, 'binary'), 'latin1');
}

function start(algorithm: DigestAlgorithm, checksums: Checksums): Running {
  switch (algorithm) {
    case 'crc32':
      return runningCrc(checksums.crc32);
    case 'crc32c':
      return runningCrc(checksums.crc32c);
    case 'crc64nvme':
      return new Crc64Nvme(checksums.crc64);
    case 'xxhash64':
    case 'xxhash3':
    case 'xxhash128':
      return new RunningXxHash(checksums.xxHashes[algorithm]);
    default:
      return runningHash(createHash(algorithm));
  }
}

function runningHash(hash: Hash): Running {
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => hash.digest(),
  };
}

function runningCrc(crc: Crc32): Running {
  let value = 0;
  return {
    update: (bytes) => {
      value = crc(bytes, value);
    },
    digest: () => bigEndian(value),
  };
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  putUint32(bytes, 0, value);
  return bytes;
}
