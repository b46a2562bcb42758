import { logIndex, term } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { codeOf, contents, envOn, memoryEnv, open, put, T1 } from './fixtures/logs.ts';

const LOG = { segmentSizeBytes: 1024 * 1024, preallocate: false };

describe('a log that begins anew', () => {
  it('goes on behind the given record, and knows its term', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    await put(wal, 'one');
    await wal.restartAfter(logIndex(40), term(7));
    expect([wal.firstIndex, wal.lastIndex, wal.durableIndex]).toEqual([41, 40, 40]);
    expect(wal.termAt(logIndex(40))).toBe(7);
    expect(wal.retainedIndex).toBe(41);
    const appended = wal.append({ term: term(7), kind: 1, head: new Uint8Array(1) });
    expect(appended.index).toBe(41);
    await wal.whenDurable(appended.index);
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect([again.firstIndex, again.lastIndex]).toEqual([41, 41]);
    expect(again.termAt(logIndex(40))).toBe(7);
    await again.close();
  });

  it('keeps older records as extents until their segments are removed', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    const { index, body } = wal.append({
      term: T1,
      kind: 1,
      head: new Uint8Array(1),
      body: [new Uint8Array(2000).fill(3)],
    });
    await wal.whenDurable(index);
    await wal.restartAfter(logIndex(9), T1);
    if (body === undefined) throw new Error('no body');
    expect(await wal.readExtent(body)).toEqual(new Uint8Array(2000).fill(3));
    expect(wal.segments().map(({ released }) => released)).toEqual([true, false]);
    await expect(codeOf(wal.read(index))).resolves.toBe('WAL_INDEX_NOT_FOUND');
    await wal.removeSegments([1]);
    await put(wal, 'ten');
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect([...(await contents(again)).values()]).toEqual(['ten']);
    await again.close();
  });

  it('counts nothing of the old log as retained, though the indexes join', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    for (const text of ['one', 'two', 'three']) await put(wal, text);
    await wal.restartAfter(logIndex(3), term(5));
    expect(wal.retainedIndex).toBe(4);
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect(again.retainedIndex).toBe(4);
    await again.close();
  });

  it('is refused where it would forget what is committed', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    for (const text of ['one', 'two', 'three']) await put(wal, text);
    await wal.saveHardState({ term: T1, votedFor: undefined, commitIndex: logIndex(2) });
    await expect(codeOf(wal.restartAfter(logIndex(1), T1))).resolves.toBe(
      'WAL_TRUNCATES_COMMITTED',
    );
    await wal.restartAfter(logIndex(2), T1);
    expect([wal.firstIndex, wal.lastIndex]).toEqual([3, 2]);
    await wal.close();
  });
});
