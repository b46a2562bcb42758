import { createHash } from 'node:crypto';
import { SeededDice } from './seeded-dice.ts';

/** Bytes that depend on the seed everywhere, so that no two bodies share a piece. */
export function patternBytes(seed: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  const dice = new SeededDice(seed);
  const block = Buffer.allocUnsafe(Math.min(sizeBytes, 4096));
  for (let at = 0; at < block.length; at++) block[at] = dice.below(256);
  for (let at = 0; at < sizeBytes; at += 4096) {
    // Each block carries its place: a block that is missing, doubled or elsewhere changes the digest.
    if (block.length >= 8) block.writeDoubleLE(at + seed, 0);
    block.copy(bytes, at, 0, Math.min(4096, sizeBytes - at));
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
