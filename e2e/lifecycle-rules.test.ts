import { join } from 'node:path';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const Bucket = 'rules';

/** Each version by its key, delete markers as `key-`. */
async function versionsOf(client: S3Client): Promise<string[]> {
  const page = await client.send(new ListObjectVersionsCommand({ Bucket }));
  const objects = (page.Versions ?? []).map(({ Key }) => Key ?? '');
  return [...objects, ...(page.DeleteMarkers ?? []).map(({ Key }) => `${Key}-`)].sort();
}

test('rules are applied by a running server by themselves, also after a kill, and counted', async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, 'data');
  const serve = { directory, arguments: ['--lifecycle-day-seconds', '1'] };
  {
    await using server = await HoldfastProcess.start(serve);
    const client = server.client();
    await client.send(new CreateBucketCommand({ Bucket }));
    const Status = 'Enabled' as const;
    await client.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }),
    );
    for (const Key of ['old/1', 'old/1', 'old/2', 'kept', 'gone/1']) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    }
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'gone/1' }));
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'upload' }));
    const Rules = [
      { ID: 'hide', Prefix: 'old/', Status, Expiration: { Days: 1 } },
      { ID: 'drop', Prefix: '', Status, NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
      { ID: 'tidy', Prefix: '', Status, Expiration: { ExpiredObjectDeleteMarker: true } },
      {
        ID: 'abort',
        Prefix: '',
        Status,
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      },
    ];
    const LifecycleConfiguration = { Rules };
    const command = new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration });
    expect((await client.send(command)).$metadata.httpStatusCode).toBe(200);
  }
  await using server = await HoldfastProcess.start(serve);
  const client = server.client();
  await waitUntil('all that is due is gone', async () => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    return Uploads.length === 0 && (await versionsOf(client)).join() === 'kept';
  });
  await waitUntil('a pass is counted', async () => {
    const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
    return /holdfast_lifecycle_total\{kind="passes"\} [1-9]/.test(metrics);
  });
});
