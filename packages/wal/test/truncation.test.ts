import { logIndex, utf8 } from '@holdfast/bytes';
import type { DiskOperation } from '@holdfast/env/memory';
import { describe, expect, it } from 'vitest';
import { codeOf, contents, envOn, memoryEnv, open, put, T1 } from './fixtures/logs.ts';

const LOG = { segmentSizeBytes: 1024 * 1024, preallocate: false };

describe('removal on a volume that is full', () => {
  it('of segments that could not be removed is done by the next one', async () => {
    const env = await memoryEnv();
    const wal = await open(env, { segmentSizeBytes: 16384, preallocate: false });
    for (const text of ['a', 'b', 'c', 'd', 'e']) await put(wal, text, new Uint8Array(5000));
    const paths = wal.segments().map(({ path }) => path);
    await wal.releasePrefix(logIndex(4));
    const [first, second, ...others] = wal.segments().filter((segment) => segment.released);
    env.files.failWhen({ when: ({ kind }) => kind === 'unlink', code: 'NO_SPACE' });
    const removed = wal.removeSegments([first?.segmentId ?? 0, second?.segmentId ?? 0]);
    await expect(removed).rejects.toMatchObject({ code: 'NO_SPACE' });
    await wal.removeSegments(others.map(({ segmentId }) => segmentId));
    const there = await Promise.all(paths.map((path) => env.files.stat(path)));
    expect(there.filter((stat) => stat !== undefined)).toHaveLength(1);
    await wal.close();
  });
});

describe('truncation while records wait for the disk', () => {
  it('rejects the waiters of records that it takes away, and resolves those that stay', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    await put(wal, 'one');
    const before = env.files.operationCount;
    const two = codeOf(put(wal, 'two'));
    while (env.files.operationCount === before) await Promise.resolve();
    // "two" is in flight, "three" gathers, and both are cut.
    const three = codeOf(put(wal, 'three'));
    const cut = wal.truncateSuffix(logIndex(2));
    const replaced = put(wal, 'new two');
    expect([wal.lastIndex, wal.durableIndex]).toEqual([2, 1]);
    expect(await two).toBe('WAL_INDEX_NOT_FOUND');
    expect(await three).toBe('WAL_INDEX_NOT_FOUND');
    await cut;
    expect(await replaced).toBe(2);
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect([...(await contents(again)).values()]).toEqual(['one', 'new two']);
    await again.close();
  });

  it('keeps the records below the cut of a batch that it cuts through', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    const stays = wal.append({ term: T1, kind: 1, head: utf8('stays') });
    wal.append({ term: T1, kind: 1, head: utf8('goes') });
    const durable = wal.whenDurable(stays.index);
    await wal.truncateSuffix(logIndex(2));
    await durable;
    await wal.truncateSuffix(logIndex(2));
    await put(wal, 'new');
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect([...(await contents(again)).values()]).toEqual(['stays', 'new']);
    await again.close();
  });

  it.each(['unlink', 'syncDirectory'])(
    'has happened though there is no room to remove a file of what it takes away: %s',
    async (failing) => {
      const env = await memoryEnv();
      const log = { segmentSizeBytes: 16384, preallocate: false };
      const wal = await open(env, log);
      for (const text of ['a', 'b', 'c', 'd']) await put(wal, text, new Uint8Array(5000));
      const paths = wal.segments().map(({ path }) => path);
      // A file system that writes nothing in place needs room for that too.
      let isRemoving = false;
      const when = ({ kind }: DiskOperation): boolean => {
        isRemoving ||= kind === 'unlink';
        return isRemoving && kind === failing;
      };
      env.files.failWhen({ when, code: 'NO_SPACE', applied: 'none' });
      await wal.truncateSuffix(logIndex(2));
      expect([wal.lastIndex, wal.durableIndex]).toEqual([1, 1]);
      await put(wal, 'new b');
      expect([...(await contents(wal)).values()]).toEqual(['a', 'new b']);
      await wal.close();
      const again = await open(env, log);
      expect([...(await contents(again)).values()]).toEqual(['a', 'new b']);
      const there = await Promise.all(paths.map((path) => env.files.stat(path)));
      expect(there.map((stat) => stat !== undefined)).toEqual(paths.map((_, at) => at === 0));
      await again.close();
    },
  );

  it('cuts twice before the first cut is durable', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    for (const text of ['a', 'b', 'c']) await put(wal, text);
    const cuts = [wal.truncateSuffix(logIndex(3))];
    wal.append({ term: T1, kind: 1, head: utf8('x') });
    cuts.push(wal.truncateSuffix(logIndex(2)));
    await Promise.all(cuts);
    await put(wal, 'y');
    expect([...(await contents(wal)).values()]).toEqual(['a', 'y']);
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect([...(await contents(again)).values()]).toEqual(['a', 'y']);
    await again.close();
  });

  it('cuts off what a cut that is not begun stands on, wherever a crash stops it', async () => {
    const base = await memoryEnv();
    const first = await open(base, LOG);
    await put(first, 'a');
    await first.close();
    let states = 0;
    for (let stop = 1; ; stop++) {
      const env = await envOn(base.files.clone());
      const wal = await open(env, LOG);
      env.files.stopAt(env.files.operationCount + stop);
      for (const text of ['x', 'y', 'z']) wal.append({ term: T1, kind: 1, head: utf8(text) });
      // Behind "y", of which nothing is written, and which the second cut takes away.
      const cuts = [wal.truncateSuffix(logIndex(4))];
      wal.append({ term: T1, kind: 1, head: utf8('new z') });
      cuts.push(wal.truncateSuffix(logIndex(2)));
      const replaced = codeOf(put(wal, 'new x'));
      const codes = await Promise.all([...cuts.map((cut) => codeOf(cut)), replaced]);
      const isDone = !env.files.stopped;
      if (isDone) expect(codes).toEqual(['no error', 'no error', 'no error']);
      const found = isDone ? [{ label: 'done', files: env.files }] : env.files.crashStates();
      for (const { label, files } of found) {
        states++;
        const again = await open(await envOn(files.clone()), LOG);
        const texts = [...(await contents(again)).values()];
        const allowed = isDone ? [] : [['a']];
        expect([...allowed, ['a', 'new x']], `${stop}, ${label}`).toContainEqual(texts);
        await again.close();
      }
      await wal.close().catch(() => undefined);
      if (isDone) break;
    }
    expect(states).toBeGreaterThan(20);
  });

  it('takes both cuts back where there is no room for them', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    for (const text of ['a', 'b', 'c']) await put(wal, text);
    env.files.failWhen({
      when: ({ kind }) => kind === 'create',
      code: 'NO_SPACE',
      applied: 'none',
    });
    const cuts = [codeOf(wal.truncateSuffix(logIndex(3)))];
    wal.append({ term: T1, kind: 1, head: utf8('new c') });
    cuts.push(codeOf(wal.truncateSuffix(logIndex(2))));
    const replaced = codeOf(put(wal, 'new b'));
    expect(await Promise.all([...cuts, replaced])).toEqual(Array(3).fill('WAL_NO_SPACE'));
    expect([...(await contents(wal)).values()]).toEqual(['a', 'b', 'c']);
    expect(wal.termAt(wal.lastIndex)).toBe(T1);
    await wal.truncateSuffix(logIndex(2));
    await put(wal, 'new b');
    await wal.close();
    const again = await open(await envOn(env.files.clone()), LOG);
    expect([...(await contents(again)).values()]).toEqual(['a', 'new b']);
    await again.close();
  });

  it('below what was durable at the last close is no loss to the next open, wherever a crash stops it', async () => {
    const base = await memoryEnv();
    const first = await open(base, LOG);
    for (const text of ['a', 'b', 'c']) await put(first, text);
    await first.close();
    let states = 0;
    for (let stop = 1; ; stop++) {
      const env = await envOn(base.files.clone());
      const wal = await open(env, LOG);
      env.files.stopAt(env.files.operationCount + stop);
      const code = await codeOf(wal.truncateSuffix(logIndex(2)));
      if (!env.files.stopped) break;
      for (const { label, files } of env.files.crashStates()) {
        states++;
        const again = await open(await envOn(files), LOG);
        const texts = [...(await contents(again)).values()];
        expect([['a', 'b', 'c'], ['a']], `${stop}, ${label}, ${code}`).toContainEqual(texts);
        await again.close();
      }
    }
    expect(states).toBeGreaterThan(20);
  });
});
