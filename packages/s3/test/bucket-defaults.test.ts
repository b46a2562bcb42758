import {
  CreateBucketCommand,
  GetBucketAccelerateConfigurationCommand,
  GetBucketLoggingCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketReplicationCommand,
  GetBucketRequestPaymentCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { startTestServer } from './test-server.ts';

test('what was never set is answered as AWS answers it', async () => {
  await using server = await startTestServer();
  const client = server.client();
  const Bucket = 'bucket';
  await client.send(new CreateBucketCommand({ Bucket }));
  const { Payer } = await client.send(new GetBucketRequestPaymentCommand({ Bucket }));
  expect(Payer).toBe('BucketOwner');
  const { LoggingEnabled } = await client.send(new GetBucketLoggingCommand({ Bucket }));
  expect(LoggingEnabled).toBeUndefined();
  const { Status } = await client.send(new GetBucketAccelerateConfigurationCommand({ Bucket }));
  expect(Status).toBeUndefined();
  const { $metadata: _metadata, ...nobody } = await client.send(
    new GetBucketNotificationConfigurationCommand({ Bucket }),
  );
  expect(nobody).toEqual({});
  await expect(client.send(new GetBucketReplicationCommand({ Bucket }))).rejects.toMatchObject({
    name: 'ReplicationConfigurationNotFoundError',
  });
});
