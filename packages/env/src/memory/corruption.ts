import { invariant } from '@holdfast/bytes';
import type { FileNode } from './file-node.ts';
import { PAGE_BYTES, type PageImage } from './page-image.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Damage to bytes [offset, offset + length) of a file. */
export interface Corruption {
  readonly offset: number;
  /** In bytes. Default 1. */
  readonly length?: number;
  /** `flip`: one bit of each byte, the seed's choice. `zero`, `garble`: all of them. Default `flip`. */
  readonly how?: 'flip' | 'zero' | 'garble';
  /** The bits that are flipped in each byte. Default: one of the seed's choice. */
  readonly mask?: number;
}

/** Changes the live and the durable bytes alike: no cache hides it. */
export function corruptFile(node: FileNode, corruption: Corruption, random: SeededRandom): void {
  const { offset, length = 1, how = 'flip', mask } = corruption;
  invariant(offset + length <= node.live.sizeBytes, 'corruption beyond the end of the file');
  for (let at = offset; at < offset + length; at++) {
    const flipped = mask ?? 1 << random.below(8);
    const garbled = random.below(256);
    for (const image of [node.live, node.durable]) {
      if (at >= image.sizeBytes) continue;
      const old = byteAt(image, at);
      const byte = how === 'zero' ? 0 : how === 'flip' ? old ^ flipped : garbled;
      image.patch(Math.floor(at / PAGE_BYTES), at % PAGE_BYTES, Uint8Array.of(byte));
    }
  }
}

function byteAt(image: PageImage, at: number): number {
  return image.page(Math.floor(at / PAGE_BYTES))[at % PAGE_BYTES] as number;
}
