import type { Random } from '@holdfast/env';

/** `length` characters, each drawn evenly from `alphabet`. As strong as `random`. */
export function randomText(random: Random, length: number, alphabet: string): string {
  let text = '';
  for (let i = 0; i < length; i++) text += alphabet.charAt(random.below(alphabet.length));
  return text;
}
