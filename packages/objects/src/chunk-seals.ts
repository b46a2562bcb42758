/**
 * What each chunk of an encrypted blob is sealed with. `docs/formats/encryption.md` has an example.
 *
 * Every blob has a key of its own, made of the object's data key and the blob's id, which is never used
 * twice; so the chunk's number can be the nonce. Blob, part, number, and whether it is the last one are
 * authenticated: a chunk opens nowhere but in its place, and a body that lost its end does not open.
 */
import { ByteWriter, concatBytes, utf8 } from '@holdfast/bytes';
import { CIPHER_NONCE_BYTES, CIPHER_TAG_BYTES, type CipherSeal, type Ciphers } from '@holdfast/env';

const FORMAT = 1;
const PURPOSE = utf8('holdfast blob key 1\0');

/** Bytes that a sealed chunk has more than its plain bytes. */
export const SEAL_SIZE_BYTES: number = CIPHER_TAG_BYTES;

/** What chunk `number` of a blob is sealed with; `isLast` where no other follows. */
export type ChunkSeals = (number: number, isLast: boolean) => CipherSeal;

/** `partNumber`: 0 for the blob of a plain put. */
export function chunkSeals(
  ciphers: Ciphers,
  dataKey: Uint8Array,
  blob: { readonly blobId: Uint8Array; readonly partNumber: number },
): ChunkSeals {
  const { blobId, partNumber } = blob;
  const key = ciphers.deriveKey(dataKey, concatBytes([PURPOSE, blobId]));
  return (number, isLast) => {
    const nonce = new Uint8Array(CIPHER_NONCE_BYTES);
    nonce[0] = isLast ? 1 : 0;
    new DataView(nonce.buffer).setUint32(CIPHER_NONCE_BYTES - 4, number);
    const associated = new ByteWriter(32)
      .u8(FORMAT)
      .bytes(blobId)
      .varint(partNumber)
      .varint(number)
      .u8(isLast ? 1 : 0)
      .finish();
    return { key, nonce, associated };
  };
}
