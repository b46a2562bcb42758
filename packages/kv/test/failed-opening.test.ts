import { logIndex } from '@holdfast/bytes';
import { createMemoryEnv, MemoryFiles } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { CommitPipeline } from '../src/commit-pipeline.ts';
import type { StoreSeam } from '../src/committer.ts';
import { openStore } from '../src/local-store.ts';
import { openFolder } from '../src/open-folder.ts';
import { Script } from './crash/script.ts';
import { SMALLEST } from './crash/store-subject.ts';
import { COMPACTED, DIRECTORY, MIXED, put } from './fixtures/crash-enumeration.ts';
import { watched } from './fixtures/open-files.ts';

/** As of a node of a cluster, so that all that a start can do is done. */
const SEAM: StoreSeam = {
  hashesState: true,
  committedIndex: (wal) => logIndex(wal.lastIndex),
  applyForeign: () => undefined,
  prepare: async () => (context) => new CommitPipeline(context),
};
/** Without a cache, so that each step reads what it needs. */
const SETTINGS = { ...SMALLEST, blockCacheSizeBytes: 1 };

/** A store with tables, a hash, extent files, several segments, and records that are in no table. */
async function storeFiles(): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  const env = await createMemoryEnv({ files });
  const store = await openStore({ env, directory: DIRECTORY, settings: SETTINGS }, SEAM);
  const script = new Script(store);
  await MIXED(store, script);
  await COMPACTED(store, script);
  await store.transact({ operations: [put('later', 2000)] });
  await store.close();
  return files;
}

test('an opening that fails, with whichever operation, leaves no file open and no lock', async () => {
  const made = await storeFiles();
  let failures = 0;
  for (let number = 1; ; number++) {
    const files = made.clone(number);
    let seen = 0;
    let failed = '';
    const fault = files.failWhen({
      when: ({ kind, path }) => {
        if (kind === 'lock' || ++seen !== number) return false;
        failed = `${kind} of ${path}`;
        return true;
      },
      code: 'FILE_IO',
    });
    const { env, openFiles } = watched(await createMemoryEnv({ files }));
    const opening = openFolder({ env, directory: DIRECTORY, settings: SETTINGS }, SEAM);
    const opened = await opening.catch(() => undefined);
    if (opened === undefined) failures++;
    await opened?.close();
    expect(openFiles(), `${failed} failed`).toEqual([]);
    fault.cancel();
    await (await openFolder({ env, directory: DIRECTORY, settings: SETTINGS }, SEAM)).close();
    if (failed === '') break;
  }
  expect(failures).toBeGreaterThan(30);
});
