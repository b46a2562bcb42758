import { MemoryFiles } from '@holdfast/env/memory';
import { expect, it } from 'vitest';
import { openWal, type Wal } from '../src/index.ts';
import { contents, envOn, IDENTITY, put, SMALL } from './fixtures/logs.ts';

const DIRECTORY = '/new/path/of/log';
const NAMES = { torn: false, garbled: false, sampleCount: 0 };

async function open(files: MemoryFiles): Promise<Wal> {
  const env = await envOn(files);
  return openWal({ env, directory: DIRECTORY, identity: IDENTITY, ...SMALL });
}

it('is there after a power cut, wherever the first opening was killed that made its folder and those above it', async () => {
  const first = new MemoryFiles();
  const kills: { readonly label: string; readonly files: MemoryFiles }[] = [];
  first.watch(({ number, kind, path }, moment) => {
    const label = `killed at ${number}: ${kind} ${path}, ${moment}`;
    kills.push({ label, files: first.killed(number) });
  });
  await (await open(first)).close();
  expect(kills.length).toBeGreaterThan(20);
  for (const { label, files } of kills) {
    const wal = await open(files);
    await put(wal, 'one');
    for (const { files: left } of files.crashStates(NAMES)) {
      const after = await open(left);
      expect([...(await contents(after)).values()], label).toEqual(['one']);
      await after.close();
    }
    await wal.close();
  }
});
