import type { Files } from '@holdfast/env';
import type { Fault } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { Wal } from '../src/index.ts';
import { codeOf, contents, DIRECTORY, envOn, memoryEnv, open, put } from './fixtures/logs.ts';
import { mutantFiles, watchedFiles } from './fixtures/mutant-files.ts';

type MemoryEnv = Awaited<ReturnType<typeof memoryEnv>>;

/** Three records of this, and what their segment ends with, fill it. */
const BODY = new Uint8Array(3900).fill(7);

async function fill(wal: Wal): Promise<string[]> {
  const texts = ['a', 'b', 'c'];
  for (const text of texts) await put(wal, text, BODY);
  expect(wal.segments()).toHaveLength(1);
  return texts;
}

const namesIn = async (env: MemoryEnv, ending: string): Promise<string[]> =>
  (await env.files.list(DIRECTORY)).filter((name) => name.endsWith(ending));

test('the next segment is made while the one before is sealed, and has its name when that is whole', async () => {
  const env = await memoryEnv();
  const held: (() => void)[] = [];
  let holds = false;
  const files: Files = mutantFiles(env.files, {
    // The header of the next one is at the beginning of its file, footer and trailer of the other at its end.
    onWriteSynced: (event, position) =>
      holds && event === 'begins' && position > 0
        ? new Promise((resolve) => held.push(resolve))
        : undefined,
  });
  const wal = await open({ ...env, files });
  const texts = await fill(wal);
  holds = true;
  const next = put(wal, 'next', BODY);
  // Footer, trailer, and the batch itself.
  for (let write = 1; write <= 3; write++) {
    for (let turn = 0; turn < 1000 && held.length < write; turn++) await Promise.resolve();
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    expect(held).toHaveLength(write);
    const isSealed = write === 3;
    expect(await namesIn(env, '.wal')).toHaveLength(isSealed ? 2 : 1);
    expect(await namesIn(env, '.tmp')).toHaveLength(isSealed ? 0 : 1);
    held[write - 1]?.();
  }
  await next;
  holds = false;
  const crashed = await open(await envOn(env.files.crash().files));
  expect([...(await contents(crashed)).values()]).toEqual([...texts, 'next']);
  await crashed.close();
  await wal.close();
});

test.each([
  ['sealing the one before', true],
  ['making it', false],
])(
  'a volume that is full while %s leaves nothing of the next segment, and later it is made',
  async (_, isSeal) => {
    const env = await memoryEnv();
    const wal = await open(env);
    const texts = await fill(wal);
    const fault = env.files.failWhen({
      when: ({ kind, position }) => kind === 'writeSynced' && (position !== 0) === isSeal,
      code: 'NO_SPACE',
      applied: 'none',
    });
    expect(await codeOf(put(wal, 'next', BODY))).toBe('WAL_NO_SPACE');
    expect(await namesIn(env, '.wal')).toHaveLength(1);
    expect(await namesIn(env, '.tmp')).toEqual([]);
    fault.cancel();
    await put(wal, 'later', BODY);
    const crashed = await open(await envOn(env.files.crash().files));
    expect([...(await contents(crashed)).values()]).toEqual([...texts, 'later']);
    await crashed.close();
    await wal.close();
  },
);

test.each([
  ['the seal of the one before', ({ kind, position }) => kind === 'writeSynced' && position !== 0],
  ['the file of the next one', ({ kind }) => kind === 'create'],
  ['its header', ({ kind, position }) => kind === 'writeSynced' && position === 0],
  ['its name', ({ kind }) => kind === 'rename'],
  ['the sync of its name', ({ kind }) => kind === 'syncDirectory'],
] satisfies [string, Fault['when']][])(
  'what fails between two segments poisons the log, and no file stays open: %s',
  async (_, when) => {
    const env = await memoryEnv();
    const { files, opened, closed } = watchedFiles(env.files);
    const wal = await open({ ...env, files });
    const texts = await fill(wal);
    env.files.failWhen({ when, code: 'FILE_IO' });
    expect(await codeOf(put(wal, 'next', BODY))).toBe('WAL_POISONED');
    await wal.close();
    expect(closed.toSorted()).toEqual(opened.toSorted());
    const again = await open(await envOn(env.files.killed(1)));
    expect([...(await contents(again)).values()]).toEqual(texts);
    await again.close();
  },
);

test('a sealed segment is cut behind its end, and stays so after every crash: what a backup links does not change', async () => {
  const log = { segmentSizeBytes: 65536, preallocate: true };
  const env = await memoryEnv();
  const wal = await open(env, log);
  const texts: string[] = [];
  while (wal.segments().length < 3) {
    texts.push(`record ${texts.length}`);
    await put(wal, texts.at(-1) as string, new Uint8Array(9000));
  }
  const sealed = wal.segments().filter((segment) => segment.sealed);
  expect(sealed.every(({ sizeBytes }) => sizeBytes < log.segmentSizeBytes)).toBe(true);
  const sizes = sealed.map(({ path, sizeBytes }) => ({ path, sizeBytes }));
  for (const { files, label } of env.files.crashStates()) {
    const found = files.listAll(DIRECTORY).filter(({ path }) => path.endsWith('.wal'));
    expect(found.slice(0, 2), label).toEqual(sizes);
    const crashed = await open(await envOn(files), log);
    expect([...(await contents(crashed)).values()], label).toEqual(texts);
    await crashed.close();
  }
  await wal.close();
});
