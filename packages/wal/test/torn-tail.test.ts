import type { MemoryFiles } from '@holdfast/env/memory';
import { expect, it } from 'vitest';
import { segmentName } from '../src/file-names.ts';
import { DIRECTORY, envOn, memoryEnv, open, put } from './fixtures/logs.ts';

const ONE = { segmentSizeBytes: 65536, preallocate: false };
const FIRST = `${DIRECTORY}/${segmentName(1, 1)}`;
const TORN_AT = 12_288;
/** Of the power, at each moment: which of the changes that are not durable are lost is chance. */
const CUTS = 8;

/** The bytes of a file from `from` on, without zeros at their end. */
async function bytesOf(files: MemoryFiles, path: string, from = 0): Promise<string> {
  const file = await files.open(path, 'read');
  const bytes = new Uint8Array(Math.max(0, (await file.sizeBytes()) - from));
  await file.read(bytes, from);
  await file.close();
  return Buffer.from(bytes).toString('latin1').replace(/\0+$/, '');
}

it('the bytes of a torn batch are in the log or beside it, wherever the start that cuts it is cut off', async () => {
  const env = await memoryEnv();
  const wal = await open(env, ONE);
  for (const text of ['one', 'two', 'three']) await put(wal, text);
  const { files: torn } = await envOn(env.files.clone());
  torn.corrupt(FIRST, { offset: TORN_AT + 70, length: 8, how: 'garble' });
  const bytes = await bytesOf(torn, FIRST, TORN_AT);
  let stops = 0;
  for (let isStopped = true; isStopped; stops++) {
    const files = torn.clone(stops + 1);
    files.stopAt(stops + 1);
    const start = open(await envOn(files), ONE);
    await start.catch(() => undefined);
    isStopped = files.stopped;
    for (let cut = 0; cut < CUTS; cut++) {
      const { files: after } = files.crash();
      if ((await bytesOf(after, FIRST, TORN_AT)) === bytes) continue;
      const aside = after.listAll(DIRECTORY).filter(({ path }) => path.endsWith('.torn'));
      const found = await Promise.all(aside.map(({ path }) => bytesOf(after, path)));
      expect(found, `stopped at ${stops + 1}`).toContain(bytes);
    }
  }
  expect(stops).toBeGreaterThan(3);
  await wal.close();
});
