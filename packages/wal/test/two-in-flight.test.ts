import { FileError, type Files } from '@holdfast/env';
import { describe, expect, it } from 'vitest';
import type { Wal } from '../src/index.ts';
import { codeOf, contents, envOn, memoryEnv, open, put } from './fixtures/logs.ts';
import { mutantFiles } from './fixtures/mutant-files.ts';

/** Every record of a thousand bytes and more is a batch of its own, issued at once. */
const PAIRS = { segmentSizeBytes: 1024 * 1024, preallocate: false, batchSizeLimitBytes: 2048 };
const BODY = new Uint8Array(1800).fill(7);

/** A log with one record, whose further synced writes are held back until they are let go. */
async function heldLog(): Promise<{
  readonly env: Awaited<ReturnType<typeof memoryEnv>>;
  readonly wal: Wal;
  readonly begun: number[];
  /** By position; with an error the write fails with it. */
  readonly letGo: Map<number, (error?: Error) => void>;
  readonly stopHolding: () => void;
}> {
  const env = await memoryEnv();
  const begun: number[] = [];
  const letGo = new Map<number, (error?: Error) => void>();
  let holds = false;
  const files: Files = mutantFiles(env.files, {
    onWriteSynced: (event, position) => {
      if (!holds || event === 'ends') return undefined;
      begun.push(position);
      return new Promise((resolve, reject) => {
        letGo.set(position, (error) => (error === undefined ? resolve() : reject(error)));
      });
    },
  });
  const wal = await open({ ...env, files }, PAIRS);
  await put(wal, 'first');
  holds = true;
  const stopHolding = (): void => {
    holds = false;
  };
  return { env, wal, begun, letGo, stopHolding };
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn++) await Promise.resolve();
  expect(condition()).toBe(true);
}

describe('two batches in flight', () => {
  it('are no more than two, and the second is not acknowledged before the first', async () => {
    const { wal, begun, letGo, stopHolding } = await heldLog();
    const done: string[] = [];
    const puts = ['a', 'b', 'c'].map((text) => put(wal, text, BODY).then(() => done.push(text)));
    await until(() => begun.length === 2);
    const [first, second] = begun as [number, number];
    letGo.get(second)?.();
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    expect({ done, durable: wal.durableIndex, begun: begun.length }).toEqual({
      done: [],
      durable: 1,
      begun: 2,
    });
    letGo.get(first)?.();
    await until(() => begun.length === 3);
    letGo.get(begun[2] as number)?.();
    await Promise.all(puts);
    expect(done).toEqual(['a', 'b', 'c']);
    stopHolding();
    await wal.close();
  });

  it('are both withdrawn where the first finds no space, though the second was written', async () => {
    const env = await memoryEnv();
    const wal = await open(env, PAIRS);
    await put(wal, 'first');
    let writes = 0;
    env.files.failWhen({
      when: ({ kind }) => kind === 'writeSynced' && ++writes === 1,
      code: 'NO_SPACE',
      applied: 'none',
    });
    const codes = await Promise.all([codeOf(put(wal, 'a', BODY)), codeOf(put(wal, 'b', BODY))]);
    expect(codes).toEqual(['WAL_NO_SPACE', 'WAL_NO_SPACE']);
    // The very same first batch again: what was behind it must not come back with it.
    expect(await put(wal, 'a', BODY)).toBe(2);
    const crashed = await open(await envOn(env.files.clone()), PAIRS);
    expect([...(await contents(crashed)).values()]).toEqual(['first', 'a']);
    await crashed.close();
    await wal.close();
  });

  it('leave the first where only the second finds no space', async () => {
    const env = await memoryEnv();
    const wal = await open(env, PAIRS);
    await put(wal, 'first');
    let writes = 0;
    env.files.failWhen({
      when: ({ kind }) => kind === 'writeSynced' && ++writes === 2,
      code: 'NO_SPACE',
      applied: 'all',
    });
    const codes = await Promise.all([codeOf(put(wal, 'a', BODY)), codeOf(put(wal, 'b', BODY))]);
    expect(codes).toEqual(['no error', 'WAL_NO_SPACE']);
    const crashed = await open(await envOn(env.files.clone()), PAIRS);
    expect([...(await contents(crashed)).values()]).toEqual(['first', 'a']);
    await crashed.close();
    expect(await put(wal, 'b', BODY)).toBe(3);
    await wal.close();
  });

  it('are both refused where one fails, and the file is closed only after the other returned', async () => {
    const { env, wal, begun, letGo } = await heldLog();
    env.files.failWhen({ when: ({ kind }) => kind === 'writeSynced', code: 'FILE_IO' });
    const codes = Promise.all([codeOf(put(wal, 'a', BODY)), codeOf(put(wal, 'b', BODY))]);
    await until(() => begun.length === 2);
    let closed = false;
    const closing = wal.close().then(() => {
      closed = true;
    });
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    expect(closed).toBe(false);
    for (const resolve of letGo.values()) resolve();
    expect(await codes).toEqual(['WAL_POISONED', 'WAL_POISONED']);
    await closing;
  });

  it.each([
    ['are written then', undefined],
    ['find no space then', new FileError('NO_SPACE', '/wal', 'no room')],
  ])(
    'are both refused where the hard state cannot be saved meanwhile, though %s',
    async (_, end) => {
      const { env, wal, begun, letGo } = await heldLog();
      const codes = Promise.all([codeOf(put(wal, 'a', BODY)), codeOf(put(wal, 'b', BODY))]);
      await until(() => begun.length === 2);
      env.files.failWhen({ when: ({ path }) => path.includes('state-'), code: 'FILE_IO' });
      expect(await codeOf(wal.saveHardState(wal.hardState))).toBe('WAL_POISONED');
      const { operationCount } = env.files;
      for (const position of begun.slice(0, 2)) letGo.get(position)?.(end);
      expect(await codes).toEqual(['WAL_POISONED', 'WAL_POISONED']);
      // Nothing of them counts as acknowledged, what was on its way is waited for, and nothing is written any more.
      await wal.close();
      expect(wal.durableIndex).toBe(1);
      expect(env.files.operationCount).toBe(operationCount);
    },
  );
});
