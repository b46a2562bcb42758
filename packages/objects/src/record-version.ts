import { ByteReader, ByteWriter } from '@holdfast/bytes';
import { KvError } from '@holdfast/kv';

/** First byte of every value of this package but chunks. */
const RECORD_VERSION = 1;

export function recordWriter(initialSizeBytes: number = 256): ByteWriter {
  return new ByteWriter(initialSizeBytes).u8(RECORD_VERSION);
}

/** A reader past the version. KV_INCOMPATIBLE where a newer Holdfast wrote the value. */
export function recordReader(value: Uint8Array, what: string): ByteReader {
  const reader = new ByteReader(value);
  const version = reader.u8();
  if (version !== RECORD_VERSION) {
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${what} has format version ${version}, and this Holdfast reads ${RECORD_VERSION}: start a newer one`,
    );
  }
  return reader;
}
