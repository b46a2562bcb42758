import { expect, test } from 'vitest';
import { filesToCombine, segmentsToRewrite } from '../src/segment-choice.ts';

test('the emptiest segments are rewritten first, and full ones only while all are too large', () => {
  const segment = (segmentId: number, liveBytes: number) => ({
    segmentId,
    liveBytes,
    sizeBytes: 100,
  });
  const choose = (liveBytes: readonly number[], limitBytes = 1000) =>
    segmentsToRewrite(
      liveBytes.map((bytes, at) => segment(at, bytes)),
      { liveShare: 0.5, limitBytes },
    ).map(({ segmentId }) => segmentId);
  expect(choose([90, 49, 10, 0, 90, 90, 90])).toEqual([2, 1]);
  expect(choose([90, 90, 90, 50])).toEqual([]);
  expect(choose([60, 70, 70, 60, 60])).toEqual([0, 3]);
  expect(choose([49, 10, 20], 30)).toEqual([1, 2]);
  expect(choose([49], 30)).toEqual([0]);
});

test('small files are put together when there are sixteen, up to what one file may have', () => {
  const combine = (sizes: readonly number[], live = (bytes: number) => bytes) =>
    filesToCombine(
      sizes.map((sizeBytes, segmentId) => ({ segmentId, sizeBytes, liveBytes: live(sizeBytes) })),
      800,
    ).map(({ segmentId }) => segmentId);
  const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);
  expect(combine(new Array<number>(15).fill(10))).toEqual([]);
  expect(combine(new Array<number>(16).fill(10))).toEqual(numbers(16));
  // A large one does not count, an empty one neither.
  expect(combine([...new Array<number>(15).fill(10), 101])).toEqual([]);
  expect(combine(new Array<number>(16).fill(10), () => 0)).toEqual([]);
  expect(combine([101, ...new Array<number>(16).fill(10)])).toEqual(numbers(17).slice(1));
  expect(combine(new Array<number>(20).fill(100))).toEqual(numbers(8));
});
