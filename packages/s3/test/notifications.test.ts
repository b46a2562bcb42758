import {
  CreateBucketCommand,
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

const HOOK = 'arn:holdfast:webhook::hook';

let server: TestServer;
let s3: S3Client;
beforeAll(async () => {
  server = await startTestServer({ isNotificationTarget: (name) => name === 'hook' });
  s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'told' }));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const write = (configuration: NotificationConfiguration): Promise<unknown> =>
  s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'told',
      NotificationConfiguration: configuration,
    }),
  );

async function read(): Promise<NotificationConfiguration> {
  const command = new GetBucketNotificationConfigurationCommand({ Bucket: 'told' });
  const { $metadata: _metadata, ...configuration } = await s3.send(command);
  return configuration;
}

test('a notification configuration is given back as it was put, and an empty one ends it', async () => {
  expect(await read()).toEqual({});
  const configuration: NotificationConfiguration = {
    TopicConfigurations: [
      {
        Id: 'pictures',
        TopicArn: HOOK,
        Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:Delete'],
        Filter: {
          Key: {
            FilterRules: [
              // AWS gives them back with a capital too, whatever its model says.
              { Name: 'Prefix' as 'prefix', Value: 'a & b/' },
              { Name: 'Suffix' as 'suffix', Value: '.jpg' },
            ],
          },
        },
      },
    ],
    QueueConfigurations: [{ Id: 'all', QueueArn: HOOK, Events: ['s3:ObjectTagging:*'] }],
    LambdaFunctionConfigurations: [
      { Id: 'code', LambdaFunctionArn: HOOK, Events: ['s3:ObjectAcl:Put'] },
    ],
  };
  await write(configuration);
  expect(await read()).toEqual(configuration);
  await write({});
  expect(await read()).toEqual({});
});

test('a configuration without an id gets one', async () => {
  await write({ QueueConfigurations: [{ QueueArn: HOOK, Events: ['s3:ObjectCreated:Put'] }] });
  const { QueueConfigurations: [configuration] = [] } = await read();
  expect(configuration?.Id).toMatch(/^[0-9a-f]{32}$/);
  await write({});
});

test('a target has the ARN of MinIO too, which its clients can read, and is given back by it', async () => {
  const configuration: NotificationConfiguration = {
    QueueConfigurations: [
      { Id: 'a', QueueArn: 'arn:minio:sqs::hook:webhook', Events: ['s3:ObjectCreated:*'] },
      { Id: 'b', QueueArn: 'arn:minio:sqs:us-east-1:hook:webhook', Events: ['s3:ObjectAcl:Put'] },
      { Id: 'c', QueueArn: HOOK, Events: ['s3:ObjectRemoved:*'] },
    ],
  };
  await write(configuration);
  expect(await read()).toEqual(configuration);
  await write({});
});

const rule = (change: object): NotificationConfiguration => ({
  TopicConfigurations: [{ Id: 'x', TopicArn: HOOK, Events: ['s3:ObjectCreated:*'], ...change }],
});
const filter = (...FilterRules: { Name: string; Value: string }[]): NotificationConfiguration =>
  rule({ Filter: { Key: { FilterRules } } });

const REFUSED: readonly (readonly [string, NotificationConfiguration, string])[] = [
  ['another target', rule({ TopicArn: 'arn:holdfast:webhook::other' }), 'Unable to validate'],
  ['another of MinIO', rule({ TopicArn: 'arn:minio:sqs::other:webhook' }), 'Unable to validate'],
  ['another kind', rule({ TopicArn: 'arn:minio:sqs::hook:kafka' }), 'Unable to validate'],
  ['an ARN of AWS', rule({ TopicArn: 'arn:aws:sns:us-east-1:1:hook' }), 'Unable to validate'],
  ['an address', rule({ TopicArn: 'http://127.0.0.1/' }), 'Unable to validate'],
  ['an unknown event', rule({ Events: ['s3:ObjectEaten'] }), 'The event is not supported'],
  ['no event', rule({ Events: [] }), 'The XML you provided was not well-formed'],
  ['a filter by content', filter({ Name: 'content', Value: 'x' }), 'either prefix or suffix'],
  [
    'two prefixes',
    filter({ Name: 'prefix', Value: 'x' }, { Name: 'Prefix', Value: 'y' }),
    'more than one prefix',
  ],
  ['EventBridge', { EventBridgeConfiguration: {} }, 'no EventBridge'],
  [
    'one id twice',
    {
      TopicConfigurations: [
        { Id: 'x', TopicArn: HOOK, Events: ['s3:ObjectCreated:*'] },
        { Id: 'x', TopicArn: HOOK, Events: ['s3:ObjectRemoved:*'] },
      ],
    },
    'IDs must be unique',
  ],
];

test.each(REFUSED)(
  '%s is refused, and nothing is changed',
  async (_name, configuration, message) => {
    await expect(write(configuration)).rejects.toThrow(message);
    expect(await read()).toEqual({});
  },
);
