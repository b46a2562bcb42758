import { describe, expect, it } from 'vitest';
import {
  becomeProbe,
  becomeReplicate,
  becomeSnapshot,
  isPaused,
  newProgress,
  noteMatch,
  noteRejected,
  noteSent,
} from '../src/progress.ts';

const WINDOW = { sizeBytes: 100, messages: 3 };
const replicating = () => {
  const progress = newProgress(5);
  noteMatch(progress, 4);
  becomeReplicate(progress);
  return progress;
};

describe('probing', () => {
  it('sends one message and waits', () => {
    const progress = newProgress(5);
    expect(isPaused(progress, WINDOW)).toBe(false);
    noteSent(progress, 5, 10);
    expect(isPaused(progress, WINDOW)).toBe(true);
    expect(progress.nextIndex).toBe(5);
  });
  it.each([
    [4, 2, true, 3],
    [4, 9, true, 4],
    [4, 0, true, 1],
    [3, 1, false, 5],
    [5, 1, false, 5],
  ])('a rejection of %i with hint %i: news %s, next %i', (rejected, hint, isNews, next) => {
    const progress = newProgress(5);
    expect(noteRejected(progress, rejected, hint)).toBe(isNews);
    expect(progress.nextIndex).toBe(next);
  });
  it('never goes below what matches', () => {
    const progress = newProgress(9);
    progress.matchIndex = 6;
    noteRejected(progress, 8, 2);
    expect(progress.nextIndex).toBe(7);
  });
});

describe('replicating', () => {
  it('goes on without waiting for answers', () => {
    const progress = replicating();
    noteSent(progress, 6, 10);
    noteSent(progress, 7, 10);
    expect([progress.nextIndex, progress.inFlightBytes]).toEqual([8, 20]);
    expect(isPaused(progress, WINDOW)).toBe(false);
  });
  it('stops at the window in bytes', () => {
    const progress = replicating();
    noteSent(progress, 5, 100);
    expect(isPaused(progress, WINDOW)).toBe(true);
  });
  it('stops at the window in messages', () => {
    const progress = replicating();
    for (const index of [5, 6, 7]) noteSent(progress, index, 1);
    expect(isPaused(progress, WINDOW)).toBe(true);
  });
  it.each([
    [4, 60],
    [5, 50],
    [6, 30],
    [7, 0],
  ])('an answer for %i leaves %i bytes in flight', (index, bytes) => {
    const progress = replicating();
    noteSent(progress, 5, 10);
    noteSent(progress, 6, 20);
    noteSent(progress, 7, 30);
    noteMatch(progress, index);
    expect(progress.inFlightBytes).toBe(bytes);
  });
  it('an old answer changes nothing', () => {
    const progress = replicating();
    expect(noteMatch(progress, 3)).toBe(false);
    expect(progress.matchIndex).toBe(4);
  });
  it('a rejection of what is known to match is out of date', () => {
    expect(noteRejected(replicating(), 4, 0)).toBe(false);
  });
  it('a rejection makes it probe from what matches', () => {
    const progress = replicating();
    noteSent(progress, 8, 10);
    expect(noteRejected(progress, 8, 4)).toBe(true);
    expect([progress.state, progress.nextIndex, progress.inFlightBytes]).toEqual(['probe', 5, 0]);
  });
});

describe('waiting for a snapshot', () => {
  it('sends nothing', () => {
    const progress = newProgress(5);
    becomeSnapshot(progress, 20);
    expect(isPaused(progress, WINDOW)).toBe(true);
  });
  it('does not step back', () => {
    const progress = newProgress(5);
    becomeSnapshot(progress, 20);
    expect(noteRejected(progress, 4, 1)).toBe(false);
  });
  it('goes on after it', () => {
    const progress = newProgress(5);
    becomeSnapshot(progress, 20);
    becomeProbe(progress);
    expect([progress.state, progress.nextIndex]).toEqual(['probe', 21]);
  });
});
