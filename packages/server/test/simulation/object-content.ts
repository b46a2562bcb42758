/** The bytes of an object say which write they are of. */
import { utf8 } from '@holdfast/bytes';

/** `CLIENT.SEQUENCE.SIZE`: unlike that of every other write. */
export type ContentId = string;

/** The bytes of a content: its id, and the id again up to its size. */
export function contentOf(id: ContentId): Uint8Array {
  const sizeBytes = Number(id.slice(id.lastIndexOf('.') + 1));
  const text = `${id};`;
  return utf8(
    text
      .repeat(Math.ceil((sizeBytes + text.length) / text.length))
      .slice(0, text.length + sizeBytes),
  );
}

/** Of which content the bytes are; undefined where they are of none, whole. */
export function idOf(bytes: Uint8Array): ContentId | undefined {
  const end = bytes.indexOf(';'.charCodeAt(0));
  if (end <= 0) return undefined;
  const id = String.fromCharCode(...bytes.subarray(0, end));
  const expected = contentOf(id);
  return Buffer.compare(expected, bytes) === 0 ? id : undefined;
}

/** In pieces whose memory is used again, as a socket's is. */
export async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const reused = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    reused.set(piece);
    yield reused.subarray(0, piece.length);
    reused.fill(0xee);
  }
}

const PIECE_BYTES = 3000;
