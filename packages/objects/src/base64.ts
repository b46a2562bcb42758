const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

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
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return undefined;
  }
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let group = 0;
  let filled = 0;
  for (let at = 0; at < text.length - padding; at++) {
    group = (group << 6) | ALPHABET.indexOf(text[at] as string);
    if (at % 4 === 0) continue;
    bytes[filled++] = (group >>> (6 - 2 * (at % 4))) & 0xff;
  }
  return bytes;
}
