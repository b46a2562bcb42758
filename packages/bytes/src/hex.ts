import { invariant } from './invariant.ts';

const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

const DIGIT_NINE = 0x39;

/** Lower-case hexadecimal, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_OF_BYTE[byte];
  return text;
}

/** The bytes of an even number of hexadecimal digits, either case. */
export function fromHex(text: string): Uint8Array {
  invariant(/^(?:[0-9a-fA-F]{2})*$/.test(text), 'not hexadecimal');
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = (digitAt(text, index * 2) << 4) | digitAt(text, index * 2 + 1);
  }
  return bytes;
}

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  // Letters of both cases have their number in the low four bits, from 1.
  return code > DIGIT_NINE ? (code & 15) + 9 : code & 15;
}
