import { logIndex, term } from '@holdfast/bytes';
import type { DiskOperation } from '@holdfast/env/memory';
import { describe, expect, it } from 'vitest';
import { settingsOf } from '../src/settings.ts';
import { openState } from '../src/state-recovery.ts';
import { StateSaver } from '../src/state-saver.ts';
import { decodeStateSlot, type WalState } from '../src/state-slots.ts';
import {
  codeOf,
  contents,
  DIRECTORY,
  envOn,
  IDENTITY,
  memoryEnv,
  open,
  put,
} from './fixtures/logs.ts';

const isSave = ({ kind, path }: DiskOperation): boolean =>
  kind === 'writeSynced' && path.includes('/state-');

describe('a state that could not be saved, for want of room', () => {
  it('is saved before the log is cut, however often that is asked for: a power cut does not look like a loss', async () => {
    const env = await memoryEnv();
    const closed = await open(env);
    for (const text of ['one', 'two', 'three']) await put(closed, text);
    await closed.close();
    const wal = await open(env);
    env.files.failWhen({ when: isSave, code: 'NO_SPACE', times: 2 });
    const codes = [await codeOf(wal.truncateSuffix(logIndex(2)))];
    codes.push(await codeOf(wal.truncateSuffix(logIndex(2))));
    const again = await open(await envOn(env.files.clone().crash().files));
    expect([...(await contents(again)).values()]).toEqual(['one', 'two', 'three']);
    expect(codes).toEqual(['WAL_NO_SPACE', 'WAL_NO_SPACE']);
    await again.close();
    await wal.truncateSuffix(logIndex(2));
    expect([...(await contents(wal)).values()]).toEqual(['one']);
    await wal.close();
  });

  it('is not what the log says that it has', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    const first = { term: term(1), votedFor: 'a', commitIndex: logIndex(0) };
    await wal.saveHardState(first);
    env.files.failWhen({ when: isSave, code: 'NO_SPACE' });
    const refused = wal.saveHardState({ ...first, term: term(2), votedFor: 'b' });
    expect(await codeOf(refused)).toBe('WAL_NO_SPACE');
    expect(wal.hardState).toEqual(first);
    await wal.close();
  });
});

describe('a vote', () => {
  const vote = { term: term(5), votedFor: 'b', commitIndex: logIndex(0) };

  it('is in both slots, though it shares its write with what is saved in one', async () => {
    const env = await memoryEnv();
    await env.files.makeDirectory(DIRECTORY);
    const hardState = { term: term(0), votedFor: undefined, commitIndex: logIndex(0) };
    const before: WalState = {
      hardState,
      firstIndex: 1,
      termBefore: 0,
      newest: undefined,
      durableIndex: 0,
    };
    const settings = settingsOf({ env, directory: DIRECTORY, identity: IDENTITY });
    const slots = await openState(settings, { state: before, versions: [0, 0] }, undefined);
    const saver = new StateSaver(slots, before);
    // The first is being written while the others come.
    await Promise.all([
      saver.saveOnce({ durableIndex: 1 }),
      saver.saveOnce({ durableIndex: 2 }),
      saver.save({ hardState: vote }),
    ]);
    for (const name of ['state-a', 'state-b']) {
      const file = await env.files.open(`${DIRECTORY}/${name}`, 'read');
      const block = new Uint8Array(4096);
      await file.read(block, 0);
      await file.close();
      expect(decodeStateSlot(block, env.crc32c)).toMatchObject({ state: { hardState: vote } });
    }
    await saver.close();
  });

  it('that was found in one slot is in both before the log is used', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    env.files.failWhen({
      when: ({ kind, path }) => kind === 'writeSynced' && path.endsWith('state-b'),
      code: 'FILE_IO',
      applied: 'none',
    });
    expect(await codeOf(wal.saveHardState(vote))).toBe('WAL_POISONED');
    await wal.close();
    const again = await open(env);
    expect(again.hardState).toEqual(vote);
    for (const name of ['state-a', 'state-b']) {
      const { files } = await envOn(env.files.clone());
      files.corrupt(`${DIRECTORY}/${name}`, { offset: 20 });
      const third = await open(await envOn(files));
      expect(third.hardState, name).toEqual(vote);
      await third.close();
    }
    await again.close();
  });
});

describe('two releases at once', () => {
  it('give up the larger part, whichever comes first: what it freed may be removed', async () => {
    const env = await memoryEnv();
    const wal = await open(env, { segmentSizeBytes: 16384, preallocate: false });
    for (const text of ['one', 'two', 'three', 'four']) {
      await put(wal, text, new Uint8Array(5000));
    }
    await Promise.all([wal.releasePrefix(logIndex(3)), wal.releasePrefix(logIndex(2))]);
    const released = wal.segments().filter((segment) => segment.released);
    await wal.removeSegments(released.map(({ segmentId }) => segmentId));
    expect(released).toHaveLength(3);
    const again = await open(await envOn(env.files.clone().crash().files));
    expect([again.firstIndex, again.lastIndex]).toEqual([4, 4]);
    await again.close();
    await wal.close();
  });
});
