import type { BodyChecksum } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';
import { WalError } from '@holdfast/wal';
import { KvError } from './errors.ts';
import type { ValueName } from './image/image-entry.ts';
import type { ReadExtent } from './value-reader.ts';

export interface RepairingReaderOptions {
  readonly read: ReadExtent;
  readonly bodyChecksum: BodyChecksum;
  /** Asks other nodes for a value; undefined where none has it. Must not reject. */
  readonly findElsewhere: (name: ValueName) => Promise<Uint8Array | undefined>;
  /** Bytes here were found damaged. */
  readonly onDamaged: () => void;
  /** They could be had elsewhere: what is in the segment should be written anew. */
  readonly onRepaired: (segmentId: number) => void;
}

/**
 * Reads as `read` does; where the bytes here are damaged and whose they are is known, another node is asked for them.
 * Safety: what comes from elsewhere is checked against the checksum that this node's own index has.
 */
export function repairingReader(options: RepairingReaderOptions): ReadExtent {
  const { read, bodyChecksum, findElsewhere, onDamaged, onRepaired } = options;
  return async (extent, target, owner) => {
    try {
      return await read(extent, target);
    } catch (error) {
      if (!isCorruption(error)) throw error;
      onDamaged();
      const bytes = owner && (await findElsewhere({ ...owner, ...sizeOf(extent) }));
      if (bytes?.length !== extent.length) throw error;
      if (!bodyChecksum.holds([bytes], extent.crc)) throw error;
      onRepaired(extent.segmentId);
      if (target === undefined) return bytes;
      target.set(bytes);
      return target.subarray(0, bytes.length);
    }
  };
}

export function isCorruption(error: unknown): boolean {
  if (error instanceof WalError) return error.code === 'WAL_CORRUPTION';
  return error instanceof KvError && error.code === 'KV_CORRUPTION';
}

function sizeOf({ length, crc }: Extent): { readonly length: number; readonly crc: number } {
  return { length, crc };
}
