import { createHash, randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { inFuture } from './golden/in-future.ts';
import { Cluster } from './harness/cluster.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { digestOf } from './harness/verify-objects.ts';
import { waitUntil } from './harness/wait-until.ts';

const BUCKET = 'upgraded';
const MESSAGES = 'packages/replica/src/message-codec.ts FORMAT_VERSION';
const SIZES = [100, 5000, 300_000];
/** Of each peer and for each of its faults one a minute; it was some ten a second. */
const MOST_TOLD = 10;

test('nodes are changed one by one to a version whose messages the others do not hear: a majority of one kind serves, and all that it acknowledged stays', async () => {
  await using folder = await temporaryFolder();
  const options = { directory: folder.path, arguments: ['--bucket', BUCKET] };
  await using cluster = await Cluster.start(options);
  const acknowledged = new Map<string, string>();
  const put = async (at: number, name: string): Promise<void> => {
    for (const size of SIZES) {
      const [Key, Body] = [`${name} ${size}`, randomBytes(size)];
      // Nobody leads for some seconds, and until then it is refused.
      await waitUntil(`${Key} is put at n${at + 1}`, async () => {
        const request = new PutObjectCommand({ Bucket: BUCKET, Key, Body });
        return await cluster
          .client(at)
          .send(request)
          .then(
            () => true,
            () => false,
          );
      });
      acknowledged.set(Key, createHash('sha256').update(Body).digest('hex'));
    }
  };
  const change = async (at: number): Promise<void> => {
    expect(await cluster.node(at).stop()).toBe(0);
    cluster.spawn(at, [], inFuture(MESSAGES));
  };
  await put(0, 'all old');
  await change(0);
  await put(1, 'two old at n2');
  await put(2, 'two old at n3');
  await change(1);
  // Only now the first one is ready.
  await Promise.all([0, 1].map((at) => cluster.node(at).ready()));
  await put(0, 'two new at n1');
  await put(1, 'two new at n2');
  const told = cluster.node(2).errors.split('a peer was cut off').length - 1;
  expect(told).toBeLessThan(MOST_TOLD);
  expect(cluster.node(2).errors).toMatch(/message of format \d+; this node reads up to/);
  await change(2);
  await cluster.node(2).ready();
  await put(2, 'all new');
  for (const at of cluster.all) {
    for (const [key, digest] of acknowledged) {
      expect(await digestOf(cluster.client(at), BUCKET, key), `${key} at n${at + 1}`).toBe(digest);
    }
  }
});
