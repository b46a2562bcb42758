import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { EventReceiver } from './harness/event-receiver.ts';
import type { HoldfastOptions } from './harness/holdfast-process.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const optionsFor = (folder: string, receiver: EventReceiver): HoldfastOptions => ({
  directory: join(folder, 'data'),
  arguments: ['--bucket', 'told', '--webhook', `hook=${receiver.url}`],
});

const tell = (s3: S3Client, events: `s3:${string}`[]): Promise<unknown> =>
  s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'told',
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            Id: 'all',
            QueueArn: 'arn:holdfast:webhook::hook',
            Events: events as 's3:ObjectCreated:*'[],
          },
        ],
      },
    }),
  );

const put = (s3: S3Client, Key: string, Body = 'x'): Promise<unknown> =>
  s3.send(new PutObjectCommand({ Bucket: 'told', Key, Body }));

test('no event is lost where the server is killed between commit and delivery, and each key keeps its order', async () => {
  await using folder = await temporaryFolder();
  await using receiver = await EventReceiver.open();
  receiver.status = 500;
  const wanted: string[] = [];
  for (let round = 0; round < 3; round++) {
    await using server = await HoldfastProcess.start(optionsFor(folder.path, receiver));
    const s3 = server.client();
    await tell(s3, ['s3:ObjectCreated:*', 's3:ObjectRemoved:*']);
    for (let number = 0; number < 20; number++) {
      const key = `key ${number % 4}`;
      await put(s3, key, `${round} ${number}`);
      wanted.push(`ObjectCreated:Put ${key}`);
    }
    await s3.send(new DeleteObjectCommand({ Bucket: 'told', Key: 'key 3' }));
    wanted.push('ObjectRemoved:Delete key 3');
    // Acknowledged, and refused by the target so far: only the store knows of them.
    await server.kill();
  }
  expect(receiver.events).toEqual([]);
  receiver.status = 204;
  await using server = await HoldfastProcess.start(optionsFor(folder.path, receiver));
  await waitUntil('every event has arrived', () => receiver.events.length >= wanted.length);
  const told = receiver.events.map(
    ({ eventName, s3 }) => `${eventName} ${s3.object.key.replaceAll('+', ' ')}`,
  );
  expect(told).toEqual(wanted);
  const sequencers = receiver.events.map(({ s3 }) => s3.object.sequencer);
  expect(sequencers).toEqual(sequencers.toSorted());
  expect(new Set(sequencers).size).toBe(wanted.length);
  expect(await server.stop()).toBe(0);
});

test('a kill while events are being delivered loses none of them', async () => {
  await using folder = await temporaryFolder();
  await using receiver = await EventReceiver.open();
  const keys: string[] = [];
  for (let round = 0; round < 3; round++) {
    await using server = await HoldfastProcess.start(optionsFor(folder.path, receiver));
    const s3 = server.client();
    await tell(s3, ['s3:ObjectCreated:Put']);
    await Promise.all(
      Array.from({ length: 50 }, async (_, number) => {
        await put(s3, `${round}-${number}`);
        keys.push(`${round}-${number}`);
      }),
    );
    await server.kill();
  }
  await using server = await HoldfastProcess.start(optionsFor(folder.path, receiver));
  await waitUntil('every key has been told', () => {
    const told = new Set(receiver.events.map(({ s3 }) => s3.object.key));
    return keys.every((key) => told.has(key));
  });
  expect(await server.stop()).toBe(0);
});

test('only what the operator named is called: no redirect is followed, and no other target can be set', async () => {
  await using folder = await temporaryFolder();
  await using receiver = await EventReceiver.open();
  await using other = await EventReceiver.open();
  receiver.status = 307;
  Object.defineProperty(receiver, 'url', { value: receiver.url });
  await using server = await HoldfastProcess.start(optionsFor(folder.path, receiver));
  const s3 = server.client();
  await tell(s3, ['s3:ObjectCreated:*']);
  const foreign = new PutBucketNotificationConfigurationCommand({
    Bucket: 'told',
    NotificationConfiguration: {
      QueueConfigurations: [{ QueueArn: other.url, Events: ['s3:ObjectCreated:*'] }],
    },
  });
  await expect(s3.send(foreign)).rejects.toMatchObject({ name: 'InvalidArgument' });
  await put(s3, 'k');
  await waitUntil('the target was tried', () => receiver.requests >= 2);
  expect([receiver.events, other.requests]).toEqual([[], 0]);
  expect(server.errors).toContain('the target answered 307');
});
