import { PutBucketNotificationConfigurationCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import type { Change } from './harness/change-feed.ts';
import { askFeed } from './harness/change-feed.ts';
import { Cluster } from './harness/cluster.ts';
import { EventReceiver } from './harness/event-receiver.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

test('the feed and the events of a cluster go on while its leader dies, whichever node was asked', async () => {
  await using folder = await temporaryFolder();
  await using receiver = await EventReceiver.open();
  const words = ['--bucket', 'told', '--keep-changes', '1h', '--webhook', `hook=${receiver.url}`];
  await using cluster = await Cluster.start({ directory: folder.path, arguments: words });
  await cluster.client(0).send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'told',
      NotificationConfiguration: {
        QueueConfigurations: [
          { QueueArn: 'arn:holdfast:webhook::hook', Events: ['s3:ObjectCreated:*'] },
        ],
      },
    }),
  );
  const keys: string[] = [];
  const put = async (at: number): Promise<void> => {
    const Key = `${keys.length}`;
    await cluster.client(at).send(new PutObjectCommand({ Bucket: 'told', Key, Body: 'x' }));
    keys.push(Key);
  };
  for (let turn = 0; turn < 9; turn++) await put(turn % 3);
  const found: Change[] = [];
  const first = await askFeed(cluster.endpoint(0), 'limit=5');
  found.push(...first.changes);

  const killed = await cluster.leader();
  await cluster.node(killed).kill();
  await cluster.leader(cluster.running);
  for (const at of cluster.running) await put(at);
  const [other = 0] = cluster.running;
  const second = await askFeed(cluster.endpoint(other), `after=${first.cursor}`);
  found.push(...second.changes);
  expect(new Set(found.map(({ cursor }) => cursor)).size).toBe(found.length);
  // A put that was repeated, because nobody led for a while, may be there twice.
  expect([...new Set(found.map(({ key }) => key))]).toEqual(keys);

  await waitUntil('every event has arrived', () => {
    return new Set(receiver.events.map(({ s3 }) => s3.object.key)).size === keys.length;
  });
  // At least once: what the old leader had sent and not acknowledged comes again.
  const once = new Map(receiver.events.map(({ s3 }) => [s3.object.sequencer, s3.object.key]));
  const inOrder = [...once.keys()].toSorted().map((sequencer) => once.get(sequencer));
  expect([...new Set(inOrder)]).toEqual(keys);
});
