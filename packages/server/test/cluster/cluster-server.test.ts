import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { NodeClock } from '@holdfast/env/node';
import { expect, test, vi } from 'vitest';
import { SettingsError } from '../../src/settings-error.ts';
import { CREDENTIALS, ThreeServers } from './three-servers.ts';

const MASTER_KEY_PATH = '/master.key';
const MIB = 1024 * 1024;
const PART_BYTES = 5 * MIB;
const clock = new NodeClock();

test('any node answers any request, and all say that they are ready', async () => {
  await using servers = new ThreeServers();
  await servers.startAll({ buckets: ['photos'] });
  for (const at of [0, 1, 2]) {
    const Key = `by ${at}`;
    await servers.patient(at).send(new PutObjectCommand({ Bucket: 'photos', Key, Body: Key }));
    for (const other of [0, 1, 2]) {
      const found = await servers
        .patient(other)
        .send(new GetObjectCommand({ Bucket: 'photos', Key }));
      expect(await found.Body?.transformToString()).toBe(Key);
    }
    expect(await servers.page(at, '/_/health/ready')).toEqual({ status: 200, text: 'ready\n' });
  }
});

test('a multipart upload may have each of its requests at another node', async () => {
  await using servers = new ThreeServers();
  await servers.startAll({ buckets: ['photos'] });
  const object = { Bucket: 'photos', Key: 'in parts' };
  const { UploadId } = await servers.patient(0).send(new CreateMultipartUploadCommand(object));
  const Parts = await Promise.all(
    [1, 2].map(async (PartNumber) => {
      const Body = Buffer.alloc(PART_BYTES, PartNumber);
      const part = { ...object, UploadId, PartNumber, Body };
      const { ETag } = await servers.patient(PartNumber).send(new UploadPartCommand(part));
      return { PartNumber, ETag };
    }),
  );
  const whole = { ...object, UploadId, MultipartUpload: { Parts } };
  await servers.patient(2).send(new CompleteMultipartUploadCommand(whole));
  const found = await servers.patient(1).send(new GetObjectCommand(object));
  const bytes = await found.Body?.transformToByteArray();
  expect(bytes?.length).toBe(2 * PART_BYTES);
  expect([bytes?.at(0), bytes?.at(-1)]).toEqual([1, 2]);
});

test('garbage collection of one node leaves an upload alone that another node is taking', async () => {
  await using servers = new ThreeServers();
  await servers.startAll({ buckets: ['photos'] });
  const body = Buffer.alloc(4 * MIB, 7);
  const upload = servers.beginPut(0, '/photos/slow', body);
  upload.write(body.subarray(0, 3 * MIB));
  // Two chunks of it are in the store before the last is sent.
  await vi.waitFor(async () => expect(await servers.chunksOnDisk(1)).toBeGreaterThan(1), {
    timeout: 30_000,
  });
  const { expiredIntents } = await servers.server(1).objects.collectGarbage();
  expect(expiredIntents).toBe(0);
  upload.end(body.subarray(3 * MIB));
  expect(await upload.status).toBe(200);
});

test('without a majority a node lives, is not ready, and answers 503 until there is one', async () => {
  await using servers = new ThreeServers();
  const { ready } = await servers.start(0);
  expect((await servers.page(0, '/_/health/live')).status).toBe(200);
  const page = await servers.page(0, '/_/health/ready');
  expect(page).toEqual({ status: 503, text: 'No leader is known.\n' });
  const refused = servers.client(0).send(new ListBucketsCommand({}));
  await expect(refused).rejects.toMatchObject({
    name: 'ServiceUnavailable',
    $metadata: { httpStatusCode: 503 },
  });
  await servers.start(1);
  await ready;
  expect((await servers.page(0, '/_/health/ready')).status).toBe(200);
  await servers.patient(0).send(new ListBucketsCommand({}));
});

test('two of three are lost: reads and writes are refused with 503 within a limit', async () => {
  await using servers = new ThreeServers();
  await servers.startAll({ buckets: ['photos'] });
  const client = servers.client(0);
  const object = { Bucket: 'photos', Key: 'a' };
  await servers.patient(0).send(new PutObjectCommand({ ...object, Body: 'agreed on' }));
  for (const at of [1, 2]) await servers.stop(at);
  const beganMs = clock.monotonicMs();
  const unavailable = { $metadata: { httpStatusCode: 503 } };
  const answers = await Promise.allSettled([
    client.send(new PutObjectCommand({ ...object, Body: 'by a minority' })),
    client.send(new GetObjectCommand(object)),
  ]);
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 'rejected', reason: unavailable });
  }
  // The store waits two seconds for a leader; the rest is for a machine that is busy.
  expect(clock.monotonicMs() - beganMs).toBeLessThan(10_000);
});

test('a node that was cut off refuses a put by what the others did meanwhile', async () => {
  await using servers = new ThreeServers();
  await servers.startAll({ buckets: ['photos'] });
  const leader = await servers.leader();
  const [cut = 0, other = 0] = [0, 1, 2].filter((at) => at !== leader);
  const address = { Bucket: 'photos', Key: 'once' };
  const once = { ...address, Body: 'mine', IfNoneMatch: '*' };
  servers.network.partition([`n${cut + 1}`], [`n${leader + 1}`, `n${other + 1}`]);
  const alone = servers.client(cut).send(new PutObjectCommand(once));
  await expect(alone).rejects.toMatchObject({ $metadata: { httpStatusCode: 503 } });
  await servers.client(other).send(new PutObjectCommand({ ...once, Body: 'theirs' }));
  servers.network.heal();
  const late = servers.client(cut).send(new PutObjectCommand(once));
  await expect(late).rejects.toMatchObject({ name: 'PreconditionFailed' });
  const found = await servers.client(cut).send(new GetObjectCommand(address));
  expect(await found.Body?.transformToString()).toBe('theirs');
});

test('users that one node stores are known to the others, without a restart', async () => {
  await using servers = new ThreeServers();
  await servers.giveMasterKey(MASTER_KEY_PATH);
  const withKey = { masterKeyPath: MASTER_KEY_PATH };
  await servers.startAll(withKey);
  await servers.stop(2);
  const alice = { accessKeyId: 'ALICE', secretAccessKey: "alice's-own-secret" };
  const user = { id: 'alice', accessKey: alice.accessKeyId, secretKey: alice.secretAccessKey };
  await (await servers.start(2, { init: { users: [user] }, ...withKey })).ready;
  for (const at of [2, 0, 1]) {
    const list = () => servers.client(at, alice).send(new ListBucketsCommand({}));
    await vi.waitFor(list, { timeout: 30_000, interval: 100 });
  }
});

test('a node with another key pair does not serve, unless it is said to be the new one', async () => {
  await using servers = new ThreeServers();
  await servers.startAll();
  await servers.stop(2);
  const other = { ...CREDENTIALS, secretAccessKey: 'another-secret-for-tests' };
  const wrong = await servers.start(2, { credentials: other });
  const error = await wrong.failed;
  expect(error).toBeInstanceOf(SettingsError);
  expect(error.message).toContain('the secret key of somebody is another on the other nodes');
  expect(error.message).not.toContain(other.secretAccessKey);
  await expect(wrong.ready).rejects.toBe(error);
  await servers.stop(2);
  await (await servers.start(2, { credentials: other }, { replaceRootKeys: true })).ready;
  await servers.patient(2, other).send(new ListBucketsCommand({}));
});

test("a server of its own does not open a node's folder, in which its writes would take the place of those of the others", async () => {
  await using servers = new ThreeServers();
  await servers.startAll();
  await servers.stop(0);
  await expect(servers.startAlone(0)).rejects.toThrow("/data is a node's of cluster");
  await servers.patient(1).send(new CreateBucketCommand({ Bucket: 'meanwhile' }));
  await (await servers.start(0)).ready;
  const { Buckets } = await servers.patient(0).send(new ListBucketsCommand({}));
  expect(Buckets?.map(({ Name }) => Name)).toEqual(['meanwhile']);
});
