/** How the files of a damaged node are set aside, and what of that a power cut may leave (ADR 0027). */
import { fromUtf8, utf8 } from '@holdfast/bytes';
import { createMemoryEnv, type MemoryEnv, type MemoryFiles } from '@holdfast/env/memory';
import { KvError, readWholeFile, replaceFile } from '@holdfast/kv';
import { WalError } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { endRejoining, isDamage, isRejoining, setAside } from '../src/damaged-folder.ts';
import { type Member, readMember, writeMember } from '../src/member-file.ts';

const CLUSTER = 'c'.repeat(32);
const OLD: Member = {
  incarnation: '1'.repeat(16),
  clusterId: CLUSTER,
  // After a recovery from the loss of a quorum.
  filesClusterId: 'd'.repeat(32),
};
const OWN = ['kv/MANIFEST', 'node.json', 'wal/1.wal'];
/** What a power cut leaves of a name is in question here, not what it leaves of a write. */
const WHOLE = {
  sampleCount: 2,
  exhaustiveLimit: 3,
  torn: false,
  garbled: false,
  entries: 'unordered',
} as const;
const OTHERS = 'users.json';

/** A node's folder, of which everything is durable. */
async function folder(files?: MemoryFiles): Promise<MemoryEnv> {
  const env = await createMemoryEnv({ seed: 1, ...(files === undefined ? {} : { files }) });
  if (files !== undefined) return env;
  for (const path of ['/data', '/data/wal', '/data/kv']) await env.files.makeDirectory(path);
  await env.files.syncDirectory('/');
  for (const path of [...OWN, OTHERS]) {
    const [name = '', directory] = path.split('/').reverse();
    await replaceFile(env.files, `/data${directory ? `/${directory}` : ''}`, name, utf8(path));
  }
  await writeMember(env, '/data', OLD);
  return env;
}

async function textOf(env: MemoryEnv, path: string): Promise<string | undefined> {
  const content = await readWholeFile(env.files, `/data/${path}`);
  return content === undefined ? undefined : fromUtf8(content);
}

async function mustHave(env: MemoryEnv, directory: string, label: string): Promise<void> {
  for (const path of OWN) expect(await textOf(env, `${directory}${path}`), label).toBe(path);
}

/** All is aside, nothing of it is where it was, and what is there is a folder of its own. */
async function mustBeAside(env: MemoryEnv, label: string): Promise<void> {
  await mustHave(env, 'damaged-1/', label);
  expect(await readMember(env, '/data/damaged-1'), label).toEqual(OLD);
  for (const path of OWN) expect(await textOf(env, path), label).toBeUndefined();
  const member = await readMember(env, '/data');
  expect(member, label).toMatchObject({ clusterId: CLUSTER, filesClusterId: CLUSTER });
  expect(member?.incarnation, label).not.toBe(OLD.incarnation);
  expect(await textOf(env, OTHERS), label).toBe(OTHERS);
}

/** What the next start makes of it. */
async function gone(env: MemoryEnv, label: string): Promise<boolean> {
  const rejoins = await isRejoining(env, '/data', CLUSTER);
  if (rejoins) {
    await mustBeAside(env, label);
  } else {
    await mustHave(env, '', label);
    expect(await readMember(env, '/data'), label).toEqual(OLD);
  }
  return rejoins;
}

test('files are set aside as a whole, whenever a power cut comes, and again in what that goes on with', async () => {
  const made = await folder();
  const counted = await folder(made.files.clone());
  expect(await setAside(counted, '/data', CLUSTER)).toBe('/data/damaged-1');
  await mustBeAside(await folder(counted.files.crash().files), 'when it is done');
  const length = counted.files.operationCount;
  const seen = { before: 0, behind: 0 };
  for (let at = 0; at <= length; at++) {
    const env = await folder(made.files.clone(at));
    env.files.stopAt(at + 1);
    await setAside(env, '/data', CLUSTER).catch(() => undefined);
    for (const { label, files } of env.files.crashStates(WHOLE)) {
      const where = `${at}: ${label}`;
      const again = await folder(files.clone(at));
      again.files.stopAt(again.files.operationCount + 1 + (at % 7));
      await isRejoining(again, '/data', CLUSTER).catch(() => undefined);
      await gone(await folder(again.files.crash().files), `${where}, and again`);
      const rejoins = await gone(await folder(files), where);
      seen[rejoins ? 'behind' : 'before']++;
    }
  }
  expect(seen.before).toBeGreaterThan(0);
  expect(seen.behind).toBeGreaterThan(20);
});

test('what was set aside before stays where it is', async () => {
  const env = await folder();
  expect(await setAside(env, '/data', CLUSTER)).toBe('/data/damaged-1');
  await replaceFile(env.files, '/data', 'node.json', utf8('the second one'));
  expect(await setAside(env, '/data', CLUSTER)).toBe('/data/damaged-2');
  await mustHave(env, 'damaged-1/', 'the first');
  expect(await textOf(env, 'damaged-2/node.json')).toBe('the second one');
});

test('a folder that a process has open is left as it is, and one that was set aside is open to the next', async () => {
  const env = await folder();
  const lock = await env.files.lock('/data/LOCK');
  await expect(setAside(env, '/data', CLUSTER)).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
  expect(await gone(env, 'locked')).toBe(false);
  await lock.release();
  await setAside(env, '/data', CLUSTER);
  await (await env.files.lock('/data/LOCK')).release();
});

test('a node that is a voter again does not ask to be taken in, after a power cut either', async () => {
  const env = await folder();
  await setAside(env, '/data', CLUSTER);
  expect(await isRejoining(env, '/data', CLUSTER)).toBe(true);
  await endRejoining(env.files, '/data');
  for (const { files } of env.files.crashStates()) {
    expect(await isRejoining(await folder(files), '/data', CLUSTER)).toBe(false);
  }
});

test('what is begun in its place stays, however often the node is started before it is a voter', async () => {
  const env = await folder();
  await setAside(env, '/data', CLUSTER);
  const begun = await readMember(env, '/data');
  await replaceFile(env.files, '/data', 'node.json', utf8('the new one'));
  expect(await isRejoining(env, '/data', CLUSTER)).toBe(true);
  expect([await textOf(env, 'node.json'), await readMember(env, '/data')]).toEqual([
    'the new one',
    begun,
  ]);
});

test('a folder that does not say whose it is, and lacks some of its files, is set aside with what it has', async () => {
  const env = await folder();
  for (const path of ['member.json', 'node.json']) await env.files.unlink(`/data/${path}`);
  await setAside(env, '/data', CLUSTER);
  expect(await readMember(env, '/data/damaged-1')).toBeUndefined();
  for (const { files } of env.files.crashStates(WHOLE)) {
    expect(await textOf(await folder(files), 'damaged-1/wal/1.wal')).toBe('wal/1.wal');
  }
  expect(await readMember(env, '/data')).toMatchObject({ clusterId: CLUSTER });
});

test('a mark that says neither is damage, and nothing is moved', async () => {
  const env = await folder();
  await replaceFile(env.files, '/data', 'REJOIN', utf8('moving to ../elsewhere\n'));
  await expect(isRejoining(env, '/data', CLUSTER)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  await mustHave(env, '', 'damaged mark');
});

test('damage is what was found to be damaged, and nothing else that an open fails with', () => {
  const at = { path: '/data/wal/1.wal', offset: 0 };
  expect(isDamage(new WalError('WAL_CORRUPTION', 'garbled', at))).toBe(true);
  expect(isDamage(new KvError('KV_CORRUPTION', 'garbled', at))).toBe(true);
  expect(isDamage(new WalError('WAL_CLOSED', 'closed'))).toBe(false);
  expect(isDamage(new KvError('KV_INCOMPATIBLE', 'newer'))).toBe(false);
  expect(isDamage(new Error('WAL_CORRUPTION'))).toBe(false);
});
