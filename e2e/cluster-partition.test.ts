import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { ClusterHistory, checkHistory } from './harness/cluster-history.ts';
import { NetworkNamespaces } from './harness/network-namespaces.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const BUCKET = 'registers';
const ANSWERS = 120;

/** Nodes with networks of their own; where they cannot be made the test says why, and is skipped. */
async function networksFor(context: { skip: (why: string) => never }): Promise<NetworkNamespaces> {
  const networks = await NetworkNamespaces.create(3);
  if (typeof networks === 'string') return context.skip(networks);
  return networks;
}

function startOn(networks: NetworkNamespaces, directory: string): Promise<Cluster> {
  const words = ['--bucket', BUCKET, '--log-level', 'warn'];
  return Cluster.start({ directory, networks, arguments: words });
}

test('what clients see is linearizable across partitions, both ways and one way', async (context) => {
  const seed = runSeed();
  const dice = new SeededDice(seed);
  await using networks = await networksFor(context);
  await using folder = await temporaryFolder();
  await using cluster = await startOn(networks, folder.path);
  const history = new ClusterHistory(cluster, BUCKET);
  history.begin(2, dice);
  await history.more(ANSWERS);

  // The leader alone, both ways.
  const first = await cluster.leader();
  await networks.isolate(first);
  const second = await cluster.leader(cluster.all.filter((at) => at !== first));
  await history.more(ANSWERS);
  await networks.heal();
  await history.more(ANSWERS);

  // What the leader says does not arrive, what it is told does.
  const deaf = cluster.all.filter((at) => at !== second);
  for (const at of deaf) await networks.cut(second, at);
  await cluster.leader(deaf);
  await history.more(ANSWERS);
  await networks.heal();
  await history.more(ANSWERS);

  // The leader hears nothing of one node, which hears it.
  const third = await cluster.leader();
  const mute = cluster.all.find((at) => at !== third) ?? 0;
  await networks.cut(mute, third);
  await history.more(ANSWERS);
  await networks.heal();
  await history.more(ANSWERS);
  checkHistory(await history.end(), seed);
});

test('a leader that is cut off answers no read from what it has, and takes no write', async (context) => {
  await using networks = await networksFor(context);
  await using folder = await temporaryFolder();
  await using cluster = await startOn(networks, folder.path);
  const object = { Bucket: BUCKET, Key: 'key' };
  const cut = await cluster.leader();
  await cluster.balanced().send(new PutObjectCommand({ ...object, Body: 'before' }));
  await networks.isolate(cut);
  const others = cluster.all.filter((at) => at !== cut);
  await waitUntil('one of the others takes a write', async () => {
    const successor = await cluster.leader(others);
    const put = new PutObjectCommand({ ...object, Body: 'after' });
    return cluster
      .oneAttempt(successor)
      .send(put)
      .then(Boolean, () => false);
  });

  const client = cluster.oneAttempt(cut);
  for (const command of [
    new GetObjectCommand(object),
    new PutObjectCommand({ ...object, Body: 'by the one that is cut off' }),
  ]) {
    const beganMs = performance.now();
    await expect(client.send(command as GetObjectCommand)).rejects.toMatchObject({
      $metadata: { httpStatusCode: 503 },
    });
    expect(performance.now() - beganMs).toBeLessThan(2_000 + 18_000);
  }
  const ready = await fetch(`${cluster.endpoint(cut)}/_/health/ready`);
  expect(ready.status).toBe(503);

  await networks.heal();
  for (const at of cluster.all) {
    const found = await cluster.balanced().send(new GetObjectCommand(object));
    expect(await found.Body?.transformToString(), `n${at + 1}`).toBe('after');
  }
});

test('a node that was cut off for long is back when the network is, and not when TCP tries again', async (context) => {
  await using networks = await networksFor(context);
  await using folder = await temporaryFolder();
  await using cluster = await startOn(networks, folder.path);
  const object = { Bucket: BUCKET, Key: 'key' };
  const leader = await cluster.leader();
  const cut = cluster.all.find((at) => at !== leader) ?? 0;
  await cluster.balanced().send(new PutObjectCommand({ ...object, Body: 'before' }));
  await networks.isolate(cut);
  // Source: RFC 6298: pauses of 0.2 s doubled, so TCP tries after 51 s, and then after 102 s.
  const cutMs = performance.now();
  await waitUntil('the cut lasts', () => performance.now() - cutMs > 53_000);
  await networks.heal();
  let body: string | undefined;
  await waitUntil(
    'the node answers, long before TCP would try again',
    async () => {
      const answer = cluster.oneAttempt(cut).send(new GetObjectCommand(object));
      body = await answer.then(({ Body }) => Body?.transformToString()).catch(() => undefined);
      return body !== undefined;
    },
    40_000,
  );
  expect(body).toBe('before');
});
