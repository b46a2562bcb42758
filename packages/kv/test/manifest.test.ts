import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { Manifest } from '../src/manifest.ts';
import type { ManifestEdit } from '../src/manifest-codec.ts';

const DIRECTORY = '/kv';
const IDENTITY = { clusterId: '0c'.repeat(16), nodeId: '0d'.repeat(16) };
const KIB = 1024;

/** One that is there, with one edit. */
async function made(env: MemoryEnv, first?: Partial<ManifestEdit>): Promise<Manifest> {
  await env.files.makeDirectory(DIRECTORY);
  const manifest = await Manifest.open(env, DIRECTORY, IDENTITY);
  await manifest.commit({ ...editAt(1), ...first });
  return manifest;
}

/** Takes a sector. */
function editAt(appliedIndex: number): ManifestEdit {
  return { appliedIndex, nextTableId: 1, removed: [], added: [], liveBytes: new Map() };
}

async function reopened(env: MemoryEnv, identity = IDENTITY): Promise<number> {
  const manifest = await Manifest.open(env, DIRECTORY, identity);
  await manifest.close();
  return manifest.state.appliedIndex;
}

function rewritings(env: MemoryEnv): number {
  return env.files.operations().filter(({ kind }) => kind === 'rename').length;
}

describe('a MANIFEST', () => {
  test('is written anew above 256 KiB, and the last edit counts', async () => {
    const env = await createMemoryEnv();
    const manifest = await made(env);
    const sizes: number[] = [];
    for (let at = 2; at < 200; at++) {
      await manifest.commit(editAt(at));
      sizes.push(manifest.sizeBytes);
      const { sizeBytes } = (await env.files.stat(`${DIRECTORY}/MANIFEST`)) ?? {};
      expect(sizeBytes).toBe(manifest.sizeBytes);
    }
    expect(Math.max(...sizes)).toBe(256 * KIB + 4096);
    expect(rewritings(env)).toBe(1 + 3);
    await manifest.close();
    expect(await reopened(env)).toBe(199);
  });

  test('of a large index is written anew when it has twice the size that it had then', async () => {
    const env = await createMemoryEnv();
    const liveBytes = new Map(Array.from({ length: 40_000 }, (_, at) => [at, 60_000_000 + at]));
    const manifest = await made(env, { liveBytes });
    const wholeBytes = manifest.sizeBytes;
    expect(wholeBytes).toBeGreaterThan(256 * KIB);
    const edits = wholeBytes / 4096 + 1;
    for (let at = 2; at < 2 + edits; at++) await manifest.commit(editAt(at));
    expect([rewritings(env), manifest.sizeBytes]).toEqual([1, 2 * wholeBytes + 4096]);
    await manifest.commit(editAt(1000));
    expect([rewritings(env), manifest.sizeBytes]).toEqual([2, wholeBytes]);
    await manifest.close();
  });

  test('of another node or cluster is refused, and names both', async () => {
    const env = await createMemoryEnv();
    await (await made(env)).close();
    for (const field of ['clusterId', 'nodeId'] as const) {
      const other = { ...IDENTITY, [field]: 'ab'.repeat(16) };
      await expect(reopened(env, other)).rejects.toMatchObject({
        code: 'KV_INCOMPATIBLE',
        message: expect.stringMatching(/0d0d.* of cluster 0c0c.*, not to node .*abab/),
      });
    }
  });

  test('that found no room to be written anew is what it was, and is written by the next edit', async () => {
    const env = await createMemoryEnv();
    await (await made(env)).close();
    const manifest = await Manifest.open(env, DIRECTORY, IDENTITY);
    for (const kind of ['create', 'write', 'rename']) {
      env.files.failWhen({ when: (operation) => operation.kind === kind, code: 'NO_SPACE' });
      await expect(manifest.complete()).rejects.toMatchObject({ code: 'NO_SPACE' });
      expect(await reopened(env)).toBe(1);
    }
    await manifest.commit(editAt(2));
    await manifest.commit(editAt(3));
    await manifest.close();
    expect(await reopened(env)).toBe(3);
    expect(await env.files.list(DIRECTORY)).toEqual(['MANIFEST']);
  });

  test('whose new name could not be synced may be either after a power cut: that is no want of room', async () => {
    const env = await createMemoryEnv();
    await (await made(env)).close();
    await env.files.syncDirectory('/');
    const manifest = await Manifest.open(env, DIRECTORY, IDENTITY);
    env.files.failWhen({ when: ({ kind }) => kind === 'create', code: 'NO_SPACE' });
    await expect(manifest.complete()).rejects.toMatchObject({ code: 'NO_SPACE' });
    env.files.failWhen({ when: ({ kind }) => kind === 'syncDirectory', code: 'FILE_IO' });
    await expect(manifest.commit(editAt(2))).rejects.toMatchObject({ code: 'FILE_IO' });
    const found = new Set<number>();
    for (const { files } of env.files.crashStates()) {
      found.add(await reopened(await createMemoryEnv({ files })));
    }
    expect(found).toEqual(new Set([1, 2]));
    await manifest.close();
  });
});
