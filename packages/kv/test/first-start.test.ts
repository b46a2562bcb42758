import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv, MemoryFiles } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { type LocalStore, openLocalStore } from '../src/index.ts';
import { SMALLEST } from './crash/store-subject.ts';

const DIRECTORY = '/new/path/of/data';
const NAMES = { torn: false, garbled: false, sampleCount: 0 };

async function open(files: MemoryFiles): Promise<LocalStore> {
  const env = await createMemoryEnv({ files });
  return openLocalStore({ env, directory: DIRECTORY, settings: SMALLEST });
}

test('a store is there after a power cut, wherever the first start was killed that made its folder and those above it', async () => {
  const first = new MemoryFiles();
  const kills: { readonly label: string; readonly files: MemoryFiles }[] = [];
  first.watch(({ number, kind, path }, at) => {
    const label = `killed at ${number}: ${kind} ${path}, ${at}`;
    kills.push({ label, files: first.killed(number) });
  });
  await (await open(first)).close();
  expect(kills.length).toBeGreaterThan(20);
  for (const { label, files } of kills) {
    const store = await open(files);
    await store.transact({ operations: [{ kind: 'put', key: utf8('k'), value: utf8('v') }] });
    for (const { files: left } of files.crashStates(NAMES)) {
      const after = await open(left);
      expect((await after.get(utf8('k')))?.value, label).toEqual(utf8('v'));
      await after.close();
    }
    await store.close();
  }
});
