import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { startTestServer } from './test-server.ts';

test('a put object is got, headed, listed and deleted', async () => {
  await using server = await startTestServer();
  const s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  const put = await s3.send(
    new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'a/b',
      Body: 'hello',
      ContentType: 'text/plain',
      Metadata: { colour: 'red' },
    }),
  );
  expect(put.ETag).toBe('"5d41402abc4b2a76b9719d911017c592"');
  const got = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'a/b' }));
  expect(await got.Body?.transformToString()).toBe('hello');
  expect(got.ContentType).toBe('text/plain');
  expect(got.Metadata).toEqual({ colour: 'red' });
  const head = await s3.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'a/b' }));
  expect(head.ContentLength).toBe(5);
  const list = await s3.send(new ListObjectsV2Command({ Bucket: 'bucket' }));
  expect(list.Contents?.map((object) => object.Key)).toEqual(['a/b']);
  const buckets = await s3.send(new ListBucketsCommand({}));
  expect(buckets.Buckets?.map((bucket) => bucket.Name)).toEqual(['bucket']);
  await s3.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: 'a/b' }));
  await expect(
    s3.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'a/b' })),
  ).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } });
});
