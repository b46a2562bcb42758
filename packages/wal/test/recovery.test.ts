import { logIndex, term } from '@holdfast/bytes';
import { FileError } from '@holdfast/env';
import type { DiskOperation, MemoryEnv, MemoryFiles } from '@holdfast/env/memory';
import { describe, expect, it } from 'vitest';
import { STATE_NAMES, segmentName } from '../src/file-names.ts';
import { codeOf, contents, DIRECTORY, envOn, memoryEnv, open, put } from './fixtures/logs.ts';
import { watchedFiles } from './fixtures/mutant-files.ts';
import { readRotten } from './fixtures/rotten-log.ts';

const ONE = { segmentSizeBytes: 65536, preallocate: false };
const FIRST = `${DIRECTORY}/${segmentName(1, 1)}`;

const LAST = `${DIRECTORY}/${segmentName(2, 2)}`;
const SLOTS = STATE_NAMES.map((name) => `${DIRECTORY}/${name}`);

/** A read of a file that a test may let fail. */
interface Reading {
  readonly path: string;
  readonly position: number;
}

const turnOfLoop = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Three batches of one block each, at 4096, 8192 and 12288; a mark follows where the log was closed. */
async function three(close: boolean): Promise<MemoryEnv> {
  const env = await memoryEnv();
  const wal = await open(env, ONE);
  for (const text of ['one', 'two', 'three']) await put(wal, text);
  if (close) await wal.close();
  return await envOn(env.files.clone());
}

describe('recovery', () => {
  it.each(['.wal', 'state-a', 'state-b'])(
    'closes every other file and says so where %s cannot be opened',
    async (ending) => {
      const env = await three(true);
      const { files, opened, closed } = watchedFiles(env.files);
      const refusing: typeof files = {
        ...files,
        open: async (path, mode, options) => {
          if (path.endsWith(ending)) throw new FileError('FILE_IO', path, 'refused');
          return await files.open(path, mode, options);
        },
      };
      expect(await codeOf(open({ ...env, files: refusing }, ONE))).toBe('FILE_IO');
      expect(opened).toHaveLength(2);
      expect(closed.toSorted()).toEqual(opened.toSorted());
      const wal = await open(env, ONE);
      expect([...(await contents(wal)).values()]).toEqual(['one', 'two', 'three']);
      await wal.close();
    },
  );

  it.each([
    [LAST, 'the state is refused', 'WAL_CORRUPTION', undefined],
    [
      LAST,
      'its end cannot be read',
      'FILE_IO',
      ({ path, position }: Reading) => path === LAST && position > 512 * 1024,
    ],
    [LAST, 'another segment cannot be read', 'FILE_IO', ({ path }: Reading) => path === FIRST],
    [
      SLOTS[1],
      'the other slot cannot be read',
      'FILE_IO',
      ({ path }: Reading) => path === SLOTS[0],
    ],
  ])(
    'leaves no read of %s behind, into memory that is freed, where %s',
    async (slowPath, why, code, fails) => {
      const env = await memoryEnv();
      const wal = await open(env, { ...ONE, segmentSizeBytes: 600 * 1024 });
      await put(wal, 'large', new Uint8Array(512 * 1024));
      await put(wal, 'in the next segment', new Uint8Array(512 * 1024));
      await wal.close();
      if (fails === undefined) for (const slot of SLOTS) await env.files.unlink(slot);
      const { files, opened, closed } = watchedFiles(env.files);
      let underWay = 0;
      const slow: typeof files = {
        ...files,
        open: async (path, mode, options) => {
          const handle = await files.open(path, mode, options);
          const read = async (target: Uint8Array, position: number): Promise<number> => {
            if (fails?.({ path, position })) throw new FileError('FILE_IO', path, why);
            underWay++;
            // It takes longer than to see what is wrong elsewhere.
            for (let turn = 0; path === slowPath && turn < 20; turn++) await turnOfLoop();
            underWay--;
            return await handle.read(target, position);
          };
          return { ...handle, read };
        },
      };
      expect(await codeOf(open({ ...env, files: slow }, ONE))).toBe(code);
      expect(underWay).toBe(0);
      expect(closed.toSorted()).toEqual(opened.toSorted());
    },
  );

  it('cuts a torn final batch, saves its bytes, and keeps every earlier record', async () => {
    const env = await three(false);
    env.files.corrupt(FIRST, { offset: 12288 + 70, length: 8, how: 'garble' });
    const wal = await open(env, ONE);
    expect([...(await contents(wal)).values()]).toEqual(['one', 'two']);
    expect(wal.recovery.tornTail).toMatchObject({ segmentId: 1, offset: 12288 });
    const saved = await env.files.open(wal.recovery.tornTail?.savedAs ?? '', 'read');
    expect(await saved.sizeBytes()).toBe(wal.recovery.tornTail?.sizeBytes);
    expect(await put(wal, 'again three')).toBe(3);
    await wal.close();
    const again = await open(env, ONE);
    expect(again.recovery.tornTail).toBeUndefined();
    expect((await contents(again)).get(3)).toBe('again three');
    await again.close();
  });

  it('does not take the segment of another log for its own, that was put in its place while it was open', async () => {
    const [env, other] = [await memoryEnv(1), await memoryEnv(2)];
    for (const [each, sizes] of [
      [env, [10_000, 20_000, 50_000]],
      [other, [20_000, 10_000, 50_000]],
    ] as const) {
      const wal = await open(each, ONE);
      for (const sizeBytes of sizes) await put(wal, 'record', new Uint8Array(sizeBytes));
      expect(wal.segments()).toHaveLength(2);
      await wal.close();
    }
    const wal = await open(env, ONE);
    const theirs = await other.files.open(FIRST, 'read');
    const bytes = new Uint8Array(await theirs.sizeBytes());
    await theirs.read(bytes, 0);
    const mine = await env.files.open(FIRST, 'write');
    expect(await mine.sizeBytes()).toBe(bytes.length);
    await mine.write(bytes, 0);
    expect(await codeOf(wal.read(logIndex(1)))).toBe('WAL_CORRUPTION');
    await wal.close();
  });

  it('finds every record of batches of few and of many, in any order', async () => {
    const env = await memoryEnv();
    const wal = await open(env, ONE);
    const texts: string[] = [];
    for (const count of [1, 30, 3, 200, 9, 1]) {
      const batch = Array.from({ length: count }, (_, at) => `${texts.length + at}`);
      await Promise.all(batch.map((text) => put(wal, text)));
      texts.push(...batch);
    }
    expect(wal.stats().batches).toBe(6);
    const again = await open(await envOn(env.files.crash().files), ONE);
    expect(again.recovery.tornTail).toBeUndefined();
    expect([...(await contents(again)).values()]).toEqual(texts);
    await Promise.all([wal.close(), again.close()]);
  });

  it('puts on the disk what a killed process had left in a cache, before anything is built on it', async () => {
    const env = await memoryEnv();
    const wal = await open(env, ONE);
    await put(wal, 'one');
    let atKill: MemoryFiles | undefined;
    env.files.watch(({ kind, path }, moment) => {
      // The write of 'two' has begun and is not over: readers see it, and a power cut may lose it.
      const isBatch = kind === 'writeSynced' && /\.(tmp|wal)$/.test(path);
      if (isBatch && moment === 'begun') atKill ??= env.files.killed();
    });
    await put(wal, 'two');
    const killed = await envOn(atKill as MemoryFiles);
    const again = await open(killed, ONE);
    expect([...(await contents(again)).values()]).toEqual(['one', 'two']);
    await put(again, 'three');
    let states = 0;
    for (const { files, label } of killed.files.crashStates()) {
      const after = await open(await envOn(files), ONE);
      expect([...(await contents(after)).values()], label).toEqual(['one', 'two', 'three']);
      await after.close();
      states++;
    }
    expect(states).toBeGreaterThan(0);
  });

  it.each([
    ['the last batch of a closed log', true, 12288 + 100],
    ['a batch before the last', false, 8192 + 97],
    ['a batch header before the last', false, 8192 + 5],
    ['a whole batch that reads as zeros', false, 8192],
    ['the segment header', false, 40],
  ])('refuses damage of %s, says where, and changes nothing', async (what, close, offset) => {
    const env = await three(close);
    const zero = what.includes('zeros');
    env.files.corrupt(FIRST, zero ? { offset, length: 4096, how: 'zero' } : { offset });
    const before = env.files.operationCount;
    await expect(open(env, ONE)).rejects.toMatchObject({
      code: 'WAL_CORRUPTION',
      path: FIRST,
      offset: Math.floor(offset / 4096) * 4096,
    });
    for (const { kind } of env.files.operations().slice(before)) {
      // A sync changes nothing that is read.
      expect(['sync', 'syncDirectory']).toContain(kind);
    }
  });

  it('reads and syncs nothing of a folder before it has the lock', async () => {
    const env = await three(true);
    const kinds: string[] = [];
    const when = ({ kind }: DiskOperation): boolean => kinds.push(kind) < 0;
    env.files.failWhen({ when, code: 'FILE_IO' });
    const wal = await open(env, ONE);
    expect(kinds.indexOf('lock')).toBe(0);
    await wal.close();
  });

  it('syncs the last segment while it is read', async () => {
    const env = await memoryEnv();
    const wal = await open(env, { segmentSizeBytes: 2 ** 20, preallocate: false });
    for (let count = 0; count < 4; count++) await put(wal, 'large', new Uint8Array(200_000));
    await wal.close();
    const reads: (number | undefined)[] = [];
    let readBeforeSync: number | undefined;
    const when = ({ kind, path, position }: DiskOperation): boolean => {
      if (path === FIRST && kind === 'read') reads.push(position);
      if (path === FIRST && kind === 'sync') readBeforeSync = reads.length;
      return false;
    };
    env.files.failWhen({ when, code: 'FILE_IO' });
    await (await open(env, { segmentSizeBytes: 2 ** 20, preallocate: false })).close();
    expect(reads.length).toBeGreaterThan(2);
    // Its beginning and its last block.
    expect(readBeforeSync).toBe(2);
  });

  it.each([
    ['unproven', async (): Promise<void> => undefined],
    ['without a batch', (env: MemoryEnv): Promise<void> => cutTo(env, 4096)],
    [
      'damaged',
      async (env: MemoryEnv): Promise<void> => env.files.corrupt(FIRST, { offset: 8192 + 97 }),
    ],
  ])('tells of a sync of the last segment that failed, whatever it is: %s', async (_, change) => {
    const env = await three(false);
    await change(env);
    const when = ({ kind, path }: DiskOperation): boolean => kind === 'sync' && path === FIRST;
    env.files.failWhen({ when, code: 'FILE_IO' });
    const before = env.files.operationCount;
    expect(await codeOf(open(env, ONE))).toBe('FILE_IO');
    // And nothing was built on it.
    for (const { kind } of env.files.operations().slice(before)) {
      expect(['sync', 'syncDirectory']).toContain(kind);
    }
  });

  it.each([
    ['cut off behind the header', 4096],
    ['cut off before the last record', 12288],
  ])('refuses a log that was closed in order and is %s', async (_, sizeBytes) => {
    const env = await three(true);
    await cutTo(env, sizeBytes);
    await expect(open(env, ONE)).rejects.toMatchObject({
      code: 'WAL_CORRUPTION',
      path: FIRST,
      offset: sizeBytes,
      message: expect.stringMatching(/record 3 was acknowledged/),
    });
  });

  it('refuses a log that ends before the committed index', async () => {
    const env = await memoryEnv();
    const wal = await open(env, ONE);
    await put(wal, 'one');
    await put(wal, 'two');
    await wal.saveHardState({ term: term(1), votedFor: undefined, commitIndex: logIndex(2) });
    const after = await envOn(env.files.clone());
    after.files.corrupt(FIRST, { offset: 8192 + 97 });
    expect(await codeOf(open(after, ONE))).toBe('WAL_CORRUPTION');
  });

  it('refuses a gap between segments, and takes missing released ones', async () => {
    const env = await memoryEnv();
    const log = { segmentSizeBytes: 28672, preallocate: false };
    const wal = await open(env, log);
    for (let count = 0; count < 12; count++) await put(wal, `record ${count}`);
    await wal.releasePrefix(logIndex(3));
    const segments = wal.segments();
    await wal.close();
    const released = segments.find((segment) => segment.released)?.path ?? '';
    const middle = segments.at(-2)?.path ?? '';
    const fine = await envOn(env.files.clone());
    await fine.files.unlink(released);
    await (await open(fine, log)).close();
    const gap = await envOn(env.files.clone());
    await gap.files.unlink(middle);
    expect(await codeOf(open(gap, log))).toBe('WAL_CORRUPTION');
  });

  it.each([
    ['closed in order', true],
    ['just acknowledged', false],
  ])('refuses a log whose newest segment is gone, %s, and names it', async (_, close) => {
    const env = await memoryEnv();
    const log = { segmentSizeBytes: 28672, preallocate: false };
    const wal = await open(env, log);
    while (wal.segments().length < 3) await put(wal, `record ${wal.lastIndex + 1}`);
    const newest = wal.segments().at(-1)?.path ?? '';
    if (close) await wal.close();
    const after = await envOn(env.files.clone());
    await after.files.unlink(newest);
    await expect(open(after, log)).rejects.toMatchObject({
      code: 'WAL_CORRUPTION',
      path: newest,
      message: expect.stringMatching(/is missing.*salvage/),
    });
    // Not even a damaged state slot hides it: the other names the segment before, at least.
    for (const slot of ['state-a', 'state-b']) {
      const worse = await envOn(env.files.clone());
      for (const { path } of wal.segments().slice(1)) await worse.files.unlink(path);
      worse.files.corrupt(`${DIRECTORY}/${slot}`, { offset: 20 });
      expect(await codeOf(open(worse, log))).toBe('WAL_CORRUPTION');
    }
  });

  it('opens state slots of format version 1, which name no segment, and writes the newest into them', async () => {
    const env = await three(true);
    for (const slot of ['state-a', 'state-b']) await toVersion1(env, `${DIRECTORY}/${slot}`);
    await (await open(env, ONE)).close();
    await env.files.unlink(FIRST);
    expect(await codeOf(open(env, ONE))).toBe('WAL_CORRUPTION');
  });

  it('keeps the newest segment when a crash left it sealed and all its records are released', async () => {
    const env = await memoryEnv();
    const log = { segmentSizeBytes: 28672, preallocate: false };
    const wal = await open(env, log);
    while (wal.segments().length < 2) await put(wal, `record ${wal.lastIndex + 1}`);
    const newest = wal.segments().at(-1)?.path ?? '';
    const crashed = await envOn(env.files.clone());
    await crashed.files.unlink(newest);
    for (const slot of ['state-a', 'state-b']) await toVersion1(crashed, `${DIRECTORY}/${slot}`);
    const sealed = await open(crashed, log);
    await sealed.releasePrefix(sealed.lastIndex);
    expect(sealed.segments().map(({ released }) => released)).toEqual([false]);
    await sealed.close();
  });

  it('rebuilds a lost trailer of a sealed segment whose batches are whole', async () => {
    const env = await memoryEnv();
    const log = { segmentSizeBytes: 28672, preallocate: false };
    const wal = await open(env, log);
    for (let count = 0; count < 6; count++) await put(wal, `record ${count}`);
    const [first] = wal.segments();
    await wal.close();
    const size = first?.sizeBytes ?? 0;
    env.files.corrupt(first?.path ?? '', { offset: size - 4096, length: 4096, how: 'zero' });
    const again = await open(env, log);
    expect((await contents(again)).size).toBe(6);
    await again.close();
    const third = await open(env, log);
    expect(third.recovery.scannedBytes).toBeLessThan(again.recovery.scannedBytes);
    await third.close();
  });

  it('heals one damaged state slot from the other, and refuses when both are damaged', async () => {
    for (const slot of ['state-a', 'state-b']) {
      const env = await memoryEnv();
      const wal = await open(env, ONE);
      await put(wal, 'one');
      await wal.saveHardState({ term: term(5), votedFor: 'n', commitIndex: logIndex(1) });
      await wal.close();
      env.files.corrupt(`${DIRECTORY}/${slot}`, { offset: 20 });
      const healed = await open(env, ONE);
      expect(healed.hardState).toMatchObject({ term: 5, votedFor: 'n' });
      await healed.close();
      for (const other of ['state-a', 'state-b']) {
        env.files.corrupt(`${DIRECTORY}/${other}`, { offset: 20 });
      }
      expect(await codeOf(open(env, ONE))).toBe('WAL_CORRUPTION');
    }
  });

  it('notices a changed bit of an extent and of a record on every read from the disk', async () => {
    const env = await memoryEnv();
    const wal = await open(env, { ...ONE, cacheSizeBytes: 0 });
    await put(wal, 'one', new Uint8Array(3000).fill(7));
    const { body } = await wal.read(logIndex(1));
    if (body === undefined) throw new Error('no extent');
    await wal.readExtent(body);
    env.files.corrupt(FIRST, { offset: body.offset + 1000 });
    expect(await codeOf(wal.readExtent(body))).toBe('WAL_CORRUPTION');
    expect(await codeOf(wal.read(logIndex(1)))).toBe('WAL_CORRUPTION');
    await wal.close();
  });
});

async function cutTo(env: MemoryEnv, sizeBytes: number): Promise<void> {
  const file = await env.files.open(FIRST, 'write');
  await file.truncate(sizeBytes);
  await file.close();
}

/** Makes a state slot one of format version 1, which says nothing of segments. */
async function toVersion1(env: MemoryEnv, path: string): Promise<void> {
  const file = await env.files.open(path, 'write');
  const block = new Uint8Array(4096);
  await file.read(block, 0);
  block[4] = 1;
  block.fill(0, 4064, 4088);
  new DataView(block.buffer).setUint32(4092, env.crc32c(block.subarray(0, 4092)), true);
  await file.write(block, 0);
  await file.sync();
  await file.close();
}

/** Where the bytes that mean something are: at the beginning of a block, and its checksum at the end. */
function isDense(offset: number): boolean {
  return offset % 4096 < 176 || offset % 4096 >= 4090;
}

describe('an open in which one call fails', () => {
  it.each(['closed', 'killed'])(
    'rejects, whichever it is, and holds up no later one: %s',
    async (how) => {
      let failed = 0;
      for (let at = 0; ; at++) {
        const env = await memoryEnv();
        const wal = await open(env);
        for (const text of ['one', 'two', 'three']) await put(wal, text);
        if (how === 'closed') await wal.close();
        const next = how === 'closed' ? env : await envOn(env.files.killed(1));
        let calls = 0;
        const fault = next.files.failWhen({ when: () => calls++ === at, code: 'FILE_IO' });
        const opening = open(next);
        const code = await codeOf(opening);
        fault.cancel();
        if (calls <= at) {
          await (await opening).close();
          break;
        }
        failed++;
        expect(code, `call ${at}`).toBe('FILE_IO');
        const again = await open(next);
        expect([...(await contents(again)).values()], `call ${at}`).toEqual([
          'one',
          'two',
          'three',
        ]);
        await again.close();
      }
      expect(failed).toBeGreaterThan(10);
    },
  );
});

describe('a changed bit of a small closed log', () => {
  it('in any byte is refused or harmless: no wrong byte, no silent loss', async () => {
    const env = await memoryEnv();
    const log = { segmentSizeBytes: 28672, preallocate: false };
    const wal = await open(env, log);
    for (const text of ['one', 'two', 'three', 'four', 'five'])
      await put(wal, text, new Uint8Array(40).fill(3));
    const expected = await contents(wal);
    const segments = wal.segments();
    await wal.close();
    let refused = 0;
    let harmless = 0;
    for (const path of [...segments.map((segment) => segment.path), `${DIRECTORY}/state-a`]) {
      const size = (await env.files.stat(path))?.sizeBytes ?? 0;
      for (let offset = 0; offset < size; offset += isDense(offset) ? 1 : 509) {
        const after = await envOn(env.files.clone());
        after.files.corrupt(path, { offset });
        const code = await codeOf(openAndCompare(after, log, expected));
        expect(['WAL_CORRUPTION', 'no error'], `${path} at ${offset}: ${code}`).toContain(code);
        if (code === 'no error') harmless++;
        else refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(harmless).toBeGreaterThan(500);
  });
});

async function openAndCompare(
  env: MemoryEnv,
  log: Parameters<typeof open>[1],
  expected: ReadonlyMap<number, string>,
): Promise<void> {
  const wal = await open(env, log);
  try {
    expect(await contents(wal)).toEqual(expected);
  } finally {
    await wal.close();
  }
}

describe('a bit that flips, or a file that is gone, by chance', () => {
  it('of a log that is open, was closed or killed, is noticed or harmless', async () => {
    for (let seed = 1; seed <= 150; seed++)
      expect(await readRotten(seed), `${seed}`).toBeUndefined();
  });
});
