import { logIndex } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { codeOf, contents, envOn, memoryEnv, open, put, T1 } from './fixtures/logs.ts';

const BIG = { segmentSizeBytes: 1024 * 1024, preallocate: false };

/** Lets what was started go on. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

describe('group commit', () => {
  it('writes what many writers append in one turn with one synced write', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    await put(wal, 'first');
    const before = env.files.operationCount;
    await Promise.all(Array.from({ length: 200 }, (_, at) => put(wal, `record ${at}`)));
    const kinds = env.files
      .operations()
      .slice(before)
      .map(({ kind }) => kind);
    expect(kinds).toEqual(['writeSynced']);
    await wal.close();
  });

  it('gathers into the next batch what comes while a write is in flight', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    await put(wal, 'first');
    const before = env.files.operationCount;
    const one = put(wal, 'one');
    while (env.files.operationCount === before) await Promise.resolve();
    const rest = [put(wal, 'two'), put(wal, 'three')];
    await Promise.all([one, ...rest]);
    expect(env.files.operationCount - before).toBe(2);
    await wal.close();
  });

  it('acknowledges a record only after the synced write of its batch returned', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    await put(wal, 'first');
    env.files.stopAt(env.files.operationCount + 1);
    expect(await codeOf(put(wal, 'never synced'))).toBe('WAL_POISONED');
    expect(wal.durableIndex).toBe(1);
  });

  it('refuses with WAL_BUSY what passes the limit of pending bytes, and says when it goes on', async () => {
    const env = await memoryEnv();
    const wal = await open(env, {
      ...BIG,
      pendingSizeLimitBytes: 10_000,
      batchSizeLimitBytes: 4096,
    });
    const append = (): void => {
      wal.append({ term: T1, kind: 1, head: new Uint8Array(1000) });
    };
    expect(() => {
      for (let count = 0; count < 20; count++) append();
    }).toThrow(expect.objectContaining({ code: 'WAL_BUSY', retryable: true }));
    expect(wal.stats().pendingBytes).toBeGreaterThan(8000);
    await wal.whenWritable();
    expect(wal.stats().pendingBytes).toBeLessThan(5000);
    append();
    await wal.sync();
    await wal.close();
  });

  it('writes a mark after a second of idleness, and none after a mark', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    await put(wal, 'first');
    const before = env.files.operationCount;
    await turns(20);
    env.manualClock.advance(1000);
    await turns(20);
    expect(env.files.operationCount - before).toBe(1);
    env.manualClock.advance(5000);
    await wal.close();
    // The mark, and the state that says up to where the log was durable.
    expect(env.files.operationCount - before).toBe(2);
  });
});

describe('a failed write', () => {
  it('poisons the log: every waiter and every later call, and the write is not repeated', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    await put(wal, 'first');
    env.files.failWhen({
      when: ({ kind }) => kind === 'writeSynced',
      code: 'FILE_IO',
      applied: 'part',
    });
    const before = env.files.operationCount;
    expect(await codeOf(put(wal, 'lost'))).toBe('WAL_POISONED');
    expect(await codeOf(put(wal, 'later'))).toBe('WAL_POISONED');
    expect(await codeOf(wal.sync())).toBe('WAL_POISONED');
    expect(await codeOf(wal.whenDurable(logIndex(1)))).toBe('WAL_POISONED');
    expect(await codeOf(wal.truncateSuffix(logIndex(1)))).toBe('WAL_POISONED');
    expect(await codeOf(wal.saveHardState(wal.hardState))).toBe('WAL_POISONED');
    expect(env.files.operationCount - before).toBe(1);
    await wal.close();
    const again = await open(await envOn(env.files.clone()), BIG);
    expect((await contents(again)).get(1)).toBe('first');
    await again.close();
  });

  it.each([
    ['beyond the end of its file', false],
    ['in a file that was filled before', true],
  ])('leaves records that nobody finds, and that are no damage: %s', async (_, preallocate) => {
    const env = await memoryEnv();
    const wal = await open(env, { ...BIG, preallocate });
    await put(wal, 'first');
    env.files.failWhen({
      when: ({ kind }) => kind === 'writeSynced',
      code: 'FILE_IO',
      applied: 'none',
    });
    const lost = ['one', 'two'].map((text) => codeOf(put(wal, text, new Uint8Array(5000))));
    expect(await Promise.all(lost)).toEqual(['WAL_POISONED', 'WAL_POISONED']);
    for (const index of [2, 3]) {
      expect(await codeOf(wal.read(logIndex(index)))).toBe('WAL_INDEX_NOT_FOUND');
    }
    expect([...(await contents(wal)).values()]).toEqual(['first']);
    const replayed: number[] = [];
    for await (const { index } of wal.replay(logIndex(1))) replayed.push(index);
    expect(replayed).toEqual([1]);
    await wal.close();
  });

  it('of the hard state poisons the log too', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    env.files.failWhen({ when: ({ path }) => path.includes('state-b'), code: 'FILE_IO' });
    expect(await codeOf(wal.saveHardState(wal.hardState))).toBe('WAL_POISONED');
    expect(await codeOf(put(wal, 'later'))).toBe('WAL_POISONED');
    await wal.close();
  });
});

describe('a full disk', () => {
  for (const applied of ['none', 'part', 'all'] as const) {
    it(`withdraws the batch and all behind it, and goes on later (${applied} of it written)`, async () => {
      const env = await memoryEnv();
      const wal = await open(env, BIG);
      await put(wal, 'first');
      env.files.failWhen({ when: ({ kind }) => kind === 'writeSynced', code: 'NO_SPACE', applied });
      const failing = put(wal, 'no room', new Uint8Array(20_000));
      await turns(2);
      const behind = put(wal, 'behind it');
      expect(await Promise.all([codeOf(failing), codeOf(behind)])).toEqual([
        'WAL_NO_SPACE',
        'WAL_NO_SPACE',
      ]);
      expect([wal.lastIndex, wal.durableIndex, wal.stats().pendingBytes]).toEqual([1, 1, 0]);
      // Whatever the disk looks like now, the withdrawn records are not in it.
      const crashed = await open(await envOn(env.files.clone()), BIG);
      expect(crashed.lastIndex).toBe(1);
      await crashed.close();
      expect(await put(wal, 'second')).toBe(2);
      await wal.close();
      const again = await open(await envOn(env.files.clone()), BIG);
      expect([...(await contents(again)).values()]).toEqual(['first', 'second']);
      await again.close();
    });
  }

  it('withdraws records while they are read: whoever reads them is told that they are not there', async () => {
    const env = await memoryEnv();
    const wal = await open(env, BIG);
    await put(wal, 'first');
    env.files.failWhen({ when: ({ kind }) => kind === 'writeSynced', code: 'NO_SPACE' });
    let isOver = false;
    const failing = codeOf(put(wal, 'no room')).finally(() => {
      isOver = true;
    });
    const reads: Promise<string>[] = [];
    while (!isOver) {
      reads.push(codeOf(wal.read(logIndex(2))));
      reads.push(codeOf(wal.readRange(logIndex(1), logIndex(3), 2 ** 20)));
      await turns(1);
    }
    expect(await failing).toBe('WAL_NO_SPACE');
    expect([...new Set(await Promise.all(reads))].toSorted()).toEqual([
      'WAL_INDEX_NOT_FOUND',
      'no error',
    ]);
    await wal.close();
  });

  it('at any single operation of rotation and truncation loses nothing, and the log goes on', async () => {
    for (let at = 1; ; at++) {
      const env = await memoryEnv();
      const wal = await open(env, { segmentSizeBytes: 28672, preallocate: false });
      await put(wal, 'a');
      await put(wal, 'b');
      const target = env.files.operationCount + at;
      const fault = env.files.failWhen({
        when: ({ number, kind }) =>
          number >= target && kind !== 'unlink' && kind !== 'syncDirectory',
        code: 'NO_SPACE',
      });
      const codes: string[] = [];
      const expected = ['a', 'b'];
      const append = async (text: string): Promise<void> => {
        const code = await codeOf(put(wal, text));
        codes.push(code);
        if (code === 'no error') expected.push(text);
      };
      await append('c');
      await append('d');
      const from = wal.lastIndex;
      const cut = await codeOf(wal.truncateSuffix(from));
      codes.push(cut);
      if (cut === 'no error') expected.pop();
      await append('e');
      await append('f');
      fault.cancel();
      const poisoned = codes.includes('WAL_POISONED');
      if (!poisoned) await append('g');
      if (!poisoned) expect((await contents(wal)).size).toBe(expected.length);
      await wal.close();
      const again = await open(await envOn(env.files.clone()), { segmentSizeBytes: 28672 });
      expect([...(await contents(again)).values()].slice(0, expected.length), `at ${at}`).toEqual(
        expected,
      );
      await again.close();
      if (!codes.some((code) => code !== 'no error')) break;
      expect(at).toBeLessThan(100);
    }
  });

  it('uses the spare segment when there is no room for another file', async () => {
    const env = await memoryEnv();
    const log = { segmentSizeBytes: 65536, preallocate: true };
    const wal = await open(env, log);
    for (let count = 0; count < 4; count++) await put(wal, `early ${count}`, new Uint8Array(3000));
    await turns(200);
    env.files.setCapacity(env.files.usedBytes());
    await put(wal, 'on a full disk');
    await put(wal, 'and another');
    await wal.close();
  });
});
