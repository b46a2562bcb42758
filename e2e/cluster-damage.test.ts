import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { runHoldfast } from './harness/command.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const BUCKET = 'kept';
const SECOND = 1;
const HEALS = ['--recovery', 'repair-from-peers'];

function bodyOf(key: number): string {
  return `${key} `.repeat(key % 4 === 0 ? 60_000 : 10);
}

async function put(cluster: Cluster, at: number, key: number): Promise<number> {
  const request = { Bucket: BUCKET, Key: `${key}`, Body: bodyOf(key) };
  await cluster.client(at).send(new PutObjectCommand(request));
  return key;
}

async function mustHave(cluster: Cluster, at: number, keys: readonly number[]): Promise<void> {
  for (const key of keys) {
    const request = { Bucket: BUCKET, Key: `${key}` };
    const { Body } = await cluster.client(at).send(new GetObjectCommand(request));
    expect(await Body?.transformToString(), `${key}`).toBe(bodyOf(key));
  }
}

function isSegment(name: string): boolean {
  return name.endsWith('.wal');
}

function isIndex(name: string): boolean {
  return name === 'MANIFEST' || name.endsWith('.table');
}

/** Overwrites bytes in the middle of what is written of each file. */
async function damage(folder: string, isMeant: (name: string) => boolean): Promise<string[]> {
  const names = (await readdir(folder)).filter(isMeant);
  for (const name of names) {
    const path = join(folder, name);
    const content = await readFile(path);
    const end = content.findLastIndex((byte) => byte !== 0);
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(64, 0xa5), 0, 64, Math.floor(end / 2));
    await file.close();
  }
  return names;
}

test('a node whose log and index are damaged refuses to start, and with the policy comes back with everything', async () => {
  await using folder = await temporaryFolder();
  const options = { directory: folder.path, arguments: ['--bucket', BUCKET] };
  await using cluster = await Cluster.start(options);
  const acknowledged: number[] = [];
  for (let key = 0; key < 30; key++) acknowledged.push(await put(cluster, key % 3, key));
  expect(await cluster.node(SECOND).stop()).toBe(0);
  const data = cluster.folder(SECOND);
  expect(await damage(join(data, 'wal'), isSegment)).toHaveLength(1);
  expect(await damage(join(data, 'kv'), isIndex)).not.toEqual([]);
  for (let key = 30; key < 35; key++) acknowledged.push(await put(cluster, 0, key));

  const refused = cluster.spawn(SECOND);
  expect(await refused.exitCode()).toBe(1);
  expect(refused.errors).toContain('--recovery repair-from-peers');
  expect(await readdir(data)).not.toContain('damaged-1');

  await cluster.spawn(SECOND, HEALS).ready();
  expect(cluster.node(SECOND).errors).toContain('damaged files were set aside');
  expect(await readdir(join(data, 'damaged-1'))).toEqual(['kv', 'member.json', 'node.json', 'wal']);
  const leader = cluster.folder(await cluster.leader());
  await waitUntil('it is a voter again', async () => {
    const { output } = await runHoldfast(['cluster', 'status', '--json', '--data', leader]);
    const { members } = JSON.parse(output) as { members: { nodeId: string; role: string }[] };
    return members.some(({ nodeId, role }) => nodeId === 'n2' && role === 'voter');
  });
  await mustHave(cluster, SECOND, acknowledged);

  // It counts: with one of the others gone there is a majority.
  await cluster.node(0).kill();
  await cluster.leader([1, 2]);
  acknowledged.push(await put(cluster, SECOND, 35));
  await mustHave(cluster, SECOND, acknowledged);
  await cluster.node(SECOND).kill();
  await cluster.spawn(SECOND, HEALS).ready();
  await mustHave(cluster, SECOND, acknowledged);
  expect(await readdir(data)).not.toContain('damaged-2');
});

test('a damaged node that finds no leader says so in the end, or is stopped before, and is not changed', async () => {
  await using folder = await temporaryFolder();
  const options = { directory: folder.path, arguments: ['--bucket', BUCKET] };
  await using cluster = await Cluster.start(options);
  for (let key = 0; key < 12; key++) await put(cluster, 0, key);
  for (const at of cluster.all) expect(await cluster.node(at).stop()).toBe(0);
  const data = cluster.folder(SECOND);
  const [segment = ''] = await damage(join(data, 'wal'), isSegment);
  await damage(join(data, 'kv'), isIndex);
  const damaged = await readFile(join(data, 'wal', segment));

  const refused = cluster.spawn(SECOND, HEALS);
  expect(await refused.exitCode()).toBe(1);
  expect(refused.errors).toContain('so nothing was changed');

  const node = cluster.spawn(SECOND, HEALS);
  await waitUntil('it seeks a leader', () => node.errors.includes('a leader is asked'));
  expect(await node.stop()).toBe(0);
  expect(node.errors).toContain('stopped while it was starting');
  expect(await readFile(join(data, 'wal', segment))).toEqual(damaged);
});

test('a single node has no peers, and is told so', async () => {
  await using folder = await temporaryFolder();
  const words = ['serve', '--port', '0', '--data', join(folder.path, 'data'), ...HEALS];
  const { exitCode, errors } = await runHoldfast(words);
  expect(exitCode).toBe(2);
  expect(errors).toContain('needs peers, and this is a single node');
});
