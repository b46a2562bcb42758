const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** By code unit: what the character stands for, or undefined. */
const VALUES: readonly (number | undefined)[] = Array.from({ length: 128 }, (_, code) => {
  const value = ALPHABET.indexOf(String.fromCharCode(code));
  return value === -1 ? undefined : value;
});

/** Standard base64 with padding. Source: RFC 4648 section 4. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const rest = bytes.length - at;
    const group =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += ALPHABET[group >>> 18];
    text += ALPHABET[(group >>> 12) & 63];
    text += rest > 1 ? ALPHABET[(group >>> 6) & 63] : '=';
    text += rest > 2 ? ALPHABET[group & 63] : '=';
  }
  return text;
}

/** The bytes, or undefined where the text is not standard base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let group = 0;
  let filled = 0;
  for (let at = 0; at < text.length - padding; at++) {
    const value = VALUES[text.charCodeAt(at)];
    if (value === undefined) return undefined;
    group = (group << 6) | value;
    if (at % 4 === 0) continue;
    bytes[filled++] = (group >>> (6 - 2 * (at % 4))) & 0xff;
  }
  return bytes;
}
