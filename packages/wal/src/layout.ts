/**
 * Numbers that every file of the log shares. The byte tables are in `docs/formats/wal.md`.
 *
 * Why blocks of 4096 bytes: a device writes whole sectors, and may leave a sector that it was writing
 * when the power went in any state. A batch that began in the middle of a sector would put the
 * acknowledged bytes before it at risk again; so no two writes ever share a block.
 */
export const BLOCK_BYTES = 4096;
/** Most batches that are written at once: so many may a crash leave in any state. */
export const BATCHES_IN_FLIGHT = 2;
/** What this program writes, and the newest that it reads. */
export const FORMAT_VERSION = 2;
/** The same of a state slot. */
export const STATE_FORMAT_VERSION = 3;

export const SEGMENT_MAGIC = 0x5347_4648; // "HFGS"
export const BATCH_MAGIC = 0x5442_4648; // "HFBT"
export const TRAILER_MAGIC = 0x5254_4648; // "HFTR"
export const STATE_MAGIC = 0x5453_4648; // "HFST"

const TWO_TO_32 = 0x1_0000_0000;

/** The next multiple of 4096. */
export function roundUpToBlock(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Writes a safe integer as eight bytes, little-endian. */
export function setU64(view: DataView, at: number, value: number): void {
  // Why: most values are small, and a division of doubles is slow in the path of every append.
  const high = value < TWO_TO_32 ? 0 : Math.floor(value / TWO_TO_32);
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, high, true);
}

/**
 * Reads eight bytes, little-endian; NaN where they are no safe integer, which no comparison accepts.
 *
 * Why a small one is not multiplied: the engine would keep the sum as a floating-point number, as in `ByteReader.u64`.
 */
export function getU64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  const low = view.getUint32(at, true);
  if (high === 0) return low;
  return high > 0x1f_ffff ? Number.NaN : high * TWO_TO_32 + low;
}

/** A view on exactly the bytes of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Sixty-four random bits that tell the batches of one segment from all other bytes. */
export interface Nonce {
  readonly low: number;
  readonly high: number;
}
