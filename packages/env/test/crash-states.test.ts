import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FileHandle } from '../src/index.ts';
import { type CrashState, type CrashStatesOptions, MemoryFiles } from '../src/memory/index.ts';
import { contentAt } from './disk-content.ts';

const SECTOR = 512;
const BLOCK = 4096;
const PLAIN: CrashStatesOptions = { torn: false, garbled: false, sampleCount: 0 };

const sectors = (count: number, byte: number): Uint8Array =>
  new Uint8Array(count * SECTOR).fill(byte);

async function durableFile(
  files: MemoryFiles,
  path: string,
  content: Uint8Array,
): Promise<FileHandle> {
  const file = await files.open(path, 'create');
  await file.writeSynced(content, 0);
  await files.syncDirectory('/');
  return file;
}

/** First byte of each sector, as one word: the tests write sectors of one value. */
async function sectorWord(state: Pick<CrashState, 'files'>, path: string): Promise<string> {
  const content = await contentAt(state.files, path);
  if (content === undefined) return 'none';
  let word = '';
  for (let at = 0; at < content.length; at += SECTOR) {
    const sector = content.subarray(at, at + SECTOR);
    expect(new Set(sector).size).toBe(1);
    word += content[at];
  }
  return word;
}

async function wordsOf(
  files: MemoryFiles,
  path: string,
  options: CrashStatesOptions,
): Promise<string[]> {
  const words = new Set<string>();
  for (const state of files.crashStates(options)) words.add(await sectorWord(state, path));
  return [...words].sort();
}

describe('contents', () => {
  test('a disk with nothing unsynced has one state after a crash', async () => {
    const files = new MemoryFiles();
    await durableFile(files, '/a', sectors(2, 1));
    const states = [...files.crashStates()];
    expect(states.length).toBe(1);
    expect(await sectorWord(states[0] as CrashState, '/a')).toBe('11');
  });

  test('of few unsynced writes every subset is found, once each', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(4, 0));
    for (let sector = 0; sector < 4; sector++)
      await file.write(sectors(1, sector + 1), sector * SECTOR);
    const found: string[] = [];
    for (const state of files.crashStates(PLAIN)) found.push(await sectorWord(state, '/a'));
    expect(found.length).toBe(16);
    expect(new Set(found).size).toBe(16);
    expect(found).toContain('0000');
    expect(found).toContain('1204');
  });

  test('of many every prefix, every single loss and every single survivor is found', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(9, 0));
    for (let sector = 0; sector < 9; sector++) await file.write(sectors(1, 1), sector * SECTOR);
    const found = await wordsOf(files, '/a', PLAIN);
    for (let at = 0; at < 9; at++) {
      const ones = '111111111';
      const zeros = '000000000';
      expect(found).toContain(ones.slice(0, at) + zeros.slice(at));
      expect(found).toContain(`${ones.slice(0, at)}0${ones.slice(at + 1)}`);
      expect(found).toContain(`${zeros.slice(0, at)}1${zeros.slice(at + 1)}`);
    }
  });

  test('a write is torn at its first, middle and last sector', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(4, 0));
    await file.write(sectors(4, 1), 0);
    const found = await wordsOf(files, '/a', { ...PLAIN, torn: true });
    const torn = ['0000', '1111', '1000', '0001', '1110', '0111', '1100', '0011', '1101'];
    expect(found).toEqual(torn.sort());
  });

  test.each([
    { direct: true, write: 'writeSynced' },
    { direct: 'bulk', write: 'write' },
  ] as const)('a direct $write is torn between blocks of 4096 bytes only', async (how) => {
    const files = new MemoryFiles();
    await durableFile(files, '/a', sectors(16, 0));
    const file = await files.open('/a', 'write', { direct: how.direct });
    files.stopAt(files.operationCount + 1);
    const bytes = files.allocate(2 * BLOCK).fill(1);
    await expect(file[how.write](bytes, 0)).rejects.toThrow('stopped');
    const found = await wordsOf(files, '/a', { torn: true, garbled: false, sampleCount: 50 });
    const ones = '11111111';
    const zeros = '00000000';
    const every = [ones + ones, ones + zeros, zeros + ones, zeros + zeros];
    expect(found).toEqual(every.sort());
  });

  test('a sector that was being written may hold anything, and its neighbours may not', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(3, 0));
    await file.write(sectors(1, 1), SECTOR);
    let garbled = 0;
    for (const { label, files: after } of files.crashStates({ ...PLAIN, garbled: true })) {
      const content = (await contentAt(after, '/a')) as Uint8Array;
      expect(content.subarray(0, SECTOR)).toEqual(sectors(1, 0));
      expect(content.subarray(2 * SECTOR)).toEqual(sectors(1, 0));
      if (new Set(content.subarray(SECTOR, 2 * SECTOR)).size > 2) garbled += 1;
      else expect(label).not.toContain('garbled');
    }
    expect(garbled).toBeGreaterThan(0);
  });

  test('a write that makes the file larger may leave the size without the bytes', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(1, 1));
    await file.write(sectors(1, 2), 2 * SECTOR);
    expect(await wordsOf(files, '/a', { ...PLAIN, torn: true })).toEqual(['1', '100', '102']);
  });

  test('sync makes durable what had returned before it was called, and no more', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(2, 0));
    await file.write(sectors(1, 1), 0);
    const writing = file.write(sectors(1, 2), SECTOR);
    await file.sync();
    await writing;
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['10', '12']);
  });

  test('writeSynced makes its own bytes durable, and none that were written before', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(2, 0));
    await file.write(sectors(1, 1), 0);
    await file.writeSynced(sectors(1, 2), SECTOR);
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['02', '12']);
  });

  test('a durable write is not undone by an older one that was never synced', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(3, 0));
    await file.write(sectors(3, 1), 0);
    await file.writeSynced(sectors(1, 2), SECTOR);
    const found = await wordsOf(files, '/a', { torn: true, garbled: false, sampleCount: 40 });
    expect(found.every((word) => word[1] === '2')).toBe(true);
    expect(found).toContain('020');
    expect(found).toContain('121');
  });

  test('a durable write is not cut by an older truncate that was never synced', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(3, 1));
    await file.truncate(0);
    await file.writeSynced(sectors(1, 2), SECTOR);
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['02']);
  });

  test('bytes that a durable truncate cut do not come back', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(2, 0));
    await file.write(sectors(2, 1), 0);
    await file.truncate(SECTOR);
    await file.sync();
    await file.truncate(2 * SECTOR);
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['1', '10']);
  });

  test('a truncate is kept or lost', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(3, 1));
    await file.truncate(SECTOR);
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['1', '111']);
  });
});

describe('names', () => {
  const namesOf = async (files: MemoryFiles, options: CrashStatesOptions): Promise<string[]> => {
    const found = new Set<string>();
    for (const { files: after } of files.crashStates({ ...PLAIN, ...options })) {
      found.add((await after.list('/')).join(' '));
    }
    return [...found].sort();
  };

  test('a synced file whose folder was not synced may be gone', async () => {
    const files = new MemoryFiles();
    const file = await files.open('/a', 'create');
    await file.writeSynced(sectors(1, 1), 0);
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['1', 'none']);
    await files.syncDirectory('/');
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['1']);
  });

  test('a journal keeps the order: what is kept is a prefix', async () => {
    const files = new MemoryFiles();
    for (const name of ['/a', '/b', '/c']) await files.open(name, 'create');
    await files.unlink('/a');
    expect(await namesOf(files, {})).toEqual(['', 'a', 'a b', 'a b c', 'b c']);
  });

  test('without a journal any subset is kept', async () => {
    const files = new MemoryFiles();
    for (const name of ['/a', '/b', '/c']) await files.open(name, 'create');
    expect((await namesOf(files, { entries: 'unordered' })).length).toBe(8);
  });

  test('a rename happens whole or not at all', async () => {
    const files = new MemoryFiles();
    await durableFile(files, '/new', sectors(1, 2));
    await durableFile(files, '/old', sectors(1, 1));
    await files.rename('/new', '/old');
    const found: string[] = [];
    for (const state of files.crashStates({ ...PLAIN, entries: 'unordered' })) {
      found.push(`${await sectorWord(state, '/old')} ${await sectorWord(state, '/new')}`);
    }
    expect(found.sort()).toEqual(['1 2', '2 none']);
  });

  test('a rename between folders is durable when the new one is synced', async () => {
    const files = new MemoryFiles();
    await files.makeDirectory('/x');
    await durableFile(files, '/a', sectors(1, 1));
    await files.rename('/a', '/x/a');
    await files.syncDirectory('/');
    expect(await wordsOf(files, '/a', PLAIN)).toEqual(['1', 'none']);
    await files.syncDirectory('/x');
    expect(await wordsOf(files, '/x/a', PLAIN)).toEqual(['1']);
  });

  test('a file in a folder that was lost is lost', async () => {
    const files = new MemoryFiles();
    await files.makeDirectory('/x/y');
    const file = await files.open('/x/y/a', 'create');
    await file.writeSynced(sectors(1, 1), 0);
    await files.syncDirectory('/x/y');
    await files.syncDirectory('/x');
    expect(await wordsOf(files, '/x/y/a', PLAIN)).toEqual(['1', 'none']);
  });

  test('two names of a file stay one file', async () => {
    const files = new MemoryFiles();
    await durableFile(files, '/a', sectors(1, 1));
    await files.link('/a', '/b');
    await files.syncDirectory('/');
    const { files: after } = files.crash();
    const file = await after.open('/b', 'write');
    await file.write(sectors(1, 7), 0);
    expect((await contentAt(after, '/a'))?.[0]).toBe(7);
  });
});

describe('states', () => {
  const scripted = async (seed: number): Promise<MemoryFiles> => {
    const files = new MemoryFiles({ seed });
    const file = await files.open('/a', 'create');
    await file.write(sectors(5, 1), 0);
    await files.rename('/a', '/b');
    await file.write(sectors(2, 2), SECTOR);
    return files;
  };

  test('are the same with the same seed, and others with another', async () => {
    const picture = async (seed: number): Promise<string> => {
      const pictures: string[] = [];
      for (const { label, files } of (await scripted(seed)).crashStates()) {
        const content = (await contentAt(files, '/b')) ?? [];
        pictures.push(`${label}: ${[...content].join()}`);
      }
      return pictures.join('\n');
    };
    expect(await picture(1)).toBe(await picture(1));
    expect(await picture(1)).not.toBe(await picture(2));
  });

  test('are disks of their own: a second crash in one does not touch another', async () => {
    const states = [...(await scripted(1)).crashStates(PLAIN)];
    const [first, second] = states as [CrashState, CrashState];
    const before = await contentAt(second.files, '/b');
    const copy = first.files.clone();
    const file = await first.files.open('/b', 'write');
    await file.write(sectors(5, 9), 0);
    expect(await contentAt(second.files, '/b')).toEqual(before);
    expect(await sectorWord({ files: copy }, '/b')).not.toContain('9');
    const again = await wordsOf(first.files, '/b', PLAIN);
    expect(again.length).toBe(2);
    expect(again).toContain('99999');
  });

  test('and clones stay as they are when the disk they come from goes on', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(2, 1));
    const [state] = [...files.crashStates()] as [CrashState];
    const copy = { files: files.clone() };
    await file.write(sectors(1, 2), 0);
    await file.truncate(SECTOR);
    expect(await sectorWord(state, '/a')).toBe('11');
    expect(await sectorWord(copy, '/a')).toBe('11');
  });

  test('show zeros where a file grows again, whatever was lost there', async () => {
    const files = new MemoryFiles();
    const file = await durableFile(files, '/a', sectors(1, 1));
    await file.write(new Uint8Array(3000).fill(2), 700);
    for (const { label, files: after } of files.crashStates({ sampleCount: 100 })) {
      const again = await after.open('/a', 'write');
      const sizeBytes = await again.sizeBytes();
      await again.truncate(sizeBytes + 10_000);
      const grown = (await contentAt(after, '/a')) as Uint8Array;
      expect(grown.subarray(sizeBytes), label).toEqual(new Uint8Array(10_000));
    }
  });

  test('a clone has the same unsynced changes, and goes its own way', async () => {
    const files = await scripted(3);
    const copy = files.clone();
    expect(await wordsOf(copy, '/b', PLAIN)).toEqual(await wordsOf(files, '/b', PLAIN));
    await copy.syncDirectory('/');
    const file = await copy.open('/b', 'write');
    await file.sync();
    expect([...copy.crashStates()].length).toBe(1);
    expect([...files.crashStates()].length).toBeGreaterThan(1);
  });
});

// What may be in a sector after a crash, from the port's words alone: what it held at the last sync, or
// what any write since has put there.
const write = fc.record({
  kind: fc.constantFrom('write' as const, 'writeSynced' as const),
  first: fc.integer({ min: 0, max: 20 }),
  count: fc.integer({ min: 1, max: 12 }),
});
const step = fc.oneof(
  { weight: 5, arbitrary: write },
  fc.record({ kind: fc.constant('sync' as const) }),
);

test('after any run, every sector of every state is one that it may be, and synced ones are sure', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer(), async (steps, seed) => {
      const files = new MemoryFiles({ seed });
      const file = await durableFile(files, '/a', sectors(32, 0));
      const legal = Array.from({ length: 32 }, () => new Set([0]));
      const live = new Array<number>(32).fill(0);
      for (const [index, run] of steps.entries()) {
        if (run.kind === 'sync') {
          await file.sync();
          for (const [at, value] of live.entries()) legal[at] = new Set([value]);
          continue;
        }
        const value = index + 1;
        await file[run.kind](sectors(run.count, value), run.first * SECTOR);
        for (let at = run.first; at < run.first + run.count; at++) {
          live[at] = value;
          if (run.kind === 'writeSynced') legal[at] = new Set([value]);
          else legal[at]?.add(value);
        }
      }
      for (const { label, files: after } of files.crashStates({
        garbled: false,
        exhaustiveLimit: 4,
      })) {
        const content = (await contentAt(after, '/a')) as Uint8Array;
        for (let at = 0; at < 32; at++) {
          const found = content[at * SECTOR] as number;
          expect(legal[at]?.has(found), `${label}: sector ${at} holds ${found}`).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
});
