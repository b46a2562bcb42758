import { describe, expect, it } from 'vitest';
import { describeFinding, inspectWal, type WalFinding } from '../src/index.ts';
import { DIRECTORY, memoryEnv, open, put } from './fixtures/logs.ts';

describe('inspectWal', () => {
  it('lists slots, segments and batches, beside an open log, and changes nothing', async () => {
    const env = await memoryEnv();
    const wal = await open(env, { segmentSizeBytes: 28672, preallocate: false });
    for (const text of ['one', 'two', 'three']) await put(wal, text);
    const before = env.files.operationCount;
    const lines: string[] = [];
    for await (const finding of inspectWal(env, DIRECTORY)) lines.push(describeFinding(finding));
    expect(env.files.operationCount).toBe(before);
    expect(lines).toMatchSnapshot();
    await wal.close();
  });

  it('says where a damaged log stops being whole', async () => {
    const env = await memoryEnv();
    const wal = await open(env);
    for (const text of ['one', 'two']) await put(wal, text);
    const path = wal.segments()[0]?.path ?? '';
    await wal.close();
    env.files.corrupt(path, { offset: 8192 + 97 });
    env.files.corrupt(`${DIRECTORY}/state-b`, { offset: 9 });
    const findings: WalFinding[] = [];
    for await (const finding of inspectWal(env, DIRECTORY)) findings.push(finding);
    expect(findings.find(({ kind }) => kind === 'end')).toMatchObject({
      offset: 8192,
      lastIndex: 1,
      sealed: false,
      problem: expect.stringContaining('checksums'),
    });
    expect(findings.find(({ file }) => file === 'state-b')).toMatchObject({ slot: 'damaged' });
    expect(JSON.parse(JSON.stringify(findings))).toHaveLength(findings.length);
  });
});

describe('a segment that becomes shorter while it is read', () => {
  it('is read as far as it is there, whenever that happens', async () => {
    for (let at = 0; at < 200; at += 1) {
      const env = await memoryEnv();
      const wal = await open(env);
      await put(wal, 'one');
      const path = wal.segments()[0]?.path ?? '';
      await wal.close();
      const file = await env.files.open(path, 'write');
      const reading = (async () => {
        const findings: WalFinding[] = [];
        for await (const finding of inspectWal(env, DIRECTORY)) findings.push(finding);
        return findings.map(({ kind }) => kind);
      })();
      for (let turn = 0; turn < at; turn++) await Promise.resolve();
      await file.truncate(4096);
      expect(await reading, `after ${at} turns`).toContain('segment');
      await file.close();
    }
  });
});
