import type { Crc32c } from '@holdfast/bytes';
import type { FileHandle } from '@holdfast/env';
import { corruption } from './errors.ts';
import type { TableSection } from './table-format.ts';

/** Between two pieces the event loop has its turn. */
const PIECE_SIZE_BYTES: number = 256 * 1024;

/** Called after each piece with the buffer of the whole section, of which the first `readBytes` are filled. */
export type OnPiece = (bytes: Uint8Array, readBytes: number) => void;

/** Reads a section of a table. KV_CORRUPTION where the file ends inside it. */
export async function readSection(
  file: FileHandle,
  { offset, sizeBytes }: TableSection,
  onPiece?: OnPiece,
): Promise<Uint8Array> {
  if (offset < 0) throw corruption(file.path, 'too short for a table');
  const bytes = new Uint8Array(sizeBytes);
  let readBytes = 0;
  do {
    const piece = bytes.subarray(readBytes, readBytes + PIECE_SIZE_BYTES);
    const got = await file.read(piece, offset + readBytes);
    readBytes += got;
    if (got < piece.length) {
      const end = offset + readBytes;
      throw corruption(file.path, `the file ends at ${end}`, undefined, end);
    }
    onPiece?.(bytes, readBytes);
  } while (readBytes < sizeBytes);
  return bytes;
}

/** As `readSection`, and checks the section's last four bytes, which are the CRC-32C of the others. */
export async function readCheckedSection(
  file: FileHandle,
  section: TableSection,
  crc32c: Crc32c,
  onPiece?: OnPiece,
): Promise<Uint8Array> {
  const end = Math.max(0, section.sizeBytes - 4);
  let crc = 0;
  let checkedBytes = 0;
  const bytes = await readSection(file, section, (whole, readBytes) => {
    const to = Math.min(readBytes, end);
    crc = crc32c(whole, crc, checkedBytes, to);
    checkedBytes = to;
    onPiece?.(whole, readBytes);
  });
  if (bytes.length >= 4 && crc === new DataView(bytes.buffer).getUint32(end, true)) return bytes;
  const { offset } = section;
  throw corruption(file.path, `wrong checksum of the section at ${offset}`, undefined, offset);
}
