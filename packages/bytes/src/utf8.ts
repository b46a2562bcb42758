// TextEncoder and TextDecoder are pure and everywhere, but in neither the ES library nor
// `"types": []`; these declarations name the part used.
declare const TextEncoder: { new (): { encode(text: string): Uint8Array<ArrayBuffer> } };
declare const TextDecoder: {
  new (
    label: 'utf-8',
    options: { fatal: boolean; ignoreBOM: boolean },
  ): {
    decode(bytes: Uint8Array): string;
  };
};

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Up to here a loop over ASCII is faster than the encoder, which is a call out of the engine. */
const SHORT_LENGTH = 64;

/** UTF-8 bytes of a string; a lone surrogate becomes U+FFFD. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  const { length } = text;
  if (length > SHORT_LENGTH) return encoder.encode(text);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) return encoder.encode(text);
    bytes[at] = unit;
  }
  return bytes;
}

/** The string of UTF-8 bytes. Throws a TypeError on invalid UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
