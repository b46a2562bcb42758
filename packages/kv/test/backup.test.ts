import { utf8 } from '@holdfast/bytes';
import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../src/backup/backup-folder.ts';
import { encodeManifest, manifestName } from '../src/backup/backup-manifest.ts';
import {
  listBackups,
  openLocalStore,
  type RestoreAim,
  restoreBackup,
  verifyBackups,
} from '../src/index.ts';
import { Script } from './crash/script.ts';
import {
  contentsOf,
  DIRECTORY,
  del,
  MIXED,
  open,
  put,
  TINY,
} from './fixtures/crash-enumeration.ts';

const TARGET = '/backups';

async function restored(
  env: MemoryEnv,
  directory: string,
  aim: RestoreAim = {},
): Promise<string[]> {
  const report = await restoreBackup(env, { from: TARGET, directory, ...aim });
  const store = await openLocalStore({ env, directory, settings: TINY });
  try {
    expect(store.identity).toEqual(report.identity);
    expect(store.status().revision).toBe(report.index);
    return await contentsOf(store);
  } finally {
    await store.close();
  }
}

/** Large and small values, deletes and merges, and a tail of the log that is in no table. */
async function lively(
  env: MemoryEnv,
): Promise<{ script: Script; store: Awaited<ReturnType<typeof open>> }> {
  const store = await open(env);
  const script = new Script(store);
  await MIXED(store, script);
  for (let turn = 0; turn < 12; turn++) {
    await script.transact({ operations: [put(`tail-${turn % 5}`, 1500 + turn * 300)] });
    if (turn % 4 === 3) await script.transact({ operations: [del(`tail-${turn % 5}`)] });
  }
  return { script, store };
}

/** The files of a folder of backups, as another machine sees them. */
async function copyFolder(from: MemoryEnv, to: MemoryEnv, directory: string): Promise<void> {
  await to.files.makeDirectory(directory);
  await to.files.makeDirectory(`${directory}/files`);
  const names = await from.files.list(directory);
  const stored = await from.files.list(`${directory}/files`);
  const kept = names.filter((name) => name.startsWith('manifest-'));
  for (const name of [...kept, ...stored.map((each) => `files/${each}`)]) {
    const source = await from.files.open(`${directory}/${name}`, 'read');
    const content = new Uint8Array(await source.sizeBytes());
    await source.read(content, 0);
    await source.close();
    const target = await to.files.open(`${directory}/${name}`, 'create');
    await target.write(content, 0);
    await target.close();
  }
}

describe('a restored store', () => {
  test('holds exactly what was there, at every index of the window', async () => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    const report = await store.backup({ to: TARGET });
    expect(report.index).toBe(script.moment.acknowledged);
    expect(report.index - report.oldestIndex).toBeGreaterThan(10);
    for (let atIndex = report.oldestIndex; atIndex <= report.index; atIndex++) {
      const contents = await restored(env, `/restored-${atIndex}`, { atIndex });
      expect(contents, `index ${atIndex}`).toEqual(script.contents[atIndex]);
    }
    await store.close();
  });

  test('is a new node of a new cluster, and can be written, compacted and backed up in its turn', async () => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    const { index } = await store.backup({ to: TARGET });
    await store.close();
    await restoreBackup(env, { from: TARGET, directory: '/second', atIndex: index - 3 });
    const second = await openLocalStore({ env, directory: '/second', settings: TINY });
    expect(second.identity.nodeId).not.toBe(store.identity.nodeId);
    expect(second.identity.clusterId).not.toBe(store.identity.clusterId);
    const { revision } = await second.transact({ operations: [put('x', 5000)] });
    expect(revision).toBe(index - 2);
    await second.compact();
    await second.backup({ to: '/backups-2' });
    const contents = await contentsOf(second);
    expect(contents.length).toBe((script.contents[index - 3]?.length ?? 0) + 1);
    await second.close();
    expect((await verifyBackups(env, '/backups-2')).flatMap(({ problems }) => problems)).toEqual(
      [],
    );
    await restoreBackup(env, { from: '/backups-2', directory: '/third' });
    const third = await openLocalStore({ env, directory: '/third', settings: TINY });
    expect(await contentsOf(third)).toEqual(contents);
    await third.close();
  });

  test('has the values that compaction had moved', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    const script = new Script(store);
    const keys = Array.from({ length: 12 }, (_, at) => `key-${at}`);
    for (const key of keys)
      await script.transact({ operations: [put(key, 3000 + keys.indexOf(key))] });
    for (const key of keys) {
      if (keys.indexOf(key) % 4 !== 0) await script.transact({ operations: [del(key)] });
    }
    await store.compact();
    await script.transact({ operations: [del('key-0'), put('key-1', 4000)] });
    const { oldestIndex, index } = await store.backup({ to: TARGET });
    await store.close();
    const [manifest] = await listBackups(env, TARGET);
    expect(manifest?.extents.length).toBeGreaterThan(0);
    expect((await verifyBackups(env, TARGET))[0]?.problems).toEqual([]);
    for (const atIndex of [oldestIndex, index]) {
      const contents = await restored(env, `/at-${atIndex}`, { atIndex });
      expect(contents).toEqual(script.contents[atIndex]);
    }
  });

  test('remembers the answers to sessions', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    const session = { clientId: 'me', sequence: 4 };
    const first = await store.transact({ operations: [put('a', 1)], session });
    await store.flush();
    await store.backup({ to: TARGET });
    await store.close();
    await restoreBackup(env, { from: TARGET, directory: '/second' });
    const second = await openLocalStore({ env, directory: '/second', settings: TINY });
    expect(await second.transact({ operations: [put('a', 2)], session })).toEqual(first);
    await second.close();
  });

  test('of an empty store is empty', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await store.backup({ to: TARGET });
    await store.close();
    expect(await restored(env, '/second')).toEqual([]);
  });
});

test('a backup into the folder of the store itself is refused, and leaves nothing there', async () => {
  const env = await createMemoryEnv();
  const store = await open(env);
  await store.transact({ operations: [put('a', 10)] });
  for (const part of ['', '/kv', '/wal', '/wal/backups', '/backups']) {
    const refused = store.backup({ to: DIRECTORY + part });
    await expect(refused).rejects.toMatchObject({ code: 'KV_INVALID_ARGUMENT' });
  }
  for (const { path } of env.files.listAll(DIRECTORY)) expect(path).not.toMatch(/files|backups/);
  await store.close();
});

describe('the window', () => {
  test('is named where an index is outside of it', async () => {
    const env = await createMemoryEnv();
    const { store } = await lively(env);
    await store.flush();
    const { index } = await store.backup({ to: TARGET });
    await store.close();
    for (const atIndex of [index - 1, index + 1]) {
      const refused = restoreBackup(env, { from: TARGET, directory: '/no', atIndex });
      await expect(refused).rejects.toThrow(
        `index ${atIndex} cannot be restored; what can be restored: index ${index} to ${index} (backup of 20`,
      );
    }
    expect(await env.files.stat('/no')).toBeUndefined();
  });

  test('goes on from one backup to the next as far as their segments follow each other', async () => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    await script.transact({ operations: [put('keeps-its-segment', 2000)] });
    const first = await store.backup({ to: TARGET });
    for (let turn = 0; turn < 8; turn++) {
      await script.transact({ operations: [put(`later-${turn}`, 5000 + turn)] });
    }
    await store.flush();
    await script.transact({ operations: [put('last', 5)] });
    const second = await store.backup({ to: TARGET });
    expect(second.oldestIndex).toBe(first.index + 8);
    for (let atIndex = first.oldestIndex; atIndex <= second.index; atIndex++) {
      const contents = await restored(env, `/restored-${atIndex}`, { atIndex });
      expect(contents, `index ${atIndex}`).toEqual(script.contents[atIndex]);
    }
    // Now what leads from the second to the third is removed before the third is made.
    const gone = Array.from({ length: 8 }, (_, turn) => put(`gone-${turn}`, 5000 + turn));
    for (const operation of gone) await script.transact({ operations: [operation] });
    await script.transact({ operations: gone.map((_, turn) => del(`gone-${turn}`)) });
    for (let turn = 0; turn < 4; turn++) await script.transact({ operations: [put('a', 5000)] });
    await store.compact();
    const third = await store.backup({ to: TARGET });
    await store.close();
    const refused = restoreBackup(env, {
      from: TARGET,
      directory: '/no',
      atIndex: third.index - 1,
    });
    await expect(refused).rejects.toThrow(
      new RegExp(
        `what can be restored: index ${first.oldestIndex} to \\d+ \\(backup of [^)]+\\), index ${third.index} to ${third.index} `,
      ),
    );
    expect((await verifyBackups(env, TARGET)).flatMap(({ problems }) => problems)).toEqual([]);
  });

  test('by time ends at the newest state that is known to be no younger', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    const script = new Script(store);
    await script.transact({ operations: [put('a', 3000)] });
    await store.backup({ to: TARGET });
    const firstMs = env.clock.nowMs();
    env.manualClock.advance(60_000);
    await script.transact({ operations: [put('a', 4000)] });
    await store.backup({ to: TARGET });
    await store.close();
    const states = script.contents;
    expect(await restored(env, '/one', { atMs: firstMs })).toEqual(states[1]);
    expect(await restored(env, '/two', { atMs: firstMs + 59_999 })).toEqual(states[1]);
    expect(await restored(env, '/three', { atMs: firstMs + 60_000 })).toEqual(states[2]);
    const tooOld = restoreBackup(env, { from: TARGET, directory: '/no', atMs: firstMs - 1 });
    await expect(tooOld).rejects.toThrow('is known to be as old as');
  });
});

describe('a backup', () => {
  test('copies no file that an earlier one has brought, and links where it can', async () => {
    const env = await createMemoryEnv();
    const { store } = await lively(env);
    const first = await store.backup({ to: TARGET });
    expect(first.linkedBytes).toBeGreaterThan(16 * 1024);
    await store.transact({ operations: [put('more', 2000)] });
    const second = await store.backup({ to: TARGET });
    expect(second.reusedBytes).toBe(first.linkedBytes);
    // The segment that was open then is sealed now; and there is the open one, and the list of tables.
    expect(second.linkedBytes).toBeLessThanOrEqual(16 * 1024);
    expect(second.copiedBytes).toBeLessThanOrEqual(16 * 1024 + 8192);
    const third = await store.backup({ to: TARGET });
    expect([third.linkedBytes, third.copiedBytes]).toEqual([0, second.copiedBytes]);
    await store.close();
  });

  test('copies where it cannot link', async () => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    env.files.failWhen({
      when: ({ kind, to = '' }) => kind === 'link' && to.startsWith(TARGET),
      code: 'FILE_IO',
      times: 1000,
    });
    const { copiedBytes, linkedBytes, sizeBytes } = await store.backup({ to: TARGET });
    expect([linkedBytes, copiedBytes]).toEqual([0, sizeBytes]);
    await store.close();
    expect((await verifyBackups(env, TARGET))[0]?.problems).toEqual([]);
    expect(await restored(env, '/second')).toEqual(script.contents.at(-1));
  });

  test('brings a file again that was lost from the folder', async () => {
    const env = await createMemoryEnv();
    const { store } = await lively(env);
    await store.backup({ to: TARGET });
    const [segment] = (await listBackups(env, TARGET))[0]?.segments ?? [];
    await env.files.unlink(`${TARGET}/files/${segment?.sha256}`);
    const [broken] = await verifyBackups(env, TARGET);
    expect(broken?.problems[0]).toContain('is missing');
    await store.backup({ to: TARGET });
    const [healed] = await verifyBackups(env, TARGET);
    expect(healed?.problems).toEqual([]);
    await store.close();
  });

  test('is not vouched for where a value was damaged before it was copied', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    for (const key of ['a', 'b', 'c']) {
      await store.transact({ operations: [put(key, 3000), put(`${key}-2`, 3000)] });
    }
    await store.transact({ operations: ['a', 'b', 'c'].map((key) => del(key)) });
    await store.compact();
    await store.backup({ to: TARGET });
    await store.close();
    const [manifest] = await listBackups(env, TARGET);
    const moved = manifest?.extents[0];
    if (manifest === undefined || moved === undefined) throw new Error('no value was moved');
    // As if the node's own file had rotted: the backup's SHA-256 is of what was copied.
    const path = `${TARGET}/files/${moved.sha256}`;
    env.files.corrupt(path, { offset: Math.floor(moved.sizeBytes / 2) });
    const copied = await fingerprint(env, path);
    await env.files.rename(path, `${TARGET}/files/${copied.sha256}`);
    const extents = [{ ...moved, ...copied }, ...manifest.extents.slice(1)];
    const file = await env.files.open(`${TARGET}/${manifestName(manifest.index)}`, 'write');
    await file.truncate(0);
    await file.write(encodeManifest(env, { ...manifest, extents }), 0);
    await file.close();
    const [verified] = await verifyBackups(env, TARGET);
    expect(verified?.problems).toEqual([
      expect.stringMatching(/a value in segment \d+ at \d+ is not whole/),
    ]);
  });

  test('keeps as many as are asked for, and no file that none of them needs', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    const script = new Script(store);
    for (let turn = 0; turn < 5; turn++) {
      await script.transact({ operations: [put('a', 5000 + turn), put('b', 6000)] });
      await store.compact();
      await store.backup({ to: TARGET, keep: 2 });
    }
    await store.close();
    const backups = await verifyBackups(env, TARGET);
    expect(backups.map(({ index, problems }) => [index, problems])).toEqual([
      [4, []],
      [5, []],
    ]);
    const stored = await env.files.list(`${TARGET}/files`);
    expect(stored.length).toBeLessThanOrEqual(backups.reduce((sum, { files }) => sum + files, 0));
    expect(await restored(env, '/four', { atIndex: 4 })).toEqual(script.contents[4]);
  });

  test('leaves files alone that are not of a backup', async () => {
    const env = await createMemoryEnv();
    const names = ['draft.tmp', 'letter.txt'];
    await env.files.makeDirectory(TARGET);
    await env.files.makeDirectory(`${TARGET}/files`);
    for (const name of names) {
      await (await env.files.open(`${TARGET}/files/${name}`, 'create')).close();
    }
    const store = await open(env);
    await store.backup({ to: TARGET });
    await store.transact({ operations: [put('a', 5000)] });
    await store.backup({ to: TARGET, keep: 1 });
    await store.close();
    expect(await env.files.list(`${TARGET}/files`)).toEqual(expect.arrayContaining(names));
  });

  test('of an older copy of the folder is refused beside later ones', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await store.transact({ operations: [put('a', 5000)] });
    await store.close();
    const older = await createMemoryEnv({ files: env.files.clone() });
    const later = await open(env);
    await later.transact({ operations: [put('a', 6000)] });
    await later.transact({ operations: [put('a', 7000)] });
    await later.backup({ to: TARGET });
    await later.close();
    await copyFolder(env, older, TARGET);
    const back = await open(older);
    await back.transact({ operations: [put('b', 6000)] });
    const refused = back.backup({ to: TARGET, keep: 1 });
    await expect(refused).rejects.toThrow(
      'holds a backup of index 3, and the log of this node ends at 2',
    );
    expect((await listBackups(older, TARGET)).map(({ index }) => index)).toEqual([3]);
    expect((await back.backup({ to: '/others', keep: 1 })).index).toBe(2);
    await back.close();
  });

  test('of another node is refused in the same folder', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await store.backup({ to: TARGET });
    await store.close();
    const other = await openLocalStore({ env, directory: '/other', settings: TINY });
    await expect(other.backup({ to: TARGET })).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
    await other.close();
  });

  test('holds one moment while writes, flushes, merges and removal go on', async () => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    let running = true;
    const load = (async () => {
      for (let turn = 0; running; turn++) {
        await script.transact({ operations: [put(`load-${turn % 3}`, 4000 + (turn % 90))] });
        await store.compact();
      }
    })();
    try {
      for (let turn = 0; turn < 5; turn++) await store.backup({ to: TARGET, keep: 3 });
    } finally {
      running = false;
      await load;
    }
    await store.close();
    const backups = await verifyBackups(env, TARGET);
    expect(backups.flatMap(({ problems }) => problems)).toEqual([]);
    for (const { index } of backups) {
      const contents = await restored(env, `/at-${index}`, { atIndex: index });
      expect(contents, `index ${index}`).toEqual(script.contents[index]);
    }
    expect(await env.files.list('/data')).not.toContain('backup-pin');
  });

  test('that fails leaves the store as it was', async () => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    env.files.failWhen({ when: ({ path }) => path.startsWith(TARGET), code: 'NO_SPACE' });
    await expect(store.backup({ to: TARGET })).rejects.toThrow();
    await script.transact({ operations: [put('after', 2000)] });
    expect(await env.files.list('/data')).not.toContain('backup-pin');
    await store.backup({ to: TARGET });
    await store.close();
    expect(await restored(env, '/second')).toEqual(script.contents.at(-1));
  });
});

test.each(['FILE_ACCESS_DENIED', 'FILE_IO'] as const)(
  'a folder without hard links (%s) is told as that, and goes on',
  async (code) => {
    const env = await createMemoryEnv();
    const { script, store } = await lively(env);
    env.files.failWhen({ when: ({ kind }) => kind === 'link', code });
    await expect(store.backup({ to: TARGET })).rejects.toMatchObject({
      code: 'KV_INVALID_ARGUMENT',
      message: expect.stringContaining('a backup needs hard links in the data folder'),
    });
    await script.transact({ operations: [put('after', 2000)] });
    await store.close();
  },
);

describe('verify', () => {
  test('finds a flipped bit, a missing end and a lost file of every kind', async () => {
    const env = await createMemoryEnv();
    const { store } = await lively(env);
    await store.backup({ to: TARGET });
    await store.close();
    const [manifest] = await listBackups(env, TARGET);
    for (const { sha256, sizeBytes } of [
      ...(manifest?.segments ?? []),
      ...(manifest?.tables ?? []),
    ]) {
      const damagedEnv = await createMemoryEnv({ files: env.files.clone() });
      const path = `${TARGET}/files/${sha256}`;
      const file = await damagedEnv.files.open(path, 'write');
      const at = Math.floor(sizeBytes / 2);
      const byte = new Uint8Array(1);
      await file.read(byte, at);
      await file.write(byte.fill((byte[0] ?? 0) ^ 4), at);
      await file.close();
      const [flipped] = await verifyBackups(damagedEnv, TARGET);
      expect(flipped?.problems[0]).toContain('does not match its SHA-256');
    }
  });

  test('and restore refuse a folder without a manifest', async () => {
    const env = await createMemoryEnv();
    await env.files.makeDirectory(TARGET);
    await expect(verifyBackups(env, TARGET)).rejects.toThrow('holds no finished backup');
    const refused = restoreBackup(env, { from: TARGET, directory: '/no' });
    await expect(refused).rejects.toThrow('holds no finished backup');
  });

  test('refuses a manifest that was changed', async () => {
    const env = await createMemoryEnv();
    const store = await open(env);
    await store.backup({ to: TARGET });
    await store.close();
    const name = (await env.files.list(TARGET)).find((each) => each.startsWith('manifest-')) ?? '';
    const file = await env.files.open(`${TARGET}/${name}`, 'write');
    const bytes = new Uint8Array(await file.sizeBytes());
    await file.read(bytes, 0);
    const text = new TextDecoder().decode(bytes).replace('"oldestIndex": 0', '"oldestIndex": 1');
    await file.write(utf8(text), 0);
    await file.close();
    await expect(verifyBackups(env, TARGET)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  });
});

test('a restore refuses a folder that is in use', async () => {
  const env = await createMemoryEnv();
  const { store } = await lively(env);
  await store.backup({ to: TARGET });
  await store.close();
  const refused = restoreBackup(env, { from: TARGET, directory: '/data' });
  await expect(refused).rejects.toThrow('/data holds a store already');
});
