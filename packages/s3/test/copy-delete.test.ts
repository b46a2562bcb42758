import { createHash } from 'node:crypto';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const Bucket = 'bucket';
let server: TestServer;
let s3: S3Client;
beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
  await send(server, { method: 'PUT', path: '/bucket' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function put(Key: string, Body: string): Promise<string> {
  const { ETag = '' } = await s3.send(
    new PutObjectCommand({ Bucket, Key, Body, Metadata: { origin: Key }, ContentType: 'text/x' }),
  );
  return ETag;
}

test('a copy keeps the metadata, or replaces it when told to', async () => {
  const ETag = await put('copy/a+b c%', 'content');
  const CopySource = `/${Bucket}/${encodeURIComponent('copy/a+b c%')}`;
  const copied = await s3.send(new CopyObjectCommand({ Bucket, Key: 'kept', CopySource }));
  expect(copied.CopyObjectResult?.ETag).toBe(ETag);
  const kept = await s3.send(new HeadObjectCommand({ Bucket, Key: 'kept' }));
  expect([kept.ContentType, kept.Metadata]).toEqual(['text/x', { origin: 'copy/a+b c%' }]);
  await s3.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'replaced',
      CopySource,
      MetadataDirective: 'REPLACE',
      Metadata: { fresh: 'yes' },
    }),
  );
  const replaced = await s3.send(new GetObjectCommand({ Bucket, Key: 'replaced' }));
  expect(await replaced.Body?.transformToString()).toBe('content');
  expect(replaced.Metadata).toEqual({ fresh: 'yes' });
});

test('class and redirect of a copy are its own, and may be changed in place', async () => {
  const source = { Bucket, Key: 'placed' };
  const placed = { StorageClass: 'STANDARD_IA', WebsiteRedirectLocation: '/a' } as const;
  await s3.send(new PutObjectCommand({ ...source, ...placed, Body: 'x', Metadata: { m: '1' } }));
  const copy = async (Key: string, own: object): Promise<unknown[]> => {
    await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/placed`, ...own }));
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    return [head.Metadata?.['m'], head.StorageClass, head.WebsiteRedirectLocation];
  };
  expect(await copy('placed-copy', {})).toEqual(['1', undefined, undefined]);
  const other = { StorageClass: 'ONEZONE_IA', WebsiteRedirectLocation: '/b' };
  expect(await copy('placed-copy', other)).toEqual(['1', 'ONEZONE_IA', '/b']);
  expect(await copy('placed', { StorageClass: 'STANDARD' })).toEqual(['1', undefined, undefined]);
  expect(await copy('placed', { WebsiteRedirectLocation: '/c' })).toEqual(['1', undefined, '/c']);
  await expect(copy('placed', {})).rejects.toMatchObject({ name: 'InvalidRequest' });
  await expect(copy('placed', { StorageClass: 'FLOPPY' })).rejects.toMatchObject({
    name: 'InvalidStorageClass',
  });
  await expect(copy('placed', { WebsiteRedirectLocation: 'c' })).rejects.toMatchObject({
    name: 'InvalidRedirectLocation',
  });
});

test('the copy source is percent-decoded exactly once', async () => {
  await put('once/%41', 'percent');
  await put('once/A', 'letter');
  const answer = await send(server, {
    method: 'PUT',
    path: '/bucket/decoded',
    headers: { 'x-amz-copy-source': 'bucket/once/%2541' },
  });
  expect(answer.status).toBe(200);
  expect((await send(server, { method: 'GET', path: '/bucket/decoded' })).body).toBe('percent');
});

test('conditions on the source and on the destination of a copy are decided', async () => {
  const ETag = await put('conditions/source', 'content');
  const CopySource = `${Bucket}/conditions/source`;
  const Key = 'conditions/target';
  const refused = (extra: object) =>
    expect(
      s3.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...extra })),
    ).rejects.toMatchObject({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } });
  await refused({ CopySourceIfMatch: '"other"' });
  await refused({ CopySourceIfNoneMatch: ETag });
  await refused({ CopySourceIfModifiedSince: new Date(server.clock.nowMs()) });
  await refused({ CopySourceIfUnmodifiedSince: new Date('2001-01-01') });
  // A time that has not come is none.
  const CopySourceIfModifiedSince = new Date('2100-01-01');
  const first = { CopySourceIfModifiedSince, IfNoneMatch: '*' };
  await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...first }));
  await refused({ IfNoneMatch: '*' });
});

test('a copy source that is none is refused', async () => {
  for (const [source, status, code] of [
    ['bucket', 400, 'InvalidArgument'],
    ['bucket/', 400, 'InvalidArgument'],
    ['/', 400, 'InvalidArgument'],
    ['bucket/%ff', 400, 'InvalidArgument'],
    ['bucket/key?versionId=abc', 400, 'InvalidArgument'],
    ['bucket/absent', 404, 'NoSuchKey'],
    ['absent/key', 404, 'NoSuchBucket'],
    [`bucket/${'k'.repeat(1025)}`, 400, 'KeyTooLongError'],
  ] as const) {
    const answer = await send(server, {
      method: 'PUT',
      path: '/bucket/never',
      headers: { 'x-amz-copy-source': source },
    });
    expect([source, answer.status, answer.code]).toEqual([source, status, code]);
  }
  for (const [key, status, code] of [
    ['kept', 400, 'InvalidRequest'],
    ['absent', 404, 'NoSuchKey'],
  ] as const) {
    const self = await send(server, {
      method: 'PUT',
      path: `/bucket/${key}`,
      headers: { 'x-amz-copy-source': `bucket/${key}` },
    });
    expect([key, self.status, self.code]).toEqual([key, status, code]);
  }
});

test('deleting what is not there is 204, and 404 where an ETag was asked for; deleting something else is 412', async () => {
  const path = '/bucket/deleted';
  expect((await send(server, { method: 'DELETE', path })).status).toBe(204);
  const missing = await send(server, { method: 'DELETE', path, headers: { 'if-match': '"x"' } });
  expect([missing.status, missing.code]).toEqual([404, 'NoSuchKey']);
  const size = { 'x-amz-if-match-size': '3' };
  expect((await send(server, { method: 'DELETE', path, headers: size })).status).toBe(204);
  const ETag = await put('deleted', 'v');
  const stale = await send(server, { method: 'DELETE', path, headers: { 'if-match': '"x"' } });
  expect([stale.status, stale.code, stale.element('Condition')]).toEqual([
    412,
    'PreconditionFailed',
    'If-Match',
  ]);
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'deleted', IfMatch: ETag }));
  expect((await send(server, { method: 'HEAD', path })).status).toBe(404);
});

test('DeleteObjects deletes each key for itself and reports what failed', async () => {
  const ETag = await put('many/1', 'v');
  await put('many/2', 'v');
  await put('many/3', 'v');
  const result = await s3.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: {
        Objects: [
          { Key: 'many/1', ETag },
          { Key: 'many/2', ETag: '"stale"' },
          { Key: 'many/3' },
          { Key: 'many/absent' },
          { Key: 'many/absent-too', ETag },
          { Key: 'many/3', VersionId: 'foreign' },
          { Key: 'line\nbreak &<' },
        ],
      },
    }),
  );
  expect(result.Deleted?.map(({ Key }) => Key)).toEqual([
    'many/1',
    'many/3',
    'many/absent',
    'line\nbreak &<',
  ]);
  expect(result.Errors).toMatchObject([
    { Key: 'many/2', Code: 'PreconditionFailed' },
    { Key: 'many/absent-too', Code: 'NoSuchKey' },
    { Key: 'many/3', VersionId: 'foreign', Code: 'NoSuchVersion' },
  ]);
  const quiet = await s3.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: [{ Key: 'many/2' }] } }),
  );
  expect([quiet.Deleted, quiet.Errors]).toEqual([undefined, undefined]);
  const head = await send(server, { method: 'HEAD', path: '/bucket/many/2' });
  expect(head.status).toBe(404);
});

test('a delete whose condition nobody understands deletes nothing', async () => {
  await put('condition', 'v');
  const path = '/bucket/condition';
  for (const modified of ['yesterday', '1766448000', '']) {
    const headers = { 'x-amz-if-match-last-modified-time': modified };
    const one = await send(server, { method: 'DELETE', path, headers });
    expect([one.status, one.code]).toEqual([400, 'InvalidArgument']);
    const body = `<Delete><Object><Key>condition</Key><LastModifiedTime>${modified}</LastModifiedTime></Object></Delete>`;
    const md5 = createHash('md5').update(body).digest('base64');
    const many = await send(server, {
      method: 'POST',
      path: '/bucket?delete',
      body,
      headers: { 'content-md5': md5 },
    });
    expect([many.status, many.code]).toEqual([400, 'MalformedXML']);
  }
  expect((await send(server, { method: 'HEAD', path })).status).toBe(200);
});

test('DeleteObjects needs a digest that matches, a document and at most 1000 keys', async () => {
  await put('safe', 'v');
  const path = '/bucket?delete';
  const one = '<Delete><Object><Key>safe</Key></Object></Delete>';
  const md5 = (body: string) => createHash('md5').update(body).digest('base64');
  const many = `<Delete>${'<Object><Key>safe</Key></Object>'.repeat(1001)}</Delete>`;
  for (const [body, digest, code] of [
    [one, undefined, 'InvalidRequest'],
    [one, md5('other'), 'BadDigest'],
    [many, md5(many), 'MalformedXML'],
    ['<Delete/>', md5('<Delete/>'), 'MalformedXML'],
    ['', md5(''), 'MissingRequestBodyError'],
    [' '.repeat(2 ** 21 + 1), 'x', 'MaxMessageLengthExceeded'],
  ] as const) {
    const headers: Record<string, string> = digest === undefined ? {} : { 'content-md5': digest };
    const answer = await send(server, { method: 'POST', path, body, headers });
    expect([body.slice(0, 30), answer.status, answer.code]).toEqual([body.slice(0, 30), 400, code]);
  }
  expect((await send(server, { method: 'HEAD', path: '/bucket/safe' })).status).toBe(200);
  const checksum = createHash('sha256').update(one).digest('base64');
  const done = await send(server, {
    method: 'POST',
    path,
    body: one,
    headers: { 'x-amz-checksum-sha256': checksum },
  });
  expect([done.status, done.element('Key')]).toEqual([200, 'safe']);
});

test('conditional puts are decided: If-None-Match * and If-Match', async () => {
  const path = '/bucket/conditional';
  const create = { method: 'PUT', path, headers: { 'if-none-match': '*' }, body: 'one' };
  expect((await send(server, create)).status).toBe(200);
  const again = await send(server, create);
  expect([again.status, again.code, again.element('Condition')]).toEqual([
    412,
    'PreconditionFailed',
    'If-None-Match',
  ]);
  const etag = `"${createHash('md5').update('one').digest('hex')}"`;
  const swap = { method: 'PUT', path, headers: { 'if-match': etag }, body: 'two' };
  expect((await send(server, swap)).status).toBe(200);
  expect((await send(server, swap)).status).toBe(412);
  const absent = await send(server, { ...swap, path: '/bucket/conditional-absent' });
  expect([absent.status, absent.code]).toEqual([404, 'NoSuchKey']);
  // One quote is enough.
  const two = createHash('md5').update('two').digest('hex');
  const half = { method: 'PUT', path, body: 'two' };
  expect((await send(server, { ...half, headers: { 'if-match': `${two}"` } })).status).toBe(200);
  expect((await send(server, { ...half, headers: { 'if-match': `"${two}` } })).status).toBe(200);
});
