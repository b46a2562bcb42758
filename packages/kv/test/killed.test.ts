import type { MemoryFiles } from '@holdfast/env/memory';
import { MemoryFiles as Disk } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { Script } from './crash/script.ts';
import { envOf, SMALLEST } from './crash/store-subject.ts';
import type { Run } from './fixtures/crash-enumeration.ts';
import { COMPACTED, contentsOf, MIXED, open, put } from './fixtures/crash-enumeration.ts';

/** The disk when each operation has begun: readers see it, and a power cut may lose it. */
async function killsOf(run: Run): Promise<{ label: string; files: MemoryFiles }[]> {
  const files = new Disk();
  const kills: { label: string; files: MemoryFiles }[] = [];
  files.watch(({ number, kind, path }, moment) => {
    const label = `killed at ${number}: ${kind} ${path}`;
    if (moment === 'begun') kills.push({ label, files: files.killed(number) });
  });
  const store = await open(await envOf(files), SMALLEST);
  await run(store, new Script(store));
  await store.close();
  return kills;
}

// A cache holds what a killed process had written. The next one reads it, removes what it makes needless, and acknowledges more.
describe('what a killed process had left in a cache is not lost with the power later', () => {
  test.each([
    ['everything', MIXED],
    ['compaction', COMPACTED],
  ])('%s', async (_, run) => {
    const kills = await killsOf(run);
    expect(kills.length).toBeGreaterThan(100);
    for (const { label, files } of kills) {
      const store = await open(await envOf(files), SMALLEST);
      await store.transact({ operations: [put('after', 10)] });
      const contents = await contentsOf(store);
      files.stop();
      for (let cut = 0; cut < 6; cut++) {
        const after = await open(await envOf(files.crash().files), SMALLEST).catch(
          (error: unknown) => Promise.reject(new Error(`${label}: ${String(error)}`)),
        );
        expect(await contentsOf(after), label).toEqual(contents);
        await after.close();
      }
    }
  });
});
