import { describe, expect, test } from 'vitest';
import type { FileHandle } from '../src/index.ts';
import {
  type DiskOperation,
  DiskStoppedError,
  ManualClock,
  MemoryFiles,
} from '../src/memory/index.ts';
import { contentAt } from './disk-content.ts';

const FAILED_IO = { code: 'FILE_IO' };

async function makeFile(files: MemoryFiles, path: string, sizeBytes: number): Promise<FileHandle> {
  const file = await files.open(path, 'create');
  await file.write(new Uint8Array(sizeBytes).fill(1), 0);
  await file.sync();
  await files.syncDirectory('/');
  return file;
}

describe('operations', () => {
  test('changes are numbered from 1 and recorded; reads are not', async () => {
    const files = new MemoryFiles();
    const file = await files.open('/a', 'create');
    await file.write(new Uint8Array(700), 100);
    await file.read(new Uint8Array(10), 0);
    await file.sync();
    await files.rename('/a', '/b');
    await files.syncDirectory('/');
    expect(files.operations()).toEqual([
      { number: 1, kind: 'create', path: '/a' },
      { number: 2, kind: 'write', path: '/a', position: 100, length: 700 },
      { number: 3, kind: 'sync', path: '/a' },
      { number: 4, kind: 'rename', path: '/a', to: '/b' },
      { number: 5, kind: 'syncDirectory', path: '/' },
    ]);
    expect(files.operationCount).toBe(5);
  });

  test('they take the time that they are given, on the clock that is given', async () => {
    const clock = new ManualClock();
    const latencyMs = (operation: DiskOperation): number => (operation.kind === 'sync' ? 30 : 0);
    const files = new MemoryFiles({ clock, latencyMs });
    const file = await files.open('/a', 'create');
    let synced = false;
    const syncing = file.sync().then(() => {
      synced = true;
    });
    clock.advance(29);
    await file.sizeBytes();
    expect(synced).toBe(false);
    clock.advance(1);
    await syncing;
    expect(synced).toBe(true);
  });
});

describe('stopAt', () => {
  test('that change and everything after it reject, reads too', async () => {
    const files = new MemoryFiles();
    const file = await files.open('/a', 'create');
    await file.write(Uint8Array.of(1), 0);
    files.stopAt(files.operationCount + 1);
    expect(files.stopped).toBe(false);
    await expect(file.sync()).rejects.toBeInstanceOf(DiskStoppedError);
    expect(files.stopped).toBe(true);
    await expect(file.read(new Uint8Array(1), 0)).rejects.toBeInstanceOf(DiskStoppedError);
    await expect(file.write(Uint8Array.of(1), 0)).rejects.toBeInstanceOf(DiskStoppedError);
    await expect(files.open('/a', 'read')).rejects.toBeInstanceOf(DiskStoppedError);
    await expect(files.open('/not there', 'read')).rejects.toBeInstanceOf(DiskStoppedError);
    await expect(files.lock('/lock')).rejects.toBeInstanceOf(DiskStoppedError);
    await expect(files.unlink('/a')).rejects.toMatchObject({ ...FAILED_IO, stopped: true });
    await file.close();
  });

  test('what is in flight at that moment rejects too, and may be on the disk or not', async () => {
    const files = new MemoryFiles();
    const first = await makeFile(files, '/a', 512);
    const second = await makeFile(files, '/b', 512);
    files.stopAt(files.operationCount + 2);
    const outcomes = await Promise.allSettled([
      first.writeSynced(new Uint8Array(512).fill(2), 0),
      second.writeSynced(new Uint8Array(512).fill(3), 0),
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { stopped: true } });
    }
    const found = new Set<string>();
    for (const { files: after } of files.crashStates({ garbled: false, torn: false })) {
      found.add(`${(await contentAt(after, '/a'))?.[0]} ${(await contentAt(after, '/b'))?.[0]}`);
    }
    expect([...found].sort()).toEqual(['1 1', '1 3', '2 1', '2 3']);
  });
});

describe('faults', () => {
  test('fail as many operations as they are told to, and no others', async () => {
    const files = new MemoryFiles();
    const file = await files.open('/a', 'create');
    files.failWhen({ when: ({ kind }) => kind === 'sync', code: 'FILE_IO', times: 2 });
    await file.write(Uint8Array.of(1), 0);
    await expect(file.sync()).rejects.toMatchObject({ ...FAILED_IO, path: '/a' });
    await expect(file.sync()).rejects.toMatchObject(FAILED_IO);
    await file.sync();
  });

  test('are gone when cancelled', async () => {
    const files = new MemoryFiles();
    const fault = files.failWhen({ when: () => true, code: 'NO_SPACE', times: 1000 });
    await expect(files.makeDirectory('/x')).rejects.toMatchObject({ code: 'NO_SPACE' });
    fault.cancel();
    await files.makeDirectory('/x');
  });

  test('can meet reads', async () => {
    const files = new MemoryFiles();
    const file = await makeFile(files, '/a', 1);
    files.failWhen({ when: ({ kind, path }) => kind === 'read' && path === '/a', code: 'FILE_IO' });
    await expect(file.read(new Uint8Array(1), 0)).rejects.toMatchObject(FAILED_IO);
    expect(await file.read(new Uint8Array(1), 0)).toBe(1);
  });

  test('a sync that succeeds after one that failed has not written what the first lost', async () => {
    const files = new MemoryFiles();
    const file = await makeFile(files, '/a', 512);
    await file.write(new Uint8Array(512).fill(2), 0);
    files.failWhen({ when: ({ kind }) => kind === 'sync', code: 'FILE_IO' });
    await expect(file.sync()).rejects.toMatchObject(FAILED_IO);
    await file.sync();
    const found = new Set<number | undefined>();
    for (const { files: after } of files.crashStates({ garbled: false })) {
      found.add((await contentAt(after, '/a'))?.[0]);
    }
    expect(found).toEqual(new Set([1, 2]));
  });

  test('what a failed sync lost does not come back over a later truncate', async () => {
    const files = new MemoryFiles();
    const file = await makeFile(files, '/a', 512);
    await file.write(new Uint8Array(1024).fill(2), 512);
    files.failWhen({ when: ({ kind }) => kind === 'sync', code: 'FILE_IO' });
    await expect(file.sync()).rejects.toMatchObject(FAILED_IO);
    await file.truncate(512);
    await file.sync();
    for (const { files: after } of files.crashStates({ sampleCount: 20 })) {
      expect(await contentAt(after, '/a')).toEqual(new Uint8Array(512).fill(1));
    }
  });

  test('a failing write leaves whole sectors of its beginning, as the seed decides', async () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const files = new MemoryFiles({ seed });
      const file = await files.open('/a', 'create');
      files.failWhen({ when: ({ kind }) => kind === 'write', code: 'FILE_IO' });
      await expect(file.write(new Uint8Array(1500).fill(1), 0)).rejects.toMatchObject(FAILED_IO);
      lengths.add(await file.sizeBytes());
    }
    expect([...lengths].sort((a, b) => a - b)).toEqual([0, 512, 1024, 1500]);
  });
});

describe('capacity', () => {
  test('a write beyond it fails with NO_SPACE, and what fitted is there', async () => {
    const files = new MemoryFiles({ capacityBytes: 3 * 4096 });
    const file = await files.open('/a', 'create');
    expect(await files.freeBytes('/')).toBe(3 * 4096);
    await file.write(new Uint8Array(4096), 0);
    const writing = file.write(new Uint8Array(4 * 4096), 4096);
    await expect(writing).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(await file.sizeBytes()).toBe(3 * 4096);
    expect(await files.freeBytes('/')).toBe(0);
    await file.write(new Uint8Array(4096).fill(1), 0);
  });

  test('truncate, unlink and a larger volume make room', async () => {
    const files = new MemoryFiles({ capacityBytes: 2 * 4096 });
    const first = await files.open('/a', 'create');
    await first.write(new Uint8Array(2 * 4096), 0);
    await first.truncate(100);
    const second = await files.open('/b', 'create');
    await second.write(new Uint8Array(4096), 0);
    await files.unlink('/a');
    await second.write(new Uint8Array(4096), 4096);
    await expect(second.write(Uint8Array.of(1), 8192)).rejects.toMatchObject({ code: 'NO_SPACE' });
    files.setCapacity(3 * 4096);
    await second.write(Uint8Array.of(1), 8192);
  });
});

describe('corrupt', () => {
  test('flips one bit of each byte it is given, and no other', async () => {
    const files = new MemoryFiles({ seed: 5 });
    await makeFile(files, '/a', 10_000);
    files.corrupt('/a', { offset: 4095, length: 2 });
    const content = (await contentAt(files, '/a')) as Uint8Array;
    const changed = [...content.entries()].filter(([, byte]) => byte !== 1);
    expect(changed.map(([at]) => at)).toEqual([4095, 4096]);
    for (const [, byte] of changed) expect(Math.log2(byte ^ 1) % 1).toBe(0);
    expect(await contentAt(files.crash().files, '/a')).toEqual(content);
  });

  test('zeros', async () => {
    const files = new MemoryFiles();
    await makeFile(files, '/a', 100);
    files.corrupt('/a', { offset: 10, length: 20, how: 'zero' });
    expect(await contentAt(files, '/a')).toEqual(new Uint8Array(100).fill(1).fill(0, 10, 30));
  });
});

test('direct writes need a buffer of allocate: a real disk would refuse any other', async () => {
  const files = new MemoryFiles();
  const file = await files.open('/a', 'create', { direct: true });
  await expect(file.writeSynced(new Uint8Array(4096), 0)).rejects.toThrow('aligned');
  await file.writeSynced(files.allocate(4096), 0);
});

describe('misdirectWhen', () => {
  test('one write lands elsewhere, for readers and on the medium, and its caller is told of nothing', async () => {
    const files = new MemoryFiles();
    const file = await makeFile(files, '/a', 3 * 4096);
    files.misdirectWhen(({ path, position }) =>
      path === '/a' && position === 0 ? 8192 : undefined,
    );
    await file.writeSynced(new Uint8Array(512).fill(2), 4096);
    await file.writeSynced(new Uint8Array(512).fill(3), 0);
    await file.writeSynced(new Uint8Array(512).fill(4), 0);
    const expected = new Uint8Array(3 * 4096).fill(1);
    expected.fill(4, 0, 512).fill(2, 4096, 4608).fill(3, 8192, 8704);
    expect(await contentAt(files, '/a')).toEqual(expected);
    expect(await contentAt(files.crash().files, '/a')).toEqual(expected);
  });

  test('taken back, it strikes no more', async () => {
    const files = new MemoryFiles();
    const file = await makeFile(files, '/a', 4096);
    files.misdirectWhen(() => 8192);
    files.misdirectWhen(undefined);
    await file.writeSynced(new Uint8Array(512).fill(2), 0);
    expect((await contentAt(files, '/a'))?.[0]).toBe(2);
  });
});
