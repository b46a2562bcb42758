import { rm } from 'node:fs/promises';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { takeIn, viewOf } from './harness/cluster-members.ts';
import { runHoldfast } from './harness/command.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const BUCKET = 'kept';

function bodyOf(key: string): string {
  return `${key} `.repeat(key.length > 3 ? 60_000 : 10);
}

function putOf(key: string): PutObjectCommand {
  return new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: bodyOf(key) });
}

async function put(cluster: Cluster, at: number, key: string): Promise<string> {
  await cluster.client(at).send(putOf(key));
  return key;
}

/** The keys that the node answers with the bytes that were put, of those that there are. */
async function whole(cluster: Cluster, at: number, keys: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const Key of keys) {
    const object = await cluster
      .client(at)
      .send(new GetObjectCommand({ Bucket: BUCKET, Key }))
      .catch(ignoreMissing);
    const text = await object?.Body?.transformToString();
    if (text === undefined) continue;
    expect(text, Key).toBe(bodyOf(Key));
    found.push(Key);
  }
  return found;
}

function ignoreUnanswered(): void {}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Error) || error.name !== 'NoSuchKey') throw error;
}

/** Makes the first node a cluster of its own, and gives its id. */
async function recover(cluster: Cluster): Promise<string> {
  const data = ['--data', cluster.folder(0)];
  const told = await runHoldfast(['cluster', 'recover-quorum', ...data]);
  expect(told.exitCode).toBe(1);
  expect(told.output).toMatch(/n1 is a voter of cluster [0-9a-f]{32}/);
  expect(told.output).toMatch(/voters +n1, n2, n3/);
  expect(told.output).toMatch(/WHAT MAY BE LOST: .* n2 and n3 alone/);
  expect(told.errors).toContain('Nothing was changed.');
  const lost = /--confirm ([0-9a-f]{32})/.exec(told.errors)?.[1] ?? '';
  const other = ['cluster', 'recover-quorum', ...data, '--confirm', 'f'.repeat(32)];
  expect((await runHoldfast(other)).exitCode).toBe(1);
  const done = await runHoldfast(['cluster', 'recover-quorum', ...data, '--confirm', lost]);
  expect(done.errors).toBe('');
  expect(done.exitCode).toBe(0);
  return /--cluster-id ([0-9a-f]{32})/.exec(done.output)?.[1] ?? '';
}

test('two of three are destroyed: the third becomes a cluster of its own, and takes in two new ones', async () => {
  await using folder = await temporaryFolder();
  const options = {
    directory: folder.path,
    nodes: 5,
    founders: 3,
    arguments: ['--bucket', BUCKET],
  };
  await using cluster = await Cluster.prepare(options);
  for (const at of [0, 1, 2]) cluster.spawn(at);
  await Promise.all([0, 1, 2].map((at) => cluster.node(at).ready()));
  const acknowledged: string[] = [];
  for (let at = 0; at < 30; at++) acknowledged.push(await put(cluster, at % 3, `${at}`));
  for (let at = 0; at < 3; at++) acknowledged.push(await put(cluster, at, `large ${at}`));
  const { appliedIndex } = await viewOf(cluster, await cluster.leader([0, 1, 2]));
  await waitUntil('the one that will be left has all of it', async () => {
    return (await viewOf(cluster, 0)).appliedIndex >= appliedIndex;
  });
  // What follows may be lost, and nothing else.
  let isOver = false;
  const later: string[] = [];
  const writing = (async () => {
    const client = cluster.oneAttempt(1);
    while (!isOver) {
      const key = `${100 + later.length}`;
      await client.send(putOf(key)).then(() => later.push(key), ignoreUnanswered);
    }
  })();
  await waitUntil('some more is written', () => later.length > 5);
  const words = ['cluster', 'recover-quorum', '--data', cluster.folder(0)];
  const running = await runHoldfast(words);
  expect(running.errors).toMatch(/in use by another|has .* open/);
  expect(running.exitCode).toBe(1);
  for (const at of [1, 2, 0]) cluster.node(at).signal('SIGKILL');
  for (const at of [1, 2, 0]) await cluster.node(at).kill();
  isOver = true;
  await writing;
  await rm(cluster.folder(1), { recursive: true });

  const clusterId = await recover(cluster);

  await cluster.restart(0);
  expect(await viewOf(cluster, 0)).toMatchObject({
    clusterId,
    leaderId: 'n1',
    members: [{ nodeId: 'n1', role: 'voter' }],
  });
  expect(await whole(cluster, 0, acknowledged)).toEqual(acknowledged);
  const kept = [...acknowledged, ...(await whole(cluster, 0, later))];

  // One comes back as it was, the other with an empty folder: neither is heard, nor does it hear.
  for (const at of [2, 1]) cluster.spawn(at);
  await waitUntil('both were refused by the new cluster', () => {
    const { errors } = cluster.node(0);
    return cluster.running.length === 3 && (errors.match(/was refused/g) ?? []).length > 1;
  });
  const refused = /a connection of a peer was refused/;
  await waitUntil('the new one was refused by them', () =>
    [1, 2].every((at) => refused.test(cluster.node(at).errors)),
  );
  for (const at of [1, 2]) await cluster.node(at).kill();

  for (const at of [3, 4]) await takeIn(cluster, at, clusterId);
  kept.push(await put(cluster, 3, '200'));
  for (const at of [0, 3, 4]) expect(await whole(cluster, at, kept)).toEqual(kept);
  await cluster.node(0).kill();
  await cluster.leader([3, 4]);
  expect(await whole(cluster, 4, kept)).toEqual(kept);
});
