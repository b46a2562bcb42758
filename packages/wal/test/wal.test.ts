import { logIndex, term, utf8 } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { codeOf, contents, memoryEnv, open, put, SMALL, T1 } from './fixtures/logs.ts';

describe('an open log', () => {
  it('is empty at first, and begins with index 1', async () => {
    const wal = await open(await memoryEnv());
    expect([wal.firstIndex, wal.lastIndex, wal.durableIndex]).toEqual([1, 0, 0]);
    expect(wal.hardState).toEqual({ term: 0, votedFor: undefined, commitIndex: 0 });
    await wal.close();
  });

  it('gives back what was appended, before and after it is opened again', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    const body = new Uint8Array(9000).map((_, at) => at % 251);
    await put(wal, 'one');
    const { index, body: extent } = wal.append({
      term: T1,
      kind: 7,
      head: utf8('two'),
      body: [body],
    });
    const pending = await wal.read(index);
    expect(pending.bodyBytes).toEqual(body);
    await wal.whenDurable(index);
    await wal.close();

    const again = await open(env);
    expect(again.recovery.tornTail).toBeUndefined();
    const record = await again.read(index);
    expect(record).toMatchObject({ index: 2, term: 1, kind: 7, body: extent });
    expect(record.bodyBytes).toEqual(body);
    if (extent === undefined) throw new Error('no extent');
    expect(again.heldExtent(extent)).toBeUndefined();
    expect(await again.readExtent(extent)).toEqual(body);
    expect(again.heldExtent(extent)).toEqual(body);
    expect([...(await contents(again)).values()]).toEqual(['one', 'two']);
    await put(again, 'three');
    expect(again.lastIndex).toBe(3);
    await again.close();
  });

  it('rotates through many segments, and finds every record after it', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    for (let number = 1; number <= 100; number++)
      await put(wal, `record ${number}`, new Uint8Array(900));
    const segments = wal.segments();
    expect(segments.length).toBeGreaterThan(5);
    expect(segments.slice(0, -1).every(({ sealed }) => sealed)).toBe(true);
    await wal.close();
    const again = await open(env);
    const found = await contents(again);
    expect(found.size).toBe(100);
    expect(found.get(57)).toBe('record 57');
    const replayed: number[] = [];
    for await (const record of again.replay(logIndex(1))) replayed.push(record.index);
    expect(replayed).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    await again.close();
  });

  it('knows the sizes of its files', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    for (let number = 1; number <= 60; number++) {
      await put(wal, `record ${number}`, new Uint8Array(900));
      const { path, sizeBytes } = wal.segments().at(-1) ?? { path: '' };
      expect(sizeBytes).toBe((await env.files.stat(path))?.sizeBytes);
    }
    await wal.close();
  });

  it('keeps hard state over a restart, and begins where the prefix was released', async () => {
    const env = await memoryEnv();
    const wal = await open(env, SMALL);
    for (let number = 1; number <= 60; number++)
      await put(wal, `record ${number}`, new Uint8Array(900));
    await wal.saveHardState({ term: term(3), votedFor: 'node', commitIndex: logIndex(60) });
    await wal.releasePrefix(logIndex(40));
    const released = wal.segments().filter((segment) => segment.released);
    expect(released.length).toBeGreaterThan(1);
    await wal.removeSegments(released.slice(0, 1).map(({ segmentId }) => segmentId));
    await wal.close();
    const again = await open(env, SMALL);
    expect(again.hardState).toEqual({ term: 3, votedFor: 'node', commitIndex: 60 });
    expect([again.firstIndex, again.lastIndex]).toEqual([41, 60]);
    expect(again.segments().filter((segment) => segment.released).length).toBe(released.length - 1);
    expect(await codeOf(again.read(logIndex(40)))).toBe('WAL_INDEX_NOT_FOUND');
    await again.close();
  });

  it('truncates a suffix, across segments, and goes on from there', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    for (let number = 1; number <= 60; number++)
      await put(wal, `record ${number}`, new Uint8Array(900));
    await wal.truncateSuffix(logIndex(21));
    expect([wal.lastIndex, wal.durableIndex]).toEqual([20, 20]);
    await put(wal, 'new 21');
    await wal.close();
    const again = await open(env);
    const found = await contents(again);
    expect(found.size).toBe(21);
    expect([found.get(20), found.get(21)]).toEqual(['record 20', 'new 21']);
    await again.close();
  });
});
