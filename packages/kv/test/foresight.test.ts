import { utf8 } from '@holdfast/bytes';
import type { DiskOperation } from '@holdfast/env/memory';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { encodeEntry } from '../src/entry-codec.ts';
import type { Operation, Transaction } from '../src/index.ts';
import { USER_SPACE } from '../src/key-space.ts';
import { KvEngine } from '../src/kv-engine.ts';
import { open, put } from './fixtures/crash-enumeration.ts';

const KEY = utf8('key');
const IDENTITY = { clusterId: '1'.repeat(32), nodeId: '2'.repeat(32) };

async function openEngine() {
  const env = await createMemoryEnv();
  await env.files.makeDirectory('/kv');
  const sizes = { blockCacheSizeBytes: 1e6, tableCountLimit: 4, sessionLimit: 2 };
  const engine = await KvEngine.open({ env, directory: '/kv', identity: IDENTITY, ...sizes });
  const record = (index: number, transaction: Transaction) => {
    const { head } = encodeEntry(transaction, env.bodyChecksum);
    return { index, head, body: undefined };
  };
  return { engine, record };
}

function putText(text: string): Operation {
  return { kind: 'put', key: KEY, value: utf8(text) };
}

describe('what is found out about records before they are durable', () => {
  test('is not used once the key has moved to another part of the index', async () => {
    const { engine, record } = await openEngine();
    await engine.applyBatch([record(1, { operations: [putText('one')] })]);
    const conditions = [{ kind: 'exists', key: KEY }] as const;
    const second = record(2, { conditions, operations: [putText('two')] });
    const foresight = await engine.foresee([second]);
    engine.freeze();
    await engine.index.flush();
    expect(await engine.applyBatch([second], foresight)).toEqual([
      { committed: true, revision: 2 },
    ]);
    await engine.close();
  });

  test('is not used for another record with the same index', async () => {
    const { engine, record } = await openEngine();
    const foresight = await engine.foresee([record(1, { operations: [putText('withdrawn')] })]);
    await engine.applyBatch([record(1, { operations: [putText('given')] })], foresight);
    expect(await engine.index.get(Uint8Array.of(USER_SPACE, ...KEY))).toMatchObject({
      value: utf8('given'),
    });
    await engine.close();
  });

  test('is used for those of the records that are applied', async () => {
    const { engine, record } = await openEngine();
    const records = [1, 2, 3].map((index) => record(index, { operations: [putText(`${index}`)] }));
    const foresight = await engine.foresee(records);
    await engine.applyBatch(records.slice(0, 2), foresight);
    expect(engine.appliedIndex).toBe(2);
    await engine.applyBatch(records.slice(2), foresight);
    expect(engine.appliedIndex).toBe(3);
    await engine.close();
  });
});

test('tables are read for the keys of a transaction while the log writes it', async () => {
  const clock = new ManualClock();
  let isSlow = false;
  let reads = 0;
  const latencyMs = ({ kind, path }: DiskOperation) => {
    if (kind === 'read' && path.endsWith('.table')) reads++;
    return isSlow && kind === 'writeSynced' ? 1000 : 0;
  };
  const env = await createMemoryEnv({ clock, latencyMs });
  const turns = async () => {
    for (let turn = 0; turn < 50; turn++) await env.files.stat('/');
  };
  const store = await open(env);
  await store.transact({ operations: [put('key', 10)] });
  await store.flush();
  isSlow = true;
  reads = 0;
  const writing = store.transact({ operations: [put('key', 20)] });
  await turns();
  expect(reads).toBe(1);
  expect((await store.get(KEY))?.valueSizeBytes).toBe(10);
  isSlow = false;
  for (let turn = 0; turn < 5; turn++) {
    clock.advance(1000);
    await turns();
  }
  await writing;
  expect(reads).toBeLessThanOrEqual(2);
  expect((await store.get(KEY))?.valueSizeBytes).toBe(20);
  await store.close();
});
