import { invariant } from '@holdfast/bytes';

const SLAB_BITS = 16;
/** Nothing kept is larger. */
const SLAB_SIZE_BYTES: number = 1 << SLAB_BITS;
const OFFSET_MASK: number = SLAB_SIZE_BYTES - 1;
const SLABS_LIMIT = 0x7fff;

/**
 * Copies of byte strings, in slabs, each named by a number. Why: so a small value never keeps a large read buffer alive,
 * the size is known exactly, and the garbage collector has slabs to look at and no values.
 */
export class ByteSlabs {
  readonly #slabs: Uint8Array[] = [];
  /** Of the last slab; more than there is where there is none. */
  #used: number = SLAB_SIZE_BYTES + 1;

  get sizeBytes(): number {
    return this.#slabs.length * SLAB_SIZE_BYTES;
  }

  /** All memory: one behind the other, references are offsets into it. */
  get slabs(): readonly Uint8Array[] {
    return this.#slabs;
  }

  /** Copies bytes in; gives their reference. */
  keep(bytes: Uint8Array): number {
    const { length } = bytes;
    if (this.#used + length > SLAB_SIZE_BYTES) {
      invariant(length <= SLAB_SIZE_BYTES, `${length} bytes are no inline value`);
      invariant(this.#slabs.length < SLABS_LIMIT, 'the memtable is past its limit');
      this.#slabs.push(new Uint8Array(SLAB_SIZE_BYTES));
      this.#used = 0;
    }
    const last = this.#slabs.length - 1;
    const offset = this.#used;
    (this.#slabs[last] as Uint8Array).set(bytes, offset);
    this.#used += length;
    // Where the slab is full, what is empty gets its start for an offset, which does as well.
    return (last << SLAB_BITS) | (offset & OFFSET_MASK);
  }

  /** A view of what was kept. */
  at(reference: number, length: number): Uint8Array {
    const offset = reference & OFFSET_MASK;
    const slab = this.#slabs[reference >>> SLAB_BITS] as Uint8Array;
    return slab.subarray(offset, offset + length);
  }
}
