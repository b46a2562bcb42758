import { logIndex, term, utf8 } from '@holdfast/bytes';
import { describe, expect, it } from 'vitest';
import { segmentName } from '../src/file-names.ts';
import { openWal } from '../src/index.ts';
import { BLOCK_BYTES, FORMAT_VERSION, viewOf } from '../src/layout.ts';
import { codeOf, DIRECTORY, IDENTITY, memoryEnv, open, put, SMALL, T1 } from './fixtures/logs.ts';

describe('a bad call is refused with a code', () => {
  it('WAL_RECORD_TOO_LARGE, WAL_INDEX_GAP, WAL_INDEX_NOT_FOUND', async () => {
    const wal = await open(await memoryEnv(), { ...SMALL, recordSizeLimitBytes: 100 });
    const request = { term: T1, kind: 1, head: new Uint8Array(60) };
    const code = (thrown: string): unknown => expect.objectContaining({ code: thrown });
    expect(() => wal.append({ ...request, body: [new Uint8Array(41)] })).toThrow(
      code('WAL_RECORD_TOO_LARGE'),
    );
    expect(() => wal.append({ ...request, index: logIndex(2) })).toThrow(code('WAL_INDEX_GAP'));
    expect(wal.append({ ...request, index: logIndex(1) }).index).toBe(1);
    expect(await codeOf(wal.read(logIndex(2)))).toBe('WAL_INDEX_NOT_FOUND');
    expect(await codeOf(wal.whenDurable(logIndex(2)))).toBe('WAL_INDEX_NOT_FOUND');
    expect(await codeOf(wal.releasePrefix(logIndex(2)))).toBe('WAL_INDEX_NOT_FOUND');
    expect(await codeOf(wal.removeSegments([1]))).toBe('WAL_INDEX_NOT_FOUND');
    const missing = { segmentId: 77, offset: 4096, length: 1, crc: 0 };
    expect(await codeOf(wal.readExtent(missing))).toBe('WAL_INDEX_NOT_FOUND');
    await wal.close();
  });

  it('WAL_CLOSED after close, which may be called twice', async () => {
    const wal = await open(await memoryEnv());
    await put(wal, 'one');
    await wal.close();
    await wal.close();
    expect(await codeOf(put(wal, 'two'))).toBe('WAL_CLOSED');
    expect(await codeOf(wal.read(logIndex(1)))).toBe('WAL_CLOSED');
    expect(await codeOf(wal.sync())).toBe('WAL_CLOSED');
  });

  it('WAL_LOCKED while the log is open, and not after', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    expect(await codeOf(open(env))).toBe('WAL_LOCKED');
    await wal.close();
    await (await open(env)).close();
  });

  it('WAL_TRUNCATES_COMMITTED at and below the committed index', async () => {
    const wal = await open(await memoryEnv());
    await put(wal, 'one');
    await put(wal, 'two');
    await wal.saveHardState({ term: term(1), votedFor: undefined, commitIndex: logIndex(1) });
    expect(await codeOf(wal.truncateSuffix(logIndex(1)))).toBe('WAL_TRUNCATES_COMMITTED');
    await wal.truncateSuffix(logIndex(2));
    expect(wal.lastIndex).toBe(1);
    await wal.close();
  });

  it('settings that cannot be are a mistake of the program, and make no folder', async () => {
    const env = await memoryEnv();
    const wrong = [
      { segmentSizeBytes: 12_288 },
      { segmentSizeBytes: 20_000 },
      { segmentSizeBytes: 2 ** 31 + 4096 },
      { recordSizeLimitBytes: 0 },
      { batchSizeLimitBytes: 1.5 },
      { pendingSizeLimitBytes: 2 ** 32 + 1 },
      { cacheSizeBytes: -1 },
      { identity: { ...IDENTITY, nodeId: 'n1' } },
    ];
    for (const each of wrong) {
      const options = { env, directory: DIRECTORY, identity: IDENTITY, ...each };
      await expect(openWal(options), JSON.stringify(each)).rejects.toThrow(
        /must be|32 lower-case hexadecimal digits/,
      );
    }
    expect(env.files.operationCount).toBe(0);
  });

  it('a term that goes back is a mistake of the program', async () => {
    const wal = await open(await memoryEnv());
    wal.append({ term: term(2), kind: 1, head: utf8('a') });
    expect(() => wal.append({ term: term(1), kind: 1, head: utf8('b') })).toThrow(
      /term 1 after term 2/,
    );
    await wal.close();
  });
});

describe('a bad folder is refused with a code, and nothing in it is changed', () => {
  it('WAL_FOREIGN_SEGMENT where node or cluster differ', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    await put(wal, 'one');
    await wal.close();
    const before = env.files.operationCount;
    for (const identity of [
      { ...IDENTITY, nodeId: '0e'.repeat(16) },
      { ...IDENTITY, clusterId: '0e'.repeat(16) },
    ]) {
      expect(await codeOf(openWal({ env, directory: DIRECTORY, identity, ...SMALL }))).toBe(
        'WAL_FOREIGN_SEGMENT',
      );
    }
    for (const { kind } of env.files.operations().slice(before)) {
      // A sync changes nothing that is read.
      expect(['sync', 'syncDirectory']).toContain(kind);
    }
  });

  it('WAL_NEWER_FORMAT where a newer version wrote a segment', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    await put(wal, 'one');
    await wal.close();
    const path = `${DIRECTORY}/${segmentName(1, 1)}`;
    const handle = await env.files.open(path, 'write');
    const block = new Uint8Array(BLOCK_BYTES);
    await handle.read(block, 0);
    const view = viewOf(block);
    view.setUint16(4, FORMAT_VERSION + 1, true);
    view.setUint32(BLOCK_BYTES - 4, env.crc32c(block.subarray(0, BLOCK_BYTES - 4)), true);
    await handle.writeSynced(block, 0);
    expect(await codeOf(open(env))).toBe('WAL_NEWER_FORMAT');
  });
});
