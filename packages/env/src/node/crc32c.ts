import { createRequire } from 'node:module';
import type { Checksums, Crc32c } from '@holdfast/bytes';
import { makeBodyChecksum } from './body-checksum.ts';
import { crc32Of } from './crc32.ts';
import { makeSmallCrc32c } from './small-crc32c.ts';

/** Up to here a call into native code costs more than it saves. */
const FEW_BYTES = 256;

export interface LoadedCrc32c extends Checksums {
  /**
   * `native`: the machine's instruction, 5 GB/s and more, and tables for the few bytes that are not worth
   * the call. `portable`: JavaScript, 0.4 GB/s.
   */
  readonly implementation: 'native' | 'portable';
}

export interface LoadCrc32cOptions {
  /** How a package is loaded. Default: `require`; a test gives one that fails. */
  readonly load?: LoadPackage;
}

export type LoadPackage = (name: string) => unknown;

/** Chooses the CRC-32C once at start: `@node-rs/crc32` where its binary loads, else `fast-crc32c`. */
export async function loadCrc32c(options: LoadCrc32cOptions = {}): Promise<LoadedCrc32c> {
  const load = options.load ?? createRequire(import.meta.url);
  try {
    return loaded('native', load);
  } catch {
    // Why any error: a binary for another platform, a missing one and a forbidden one differ in kind.
    return loaded('portable', load);
  }
}

function loaded(implementation: LoadedCrc32c['implementation'], load: LoadPackage): LoadedCrc32c {
  const crc32c = crc32cOf(implementation, load);
  const bodyChecksum = makeBodyChecksum(crc32Of(implementation, load), crc32c);
  return { crc32c, bodyChecksum, implementation };
}

/** The named implementation, or what loading it throws. */
export function crc32cOf(
  implementation: LoadedCrc32c['implementation'],
  require: LoadPackage,
): Crc32c {
  if (implementation === 'native') {
    const crc32c = functionOf(require('@node-rs/crc32'), 'crc32c');
    const few = makeSmallCrc32c();
    return (bytes, previous = 0, start = 0, end = bytes.length) =>
      end - start <= FEW_BYTES
        ? few(bytes, previous, start, end)
        : crc32c(viewOf(bytes, start, end), previous) >>> 0;
  }
  // Its loader tries a native part of its own first and goes on without it.
  const calculate = functionOf(require('fast-crc32c'), 'calculate');
  return (bytes, previous = 0, start = 0, end = bytes.length) =>
    calculate(asBuffer(viewOf(bytes, start, end)), previous) >>> 0;
}

function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}

// Why: fast-crc32c copies whatever is not a Buffer.
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

type Checksum = (bytes: Uint8Array, previous?: number) => number;

function functionOf(module: unknown, name: string): Checksum {
  const found: unknown = (module as Record<string, unknown>)[name];
  if (typeof found !== 'function') throw new TypeError(`no function ${name}`);
  return found as Checksum;
}
