import { FileError, type Files } from '@holdfast/env';
import { createMemoryEnv, type MemoryEnv, MemoryFiles } from '@holdfast/env/memory';
import { describe, expect, it } from 'vitest';
import type { Wal } from '../src/index.ts';
import { DIRECTORY, envOn, memoryEnv, open, put } from './fixtures/logs.ts';
import { mutantFiles, watchedFiles } from './fixtures/mutant-files.ts';

const MIB = 1024 * 1024;

describe('the spare segment', () => {
  const LOG = { segmentSizeBytes: 8 * MIB, preallocate: true };

  /** A log each of whose synced writes takes so long. */
  async function logOf(syncMs: number): Promise<{ readonly env: MemoryEnv; readonly wal: Wal }> {
    const env = await memoryEnv();
    const onWriteSynced = (event: 'begins' | 'ends'): undefined => {
      if (event === 'ends') env.manualClock.advance(syncMs);
    };
    const files = mutantFiles(env.files, { onWriteSynced });
    return { env, wal: await open({ ...env, files }, LOG) };
  }

  /** The first one: the log's first segment had the name before it. */
  function operationsOnSpare(files: MemoryFiles): ReturnType<MemoryFiles['operations']> {
    return files.operations().filter(({ path }) => path.endsWith('spare-00000001.tmp'));
  }

  it.each([
    { kib: 1, syncMs: 1.5 },
    { kib: 130, syncMs: 2.5 },
    { kib: 200, syncMs: 2.5 },
  ])(
    'is filled before it is needed beside batches of $kib KiB in $syncMs ms, and synced once',
    async ({ kib, syncMs }) => {
      const { env, wal } = await logOf(syncMs);
      while (wal.segments().length < 2) await put(wal, 'record', new Uint8Array(kib * 1024));
      const file = operationsOnSpare(env.files);
      expect(file.map(({ kind }) => kind).slice(0, 6)).toEqual([
        'create',
        ...Array.from({ length: 4 }, () => 'write'),
        'sync',
      ]);
      await wal.close();
      // Durable as a whole, so that no crash takes back what a sync into it need not commit.
      const again = await open(await envOn(env.files.crash().files), LOG);
      expect(again.segments()[1]?.sizeBytes).toBe(LOG.segmentSizeBytes);
      await again.close();
    },
  );

  it('that is being filled when its log is closed is closed too, and removed', async () => {
    const env = await memoryEnv();
    const { files, opened, closed } = watchedFiles(env.files);
    const wal = await open({ ...env, files }, LOG);
    while (wal.stats().spareBytes === 0) await put(wal, 'record', new Uint8Array(1024));
    expect(wal.stats().spareBytes).toBeLessThan(LOG.segmentSizeBytes);
    await wal.close();
    expect(closed.toSorted()).toEqual(opened.toSorted());
    expect((await env.files.list(DIRECTORY)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('whose file cannot be closed is given up, and the log goes on without it', async () => {
    const env = await memoryEnv();
    let failed = 0;
    const openSpare: Files['open'] = async (path, mode, options) => {
      const handle = await env.files.open(path, mode, options);
      if (failed > 0 || !path.endsWith('spare-00000001.tmp')) return handle;
      const close = async (): Promise<void> => {
        failed++;
        await handle.close();
        throw new FileError('FILE_IO', path, 'close failed');
      };
      return new Proxy(handle, {
        get: (target, name) => {
          if (name === 'close') return close;
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
    const plain = mutantFiles(env.files, { onWriteSynced: () => undefined });
    const wal = await open({ ...env, files: { ...plain, open: openSpare } }, LOG);
    while (wal.segments().length < 2) await put(wal, 'record', new Uint8Array(1024));
    expect(failed).toBeGreaterThan(0);
    await wal.close();
    expect((await env.files.list(DIRECTORY)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('is synced a piece at a time where no write is direct', async () => {
    const env = await createMemoryEnv({ files: new MemoryFiles({ direct: false }) });
    const wal = await open(env, LOG);
    while (wal.segments().length < 2) await put(wal, 'record', new Uint8Array(1024));
    const file = operationsOnSpare(env.files);
    const pieces = file.filter(({ kind }) => kind === 'write');
    expect(new Set(pieces.map(({ length }) => length))).toEqual(new Set([256 * 1024]));
    expect(file.filter(({ kind }) => kind === 'sync')).toHaveLength(pieces.length);
    await wal.close();
  });

  it.each([
    { kib: 130, syncMs: 1.5 },
    { kib: 300, syncMs: 2.5 },
  ])('is not begun beside batches of $kib KiB in $syncMs ms', async ({ kib, syncMs }) => {
    const { env, wal } = await logOf(syncMs);
    for (let count = 0; count < 20; count++) await put(wal, 'bulk', new Uint8Array(kib * 1024));
    expect(operationsOnSpare(env.files)).toEqual([]);
    await wal.close();
  });
});

describe('spare segments of an idle log', () => {
  const SEGMENT_BYTES = 256 * 1024;
  const LOG = { segmentSizeBytes: SEGMENT_BYTES, spareSizeLimitBytes: 4 * SEGMENT_BYTES };

  /** Small batches of so many bytes in all. */
  async function burst(wal: Wal, sizeBytes: number): Promise<void> {
    for (let left = sizeBytes; left > 0; left -= 8192) {
      await put(wal, 'record', new Uint8Array(Math.min(left, 8192) - 200));
    }
  }

  /** Lets everything go on that is under way. */
  async function settled({ files }: MemoryEnv): Promise<void> {
    for (let before = -1; before !== files.operationCount; ) {
      before = files.operationCount;
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    }
  }

  async function idleSecond(env: MemoryEnv): Promise<void> {
    await settled(env);
    env.manualClock.advance(1000);
    await settled(env);
  }

  async function spareNames({ files }: MemoryEnv): Promise<string[]> {
    return (await files.list(DIRECTORY)).filter((name) => name.startsWith('spare-'));
  }

  it('are as many as the largest burst used, and the next burst makes no file', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    await burst(wal, 2.5 * SEGMENT_BYTES);
    await idleSecond(env);
    expect(wal.stats().spareBytes).toBe(3 * SEGMENT_BYTES);
    const before = env.files.operationCount;
    await burst(wal, 2 * SEGMENT_BYTES);
    const operations = env.files.operations().slice(before);
    const renamed = operations.filter(({ kind, to }) => kind === 'rename' && to?.endsWith('.wal'));
    expect(renamed.length).toBeGreaterThanOrEqual(2);
    const created = new Set(
      operations.filter(({ kind }) => kind === 'create').map(({ path }) => path),
    );
    expect(renamed.filter(({ path }) => created.has(path))).toEqual([]);
    // A smaller burst after it leaves as many: the largest counts.
    await idleSecond(env);
    expect(wal.stats().spareBytes).toBe(3 * SEGMENT_BYTES);
    await wal.close();
  });

  it('are durable as a whole before one is taken', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    await burst(wal, 2 * SEGMENT_BYTES);
    await idleSecond(env);
    const before = wal.segments().length;
    await put(wal, 'in a filled segment');
    const again = await open(await envOn(env.files.crash().files), LOG);
    expect(again.segments()).toHaveLength(before + 1);
    expect(again.segments().at(-1)?.sizeBytes).toBe(SEGMENT_BYTES);
    await again.close();
    await wal.close();
  });

  it.each([
    {
      what: 'the limit',
      limitBytes: 2.5 * SEGMENT_BYTES,
      freeBytes: 100 * SEGMENT_BYTES,
      spares: 2,
    },
    {
      what: 'an eighth of what is free',
      limitBytes: 4 * SEGMENT_BYTES,
      freeBytes: 9 * SEGMENT_BYTES,
      spares: 1,
    },
    {
      what: 'no limit above the burst',
      limitBytes: 9 * SEGMENT_BYTES,
      freeBytes: 100 * SEGMENT_BYTES,
      spares: 4,
    },
  ])('take no more than $what', async ({ limitBytes, freeBytes, spares }) => {
    const env = await memoryEnv();
    const wal = await open(env, { ...LOG, spareSizeLimitBytes: limitBytes });
    await burst(wal, 3.5 * SEGMENT_BYTES);
    await settled(env);
    env.files.setCapacity(env.files.usedBytes() + freeBytes);
    await idleSecond(env);
    expect(wal.stats().spareBytes).toBe(spares * SEGMENT_BYTES);
    await wal.close();
  });

  it('are not filled after bulk data, nor of a log that holds little', async () => {
    const env = await memoryEnv();
    const wal = await open(env, { segmentSizeBytes: 8 * MIB });
    await burst(wal, MIB / 2);
    await idleSecond(env);
    for (let count = 0; count < 20; count++) await put(wal, 'bulk', new Uint8Array(MIB));
    await idleSecond(env);
    expect(await spareNames(env)).toEqual([]);
    await wal.close();
  });

  it('are left when something is appended, and gone on with in the next idle second', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    await burst(wal, 3.5 * SEGMENT_BYTES);
    await settled(env);
    const whole = wal.stats().spareBytes;
    env.manualClock.advance(1000);
    for (let turn = 0; turn < 1000 && wal.stats().spareBytes === whole; turn++) {
      await Promise.resolve();
    }
    const appending = put(wal, 'now');
    const begun = wal.stats().spareBytes;
    await appending;
    await settled(env);
    expect(wal.stats().spareBytes).toBeLessThanOrEqual(begun + SEGMENT_BYTES);
    expect(wal.stats().spareBytes).toBeLessThan(4 * SEGMENT_BYTES);
    await idleSecond(env);
    expect(wal.stats().spareBytes).toBe(4 * SEGMENT_BYTES);
    await wal.close();
  });

  it('are tried again in the next idle second where one could not be filled, and nothing is left of it', async () => {
    const env = await memoryEnv();
    const wal = await open(env, LOG);
    await burst(wal, 2 * SEGMENT_BYTES);
    await settled(env);
    const before = await spareNames(env);
    env.files.failWhen({
      when: ({ kind, path }) => kind === 'sync' && path.includes('spare-'),
      code: 'FILE_IO',
    });
    await idleSecond(env);
    expect(await spareNames(env)).toEqual(before);
    await put(wal, 'the log goes on');
    await idleSecond(env);
    expect(wal.stats().spareBytes).toBe(2 * SEGMENT_BYTES);
    await wal.close();
  });

  it.each([
    { what: 'whole', segmentSizeBytes: SEGMENT_BYTES, burstBytes: 3 * SEGMENT_BYTES },
    { what: 'filled in part', segmentSizeBytes: 64 * MIB, burstBytes: 1.1 * MIB },
  ])('are removed when the log is closed: $what', async ({ segmentSizeBytes, burstBytes }) => {
    const env = await memoryEnv();
    const wal = await open(env, { ...LOG, segmentSizeBytes });
    await burst(wal, burstBytes);
    if (segmentSizeBytes === SEGMENT_BYTES) await idleSecond(env);
    expect(await spareNames(env)).not.toEqual([]);
    await wal.close();
    expect(await spareNames(env)).toEqual([]);
  });
});
