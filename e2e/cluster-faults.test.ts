import { setTimeout as delay } from 'node:timers/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { ClusterHistory, checkHistory } from './harness/cluster-history.ts';
import { runHoldfast } from './harness/command.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import { reportProof } from './harness/proof-report.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

/** More of them, for a longer search: HOLDFAST_LINEARIZABILITY_ROUNDS. */
const ROUNDS = Number(process.env['HOLDFAST_LINEARIZABILITY_ROUNDS'] ?? 2);
const BUCKET = 'registers';
const ANSWERS = 150;
const PAUSE_MS = 5_000;
const MIB = 1024 * 1024;

const options = { arguments: ['--bucket', BUCKET, '--log-level', 'warn'] };

test(`what clients see is linearizable while leaders are killed and paused, ${ROUNDS} times`, async () => {
  const seed = runSeed();
  const dice = new SeededDice(seed);
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path, ...options });
  const history = new ClusterHistory(cluster, BUCKET);
  history.begin(3, dice);
  let kills = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await history.more(ANSWERS);
    const killed = await cluster.leader();
    await cluster.node(killed).kill();
    kills += 1;
    await cluster.leader(cluster.running);
    await history.more(ANSWERS);
    await cluster.restart(killed);

    await history.more(ANSWERS);
    const paused = await cluster.leader();
    cluster.node(paused).signal('SIGSTOP');
    const others = cluster.all.filter((at) => at !== paused);
    await cluster.leader(others);
    await history.more(ANSWERS);
    // What a paused leader answers when it goes on, it must have asked the others about.
    await delay(PAUSE_MS);
    cluster.node(paused).signal('SIGCONT');
  }
  await history.more(ANSWERS);
  checkHistory(await history.end(), seed);
  reportProof({ part: 'leaders killed', counts: { kills } });
});

test('two of three are down: reads and writes get 503 within two seconds, and it passes by itself', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path, ...options });
  const object = { Bucket: BUCKET, Key: 'key' };
  await cluster.client(0).send(new PutObjectCommand({ ...object, Body: 'by three' }));
  const client = cluster.oneAttempt(0);
  for (const at of [1, 2]) await cluster.node(at).kill();
  for (const command of [
    new PutObjectCommand({ ...object, Body: 'by one' }),
    new GetObjectCommand(object),
  ]) {
    const beganMs = performance.now();
    await expect(client.send(command as PutObjectCommand)).rejects.toMatchObject({
      $metadata: { httpStatusCode: 503 },
    });
    // Two seconds, and what a machine that is busy adds.
    expect(performance.now() - beganMs).toBeLessThan(2_000 + 18_000);
  }
  await Promise.all([1, 2].map((at) => cluster.restart(at)));
  const found = await cluster.balanced().send(new GetObjectCommand(object));
  expect(['by three', 'by one']).toContain(await found.Body?.transformToString());
});

test('the leader is killed in the middle of a multipart upload: it is repeated, and whole', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path, ...options });
  const client = cluster.balanced();
  const object = { Bucket: BUCKET, Key: 'in parts' };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
  const bodies = Array.from({ length: 6 }, (_, at) => patternBytes(at + 1, 5 * MIB + at));
  const leader = await cluster.leader();
  const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
  const put = async (at: number): Promise<void> => {
    const Body = bodies[at] as Buffer;
    const part = { ...object, UploadId, PartNumber: at + 1, Body };
    const { ETag } = await client.send(new UploadPartCommand(part));
    Parts[at] = { PartNumber: at + 1, ETag };
  };
  await Promise.all([put(0), put(1)]);
  const rest = [2, 3, 4, 5].map((at) => put(at));
  await cluster.node(leader).kill();
  await Promise.all(rest);
  await client.send(
    new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }),
  );
  await cluster.restart(leader);
  const whole = sha256(Buffer.concat(bodies));
  for (const at of cluster.all) {
    const found = await cluster.client(at).send(new GetObjectCommand(object));
    expect(sha256(Buffer.from((await found.Body?.transformToByteArray()) ?? []))).toBe(whole);
  }
});

test('a rolling restart under load loses no request of clients that repeat', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path, ...options });
  const client = cluster.balanced();
  let isOver = false;
  let answered = 0;
  const lanes = Array.from({ length: 6 }, async (_, lane) => {
    for (let number = 0; !isOver; number++) {
      const object = { Bucket: BUCKET, Key: `lane ${lane}` };
      const body = `${lane}-${number}`;
      await client.send(new PutObjectCommand({ ...object, Body: body }));
      const found = await client.send(new GetObjectCommand(object));
      expect(await found.Body?.transformToString()).toBe(body);
      answered += 1;
    }
  });
  // A failure of one ends the others, and the test.
  const all = Promise.all(lanes).catch((error: unknown) => {
    isOver = true;
    throw error;
  });
  all.catch(() => undefined);
  for (const at of cluster.all) {
    const before = answered;
    expect(await cluster.node(at).stop()).toBe(0);
    await cluster.restart(at);
    await waitUntil('requests are answered', () => isOver || answered > before);
  }
  isOver = true;
  await all;
});

test('a node that is started at another address tells the others, which were not started anew', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path, ...options });
  const leader = await cluster.leader();
  const [moved = 0, other = 0] = cluster.all.filter((at) => at !== leader);
  expect(await cluster.node(moved).stop()).toBe(0);
  await cluster.move(moved);
  await cluster.restart(moved);
  await waitUntil('all have their ways to it', async () => {
    const words = ['cluster', 'status', '--json', '--data'];
    const views = [leader, other].map((at) => runHoldfast([...words, cluster.folder(at)]));
    return (await Promise.all(views)).every(({ output }) => {
      const view = JSON.parse(output) as { readonly members: { readonly isConnected: boolean }[] };
      return view.members.every(({ isConnected }) => isConnected);
    });
  });
  // Nothing is agreed on without it.
  await cluster.node(other).kill();
  const put = new PutObjectCommand({ Bucket: BUCKET, Key: 'moved', Body: 'there' });
  await cluster.client(leader).send(put);
  const get = new GetObjectCommand({ Bucket: BUCKET, Key: 'moved' });
  const got = await cluster.client(moved).send(get);
  expect(await got.Body?.transformToString()).toBe('there');
});

test('a follower that was away while the others wrote and compacted has everything when it is back', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path, ...options });
  const client = cluster.balanced();
  const put = async (Key: string, seed: number): Promise<void> => {
    const Body = patternBytes(seed, 200_000);
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
  };
  const keys = Array.from({ length: 40 }, (_, number) => `object ${number}`);
  for (const [at, Key] of keys.entries()) await put(Key, at);
  const leader = await cluster.leader();
  const away = cluster.all.find((at) => at !== leader) ?? 0;
  await cluster.node(away).kill();
  for (const [at, Key] of keys.entries()) await put(Key, 1000 + at);
  for (const at of cluster.running) {
    await waitUntil('garbage is collected', async () => {
      const words = ['gc', '--now', '--data', cluster.folder(at)];
      const { exitCode, errors } = await runHoldfast(words);
      return exitCode === 0 && errors === '';
    });
  }
  await cluster.restart(away);
  for (const [at, Key] of keys.entries()) {
    const found = await cluster.client(away).send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    const body = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(sha256(body), Key).toBe(sha256(patternBytes(1000 + at, 200_000)));
  }
});
