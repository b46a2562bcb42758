import { ByteReader, ByteWriter } from '@holdfast/bytes';
import { KvError } from '@holdfast/kv';

/** First byte of every value of this package but chunks. */
const RECORD_VERSION = 1;
/** First byte of a record that says how its bytes are encrypted: who cannot read it must not try. */
export const ENCRYPTED_VERSION = 2;

export function recordWriter(
  initialSizeBytes: number = 256,
  { encrypted = false }: { readonly encrypted?: boolean } = {},
): ByteWriter {
  return new ByteWriter(initialSizeBytes).u8(encrypted ? ENCRYPTED_VERSION : RECORD_VERSION);
}

/**
 * Of a field of a record that has a value which only a newer Holdfast knows. Safety: what follows such a field cannot be read, and
 * whoever guessed would take an object with a body for one without, and its body for garbage.
 */
export function newerField(what: string): KvError {
  return new KvError(
    'KV_INCOMPATIBLE',
    `${what} is none that this Holdfast knows: start a newer one`,
  );
}

/** A reader past the version, which may be up to `newest`. KV_INCOMPATIBLE where a newer Holdfast wrote the value. */
export function recordReader(
  value: Uint8Array,
  what: string,
  newest: number = RECORD_VERSION,
): ByteReader {
  const reader = new ByteReader(value);
  const version = reader.u8();
  if (version < RECORD_VERSION || version > newest) {
    throw new KvError(
      'KV_INCOMPATIBLE',
      `${what} has format version ${version}, and this Holdfast reads up to ${newest}: start a newer one`,
    );
  }
  return reader;
}
