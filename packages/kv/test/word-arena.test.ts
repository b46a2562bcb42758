import { describe, expect, test } from 'vitest';
import { WordArena } from '../src/word-arena.ts';

describe('words that are let go of together', () => {
  test('keep what they are when the arena grows', () => {
    const arena = new WordArena();
    const at = arena.reserve(2);
    arena.words[at] = 7;
    arena.reserve(100_000);
    expect([...arena.words.subarray(at, at + 2)]).toEqual([7, 0]);
  });

  test('are not copied for somewhat more than the arena before held', () => {
    const before = new WordArena();
    before.reserve(100_000);
    const arena = new WordArena(before);
    const { words } = arena;
    arena.reserve(110_000);
    expect(arena.words).toBe(words);
    arena.reserve(10_000);
    expect(arena.words).not.toBe(words);
  });
});
