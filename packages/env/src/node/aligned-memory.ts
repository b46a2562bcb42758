import { invariant } from '@holdfast/bytes';

// In no library of types that this package loads; this names the part used.
declare const WebAssembly: {
  readonly Memory: {
    new (size: { initial: number; maximum: number }): { readonly buffer: ArrayBuffer };
  };
};

const WASM_PAGE_BYTES = 65_536;
const ALIGNMENT_BYTES = 4096;
const SLAB_BYTES = 8 * 1024 * 1024;

/**
 * Buffers at addresses that are multiples of 4096. The memory of a WebAssembly instance is page
 * aligned on every platform, which no other JavaScript buffer promises.
 *
 * Why slabs: V8 reserves gigabytes of address space for every WebAssembly.Memory, so that small
 * buffers are cut from a shared one. A slab is freed when the last of its buffers is.
 */
export class AlignedMemory {
  #slab: ArrayBuffer | undefined;
  #usedBytes = 0;

  /** A zeroed buffer; `sizeBytes` is a multiple of 4096. */
  allocate(sizeBytes: number): Uint8Array {
    invariant(
      Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % ALIGNMENT_BYTES === 0,
      `size of an aligned buffer must be a multiple of ${ALIGNMENT_BYTES}: ${sizeBytes}`,
    );
    if (sizeBytes > SLAB_BYTES / 2) return new Uint8Array(newMemory(sizeBytes), 0, sizeBytes);
    if (this.#slab === undefined || this.#usedBytes + sizeBytes > SLAB_BYTES) {
      this.#slab = newMemory(SLAB_BYTES);
      this.#usedBytes = 0;
    }
    const offset = this.#usedBytes;
    this.#usedBytes += sizeBytes;
    return new Uint8Array(this.#slab, offset, sizeBytes);
  }
}

function newMemory(sizeBytes: number): ArrayBuffer {
  const pages = Math.ceil(sizeBytes / WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer;
}
