import type { Files } from '@holdfast/env';
import { describe, expect, it } from 'vitest';
import { enumerate, TINY } from './fixtures/crash-enumeration.ts';
import { type Mutation, mutantFiles } from './fixtures/mutant-files.ts';

describe('a crash at every operation, with every legal state of the disk after it', () => {
  it('loses nothing acknowledged, and recovery is idempotent', async () => {
    const counts = await enumerate({ log: TINY });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.states).toBeGreaterThan(500);
    expect(counts.tornTails).toBeGreaterThan(50);
  });

  it('loses nothing acknowledged with spare files filled in the background', async () => {
    const counts = await enumerate({ log: { ...TINY, preallocate: true } });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.states).toBeGreaterThan(500);
  });

  it('loses nothing acknowledged with two batches in flight at once', async () => {
    let inFlight = 0;
    let most = 0;
    const wrap = (files: Files): Files =>
      mutantFiles(files, {
        onWriteSynced: (event) => {
          inFlight += event === 'begins' ? 1 : -1;
          most = Math.max(most, inFlight);
          return undefined;
        },
      });
    const log = { segmentSizeBytes: 65536, preallocate: false, batchSizeLimitBytes: 4096 };
    const counts = await enumerate({
      log,
      wrap,
      secondCrash: { exhaustiveLimit: 2, torn: false, sampleCount: 1 },
    });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(most).toBe(2);
    expect(counts.tornTails).toBeGreaterThan(50);
  });

  it('loses nothing acknowledged when recovery itself is cut off', async () => {
    const few = { exhaustiveLimit: 2, torn: false, sampleCount: 1 };
    const counts = await enumerate({ log: TINY, crash: few, secondCrash: few });
    console.info(`checked ${JSON.stringify(counts)}`);
    expect(counts.secondStates).toBeGreaterThan(500);
  });
});

describe('the enumeration finds out', () => {
  const mutants: readonly (readonly [string, Mutation])[] = [
    ['batches that are not synced', { skipWriteSync: (_, position) => position > 0 }],
    [
      'segment headers that are not synced',
      { skipWriteSync: (path, position) => path.endsWith('.tmp') && position === 0 },
    ],
    ['a hard state that is not synced', { skipWriteSync: (path) => path.includes('state-') }],
    ['directory entries that are not synced', { skipDirectorySync: true }],
  ];
  it.each(mutants)('%s', async (_, mutation) => {
    const wrap = (files: Files): Files => mutantFiles(files, mutation);
    await expect(enumerate({ log: TINY, wrap })).rejects.toThrow(/stopped at operation/);
  });

  it('nothing where names survive in any order, as POSIX allows', async () => {
    const counts = await enumerate({ log: TINY, crash: { entries: 'unordered' } });
    expect(counts.states).toBeGreaterThan(500);
  });
});
