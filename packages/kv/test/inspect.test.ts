import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { ManifestFinding, TableFinding } from '../src/index.ts';
import {
  describeManifestFinding,
  describeTableFinding,
  inspectManifest,
  inspectTable,
  openLocalStore,
} from '../src/index.ts';

const TABLE = '/d/kv/000000000001.table';

/** A stopped store with two tables, the first of several blocks. */
async function stoppedStore(): Promise<MemoryEnv> {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  const put = (key: string, value: Uint8Array) =>
    store.transact({ operations: [{ kind: 'put', key: utf8(key), value }] });
  for (let at = 0; at < 200; at++) await put(`key-${at}`, new Uint8Array(200).fill(at));
  await put('large', new Uint8Array(5000));
  await store.flush();
  await store.transact({ operations: [{ kind: 'delete', key: utf8('key-7') }] });
  await store.flush();
  await store.close();
  return env;
}

async function collected<T>(findings: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const finding of findings) all.push(finding);
  return all;
}

const inspectedTable = (env: MemoryEnv): Promise<TableFinding[]> =>
  collected(inspectTable(env, TABLE));
const inspectedManifest = (env: MemoryEnv): Promise<ManifestFinding[]> =>
  collected(inspectManifest(env, '/d/kv'));
const damagesOf = (findings: readonly { readonly kind: string }[]): object[] =>
  findings.filter(({ kind }) => kind === 'damage');

test('a whole table is shown with every block, and its counts agree', async () => {
  const findings = await inspectedTable(await stoppedStore());
  const blocks = findings.filter((finding) => finding.kind === 'block');
  expect(blocks.length).toBeGreaterThan(3);
  expect(blocks.reduce((sum, { entries }) => sum + entries, 0)).toBe(201);
  expect(blocks.reduce((sum, { extents }) => sum + extents, 0)).toBe(1);
  expect(findings.at(-1)).toMatchObject({ kind: 'end', entries: 201, damages: 0 });
  expect(findings.map(describeTableFinding).join('\n')).toContain('201 entries');
});

test('a damaged block is named with its offset, and the blocks behind it are shown', async () => {
  const env = await stoppedStore();
  const blocks = (await inspectedTable(env)).filter((finding) => finding.kind === 'block');
  const second = blocks[1]!;
  env.files.corrupt(TABLE, { offset: second.offset + 5 });
  const findings = await inspectedTable(env);
  expect(damagesOf(findings)).toEqual([
    {
      kind: 'damage',
      file: '000000000001.table',
      offset: second.offset,
      problem: 'wrong checksum of the block 1',
    },
  ]);
  const left = findings.filter((finding) => finding.kind === 'block').map(({ block }) => block);
  expect(left).toEqual(blocks.map(({ block }) => block).filter((block) => block !== 1));
  expect(findings.map(describeTableFinding).join('\n')).toContain('DAMAGED');
});

test('a bit flipped anywhere in a table is found', async () => {
  const whole = await stoppedStore();
  const sizeBytes = (await whole.files.stat(TABLE))!.sizeBytes;
  for (let offset = 0; offset < sizeBytes; offset += offset < 16 ? 1 : 61) {
    const env = { ...whole, files: whole.files.clone() } as MemoryEnv;
    env.files.corrupt(TABLE, { offset });
    expect(damagesOf(await inspectedTable(env)), `offset ${offset}`).not.toEqual([]);
  }
});

test('a table that is cut short is damage and no crash of the inspection', async () => {
  for (const keptBytes of [0, 10, 60, 5000]) {
    const env = await stoppedStore();
    const file = await env.files.open(TABLE, 'write');
    await file.truncate(keptBytes);
    await file.close();
    expect(damagesOf(await inspectedTable(env))).not.toEqual([]);
  }
});

test('a MANIFEST is shown record by record, with the state that it adds up to', async () => {
  const findings = await inspectedManifest(await stoppedStore());
  expect(findings.map(({ kind }) => kind)).toEqual(['identity', 'edit', 'edit', 'edit', 'state']);
  expect(findings.at(-1)).toMatchObject({
    appliedIndex: 202,
    tables: [{ tableId: 2 }, { tableId: 1 }],
  });
  expect(JSON.parse(JSON.stringify(findings))).toEqual(findings);
  expect(findings.map(describeManifestFinding).join('\n')).toContain('tables, newest first');
});

test('a damaged record in a MANIFEST is named, and the records behind it are shown', async () => {
  const env = await stoppedStore();
  env.files.corrupt('/d/kv/MANIFEST', { offset: 4096 + 20 });
  const findings = await inspectedManifest(env);
  expect(findings.map(({ kind }) => kind)).toEqual(['identity', 'damage', 'edit', 'edit', 'state']);
  expect(damagesOf(findings)).toMatchObject([{ offset: 4096 }]);
});

test('a torn edit at the end of a MANIFEST is not taken for damage', async () => {
  const env = await stoppedStore();
  const file = await env.files.open('/d/kv/MANIFEST', 'write');
  const sizeBytes = await file.sizeBytes();
  await file.write(new Uint8Array(100).fill(7), sizeBytes);
  await file.close();
  const findings = await inspectedManifest(env);
  expect(damagesOf(findings)).toEqual([]);
  expect(findings).toContainEqual({
    kind: 'torn',
    file: 'MANIFEST',
    offset: sizeBytes,
    sizeBytes: 100,
  });
});

test('a folder without a MANIFEST has nothing to show', async () => {
  expect(
    await inspectedManifest(
      await createMemoryEnv().then(async (env) => {
        await env.files.makeDirectory('/d/kv');
        return env;
      }),
    ),
  ).toEqual([]);
});
