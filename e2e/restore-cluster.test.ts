import { join } from 'node:path';
import {
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { takeIn, viewOf } from './harness/cluster-members.ts';
import { runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const Bucket = 'kept';
const SIZES = [0, 100, 200_000, 3_000_000];
const SEALED = { ServerSideEncryption: 'AES256' } as const;

async function putAll(s3: S3Client): Promise<void> {
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  for (const size of SIZES) {
    for (const seed of [1, 2]) {
      const Body = patternBytes(seed, size);
      await s3.send(new PutObjectCommand({ Bucket, Key: `${size}`, Body }));
    }
  }
  await s3.send(new PutObjectCommand({ Bucket, Key: 'sealed', Body: 'secret', ...SEALED }));
}

async function expectAll(s3: S3Client): Promise<void> {
  const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  expect(Versions).toHaveLength(2 * SIZES.length + 1);
  for (const { Key = '', VersionId, IsLatest } of Versions) {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    const expected =
      Key === 'sealed' ? Buffer.from('secret') : patternBytes(IsLatest ? 2 : 1, Number(Key));
    expect(Buffer.compare(bytes, expected), `${Key} ${VersionId}`).toBe(0);
  }
}

/** Makes the first node of a backup, starts it, and gives the id of its cluster. */
async function restoreFirst(cluster: Cluster, from: string): Promise<string> {
  const words = ['restore', '--from', from, '--data', cluster.folder(0), '--node', 'n1'];
  const { exitCode, output, errors } = await runHoldfast(words);
  expect(errors).toBe('');
  expect(exitCode).toBe(0);
  const [, clusterId = ''] =
    /n1 is the only voter of the new cluster ([0-9a-f]{32})/.exec(output) ?? [];
  await cluster.restart(0);
  expect(await viewOf(cluster, 0)).toMatchObject({
    clusterId,
    leaderId: 'n1',
    members: [{ nodeId: 'n1', role: 'voter' }],
  });
  return clusterId;
}

test('a server that was alone becomes three nodes, and then that cluster another one, each by a backup', async () => {
  await using folder = await temporaryFolder();
  const path = (name: string): string => join(folder.path, name);
  const masterKey = path('alone/master.key');
  {
    await using alone = await HoldfastProcess.start({
      directory: path('alone'),
      arguments: ['--bucket', Bucket],
    });
    await putAll(alone.client());
    const backup = ['backup', '--data', path('alone'), '--to', path('of-alone')];
    expect((await runHoldfast(backup)).exitCode).toBe(0);
  }
  await using cluster = await Cluster.prepare({
    directory: path('cluster'),
    nodes: 3,
    founders: 1,
    arguments: ['--master-key-file', masterKey],
  });
  const clusterId = await restoreFirst(cluster, path('of-alone'));
  await expectAll(cluster.client(0));
  for (const at of [1, 2]) await takeIn(cluster, at, clusterId);
  await cluster.node(0).kill();
  await cluster.leader([1, 2]);
  await expectAll(cluster.client(2));

  const backup = ['backup', '--data', cluster.folder(1), '--to', path('of-n2')];
  expect((await runHoldfast(backup)).exitCode).toBe(0);
  for (const at of [1, 2]) await cluster.node(at).kill();
  await using other = await Cluster.prepare({
    directory: path('other'),
    nodes: 2,
    founders: 1,
    arguments: ['--master-key-file', masterKey],
  });
  const otherId = await restoreFirst(other, path('of-n2'));
  expect(otherId).not.toBe(clusterId);
  await takeIn(other, 1, otherId);
  await expectAll(other.client(1));
  expect(await other.node(0).stop()).toBe(0);
});

test('wrong use of restore --node is refused, and nothing is made', async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, 'data');
  const words = ['restore', '--from', folder.path, '--data', data, '--node', 'no name'];
  const { exitCode, errors } = await runHoldfast(words);
  expect(errors).toContain('--node has 1 to 64 letters');
  expect(exitCode).toBe(2);
});
