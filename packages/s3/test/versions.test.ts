import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
  type Tag,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { send, succeed } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const Key = 'k';
let server: TestServer;
let s3: S3Client;
let made = 0;

beforeAll(async () => {
  server = await startTestServer();
  s3 = server.client();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function newBucket(kind: 'plain' | 'versioned' | 'locked' = 'versioned'): Promise<string> {
  const Bucket = `bucket-${++made}`;
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: kind === 'locked' }));
  if (kind === 'versioned') {
    await s3.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
  }
  return Bucket;
}

const put = (Bucket: string, Body: string, extra: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...extra }));

/** Status and code of a refusal; fails where there is none. */
async function refusal(work: Promise<unknown>): Promise<[number | undefined, string]> {
  const error = (await work.then(
    () => ({ name: 'nothing was refused', $metadata: {} }),
    (refused: unknown) => refused,
  )) as { readonly name: string; readonly $metadata: { readonly httpStatusCode?: number } };
  return [error.$metadata.httpStatusCode, error.name];
}

test('versions are put, read, listed, copied and deleted by their ids', async () => {
  const Bucket = await newBucket();
  const state = await s3.send(new GetBucketVersioningCommand({ Bucket }));
  expect(state.Status).toBe('Enabled');
  const first = await put(Bucket, '1');
  const second = await put(Bucket, '22');
  const { VersionId } = first;
  const read = await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }));
  expect([await read.Body?.transformToString(), read.VersionId]).toEqual(['1', VersionId]);
  const CopySource = `${Bucket}/${Key}?versionId=${VersionId}`;
  const copy = await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource }));
  expect(copy.CopySourceVersionId).toBe(VersionId);
  const page = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  expect(page.Versions?.map((version) => [version.VersionId, version.IsLatest])).toEqual([
    [copy.VersionId, true],
    [second.VersionId, false],
    [VersionId, false],
  ]);
  const deleted = await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  expect([deleted.VersionId, deleted.DeleteMarker]).toEqual([VersionId, undefined]);
  const gone = s3.send(new GetObjectCommand({ Bucket, Key, VersionId }));
  expect(await refusal(gone)).toEqual([404, 'NoSuchVersion']);
});

test('a delete marker answers 404 for the key, 405 for itself, and says what it is', async () => {
  const Bucket = await newBucket();
  await put(Bucket, '1');
  const { VersionId, DeleteMarker } = await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(DeleteMarker).toBe(true);
  const get = await send(server, { method: 'GET', path: `/${Bucket}/${Key}` });
  expect([get.status, get.code, get.headers['x-amz-delete-marker']]).toEqual([
    404,
    'NoSuchKey',
    'true',
  ]);
  expect(get.headers['x-amz-version-id']).toBe(VersionId);
  const path = `/${Bucket}/${Key}?versionId=${VersionId}`;
  const itself = await send(server, { method: 'GET', path });
  expect([itself.status, itself.code, itself.headers['x-amz-delete-marker']]).toEqual([
    405,
    'MethodNotAllowed',
    'true',
  ]);
  const page = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  expect(page.DeleteMarkers).toMatchObject([{ Key, VersionId, IsLatest: true }]);
});

test('what a delete marker hides cannot be changed, and its tags not be read: 405', async () => {
  const Bucket = await newBucket('locked');
  const rules = '<Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule>';
  const ownership = `<OwnershipControls>${rules}</OwnershipControls>`;
  await succeed(server, 'PUT', `/${Bucket}?ownershipControls`, {}, ownership);
  await put(Bucket, '1');
  const { VersionId } = await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  const changes: readonly (readonly [string, string, string?])[] = [
    ['PUT', 'acl'],
    ['PUT', 'tagging', '<Tagging><TagSet/></Tagging>'],
    ['GET', 'tagging'],
    ['DELETE', 'tagging'],
    ['PUT', 'retention', '<Retention/>'],
    ['PUT', 'legal-hold', '<LegalHold><Status>ON</Status></LegalHold>'],
  ];
  for (const [method, about, body] of changes) {
    for (const version of ['', `&versionId=${VersionId}`]) {
      const path = `/${Bucket}/${Key}?${about}${version}`;
      const headers = { 'x-amz-acl': 'private' };
      const change = await send(server, { method, path, headers, ...(body && { body }) });
      const found = [change.status, change.code, change.headers.allow];
      expect([method, about, ...found]).toEqual([method, about, 405, 'MethodNotAllowed', 'DELETE']);
    }
  }
  for (const about of ['acl', 'retention', 'legal-hold']) {
    const read = await send(server, { method: 'GET', path: `/${Bucket}/${Key}?${about}` });
    expect([about, read.status, read.code]).toEqual([about, 404, 'NoSuchKey']);
  }
  const never = await send(server, { method: 'DELETE', path: `/${Bucket}/never?tagging` });
  expect([never.status, never.code]).toEqual([404, 'NoSuchKey']);
});

test('a delete marker is no source of a copy: 404 for its key, 400 for itself', async () => {
  const Bucket = await newBucket();
  const { VersionId } = await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  const path = `/${Bucket}/copy`;
  const created = await send(server, { method: 'POST', path: `${path}?uploads` });
  const part = `${path}?partNumber=1&uploadId=${created.element('UploadId')}`;
  for (const target of [path, part]) {
    const ask = async (source: string) => {
      const headers = { 'x-amz-copy-source': source };
      return await send(server, { method: 'PUT', path: target, headers });
    };
    const latest = await ask(`${Bucket}/${Key}`);
    expect([latest.status, latest.code, latest.headers['x-amz-delete-marker']]).toEqual([
      404,
      'NoSuchKey',
      'true',
    ]);
    const itself = await ask(`${Bucket}/${Key}?versionId=${VersionId}`);
    expect([itself.status, itself.code, itself.headers['x-amz-delete-marker']]).toEqual([
      400,
      'InvalidRequest',
      undefined,
    ]);
    expect(itself.message).toMatch('may not specifically refer to a delete marker');
  }
});

test('DeleteObjects makes markers, and deletes versions and markers by their ids', async () => {
  const Bucket = await newBucket();
  const { VersionId } = await put(Bucket, '1');
  const marked = await s3.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }, { Key: 'other' }] } }),
  );
  expect(marked.Deleted?.map(({ DeleteMarker }) => DeleteMarker)).toEqual([true, true]);
  const marker = marked.Deleted?.[0]?.DeleteMarkerVersionId;
  const Objects = [VersionId, marker].map((id) => ({ Key, VersionId: id }));
  const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  expect(deleted.Deleted).toEqual([
    { Key, VersionId },
    { Key, VersionId: marker, DeleteMarker: true, DeleteMarkerVersionId: marker },
  ]);
});

test('a key that DeleteObjects names twice gets one marker, and one answer', async () => {
  const Bucket = await newBucket();
  const { VersionId } = await put(Bucket, '1');
  const Objects = [{ Key }, { Key, VersionId }, { Key }, { Key, VersionId }];
  const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  expect(Deleted?.map((one) => [one.VersionId, one.DeleteMarker])).toEqual([
    [undefined, true],
    [VersionId, undefined],
  ]);
  const { DeleteMarkers } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  expect(DeleteMarkers).toHaveLength(1);
});

test('suspended, the version of a put has no id in its answer and is null in a listing', async () => {
  const Bucket = await newBucket();
  await s3.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }),
  );
  expect((await put(Bucket, '1')).VersionId).toBeUndefined();
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
  expect(head.VersionId).toBe('null');
  const wrong = { Status: 'Off' as 'Enabled' };
  const asked = new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: wrong });
  expect(await refusal(s3.send(asked))).toEqual([400, 'MalformedXML']);
});

test('a conditional delete looks at the latest version, of many keys for each', async () => {
  const Bucket = await newBucket();
  const { ETag } = await put(Bucket, '1');
  const stale = s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: '"stale"' }));
  expect(await refusal(stale)).toEqual([412, 'PreconditionFailed']);
  await s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: ETag }));
  const hidden = s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: ETag }));
  expect(await refusal(hidden)).toEqual([412, 'PreconditionFailed']);
  const absent = s3.send(new DeleteObjectCommand({ Bucket, Key: 'no', IfMatch: '"x"' }));
  expect(await refusal(absent)).toEqual([404, 'NoSuchKey']);
});

test('tags come with a put or after it, are copied or replaced, and are counted', async () => {
  const Bucket = await newBucket();
  const { VersionId } = await put(Bucket, '1', { Tagging: 'b=2&a' });
  const tagsOf = async (key: string, extra: object = {}) =>
    (await s3.send(new GetObjectTaggingCommand({ Bucket, Key: key, ...extra }))).TagSet;
  const both = [
    { Key: 'a', Value: '' },
    { Key: 'b', Value: '2' },
  ];
  expect(await tagsOf(Key)).toEqual(both);
  const head = await send(server, { method: 'HEAD', path: `/${Bucket}/${Key}` });
  expect(head.headers['x-amz-tagging-count']).toBe('2');
  const CopySource = `${Bucket}/${Key}`;
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource }));
  expect(await tagsOf('copied')).toEqual(both);
  const replaced = { TaggingDirective: 'REPLACE', Tagging: 'c=3' } as const;
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'replaced', CopySource, ...replaced }));
  expect(await tagsOf('replaced')).toEqual([{ Key: 'c', Value: '3' }]);
  await put(Bucket, '2');
  const TagSet = [{ Key: 'é+ -._:/@', Value: '=' }];
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key, VersionId, Tagging: { TagSet } }));
  expect([await tagsOf(Key), await tagsOf(Key, { VersionId })]).toEqual([[], TagSet]);
  await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key, VersionId }));
  expect(await tagsOf(Key, { VersionId })).toEqual([]);
});

test('tags of a bucket are there until they are deleted', async () => {
  const Bucket = await newBucket('plain');
  const read = () => s3.send(new GetBucketTaggingCommand({ Bucket }));
  expect(await refusal(read())).toEqual([404, 'NoSuchTagSet']);
  const CreateBucketConfiguration = { Tags: [] };
  await s3.send(new CreateBucketCommand({ Bucket: 'no-tags', CreateBucketConfiguration }));
  expect(await refusal(s3.send(new GetBucketTaggingCommand({ Bucket: 'no-tags' })))).toEqual([
    404,
    'NoSuchTagSet',
  ]);
  const TagSet = [{ Key: 'a', Value: 'b' }];
  await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
  expect((await read()).TagSet).toEqual(TagSet);
  await send(server, { method: 'DELETE', path: `/${Bucket}?tagging` });
  expect(await refusal(read())).toEqual([404, 'NoSuchTagSet']);
  const write = (set: Tag[]) =>
    s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: set } }));
  await write(TagSet);
  await write([]);
  expect(await refusal(read())).toEqual([404, 'NoSuchTagSet']);
  const many = Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
  await expect(write(many)).rejects.toMatchObject({
    name: 'BadRequest',
    message: 'Bucket tag count cannot be greater than 50',
  });
  await expect(write([{ Key: 'aws:k', Value: '' }])).rejects.toMatchObject({
    name: 'InvalidTag',
    message: 'System tags cannot be added/updated by requester',
  });
});

test('too many tags, long ones, double ones and those with other characters are refused, and change nothing', async () => {
  const Bucket = await newBucket('plain');
  await put(Bucket, '1');
  const write = (TagSet: Tag[]) =>
    s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
  const many = Array.from({ length: 11 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
  await expect(write(many)).rejects.toMatchObject({
    name: 'BadRequest',
    message: 'Object tags cannot be greater than 10',
  });
  await expect(write([{ Key: 'aws:k', Value: '' }])).rejects.toMatchObject({
    name: 'InvalidTag',
    message: 'Your TagKey cannot be prefixed with aws:',
  });
  const sets = [
    [{ Key: 'k'.repeat(129), Value: '' }],
    [{ Key: 'k', Value: 'v'.repeat(257) }],
    [{ Key: 'k&', Value: '' }],
    [{ Key: 'k', Value: 'a\nb' }],
    [
      { Key: 'k', Value: '1' },
      { Key: 'k', Value: '2' },
    ],
  ];
  for (const TagSet of sets) {
    expect(await refusal(write(TagSet))).toEqual([400, 'InvalidTag']);
  }
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }));
  expect(TagSet).toEqual([]);
});

const later = (days: number): Date => new Date(server.clock.nowMs() + days * 86_400_000);

test('a governance retention keeps a version, but not from who bypasses it', async () => {
  const Bucket = await newBucket('locked');
  const { VersionId } = await put(Bucket, '1');
  const retain = (Retention: object, extra: object = {}) =>
    s3.send(new PutObjectRetentionCommand({ Bucket, Key, Retention, ...extra }));
  await retain({ Mode: 'GOVERNANCE', RetainUntilDate: later(2) });
  const { Retention } = await s3.send(new GetObjectRetentionCommand({ Bucket, Key }));
  expect(Retention).toEqual({ Mode: 'GOVERNANCE', RetainUntilDate: later(2) });
  const remove = (extra: object) =>
    s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId, ...extra }));
  expect(await refusal(remove({}))).toEqual([403, 'AccessDenied']);
  const shorter = { Mode: 'GOVERNANCE', RetainUntilDate: later(1) };
  expect(await refusal(retain(shorter))).toEqual([403, 'AccessDenied']);
  await retain(shorter, { BypassGovernanceRetention: true });
  await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(await refusal(remove({}))).toEqual([403, 'AccessDenied']);
  await remove({ BypassGovernanceRetention: true });
});

test('a compliance retention yields to nobody before its time', async () => {
  const Bucket = await newBucket('locked');
  const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: later(1) };
  const { VersionId } = await put(Bucket, '1', lock);
  const remove = () =>
    s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true }));
  expect(await refusal(remove())).toEqual([403, 'AccessDenied']);
  const change = new PutObjectRetentionCommand({
    Bucket,
    Key,
    Retention: { Mode: 'GOVERNANCE', RetainUntilDate: later(2) },
    BypassGovernanceRetention: true,
  });
  expect(await refusal(s3.send(change))).toEqual([403, 'AccessDenied']);
  await expect(server.store.deleteBucket(Bucket)).rejects.toMatchObject({ code: 'BucketNotEmpty' });
});

test('a legal hold keeps a version until it is taken off', async () => {
  const Bucket = await newBucket('locked');
  const { VersionId } = await put(Bucket, '1', { ObjectLockLegalHoldStatus: 'ON' });
  const remove = () => s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  expect(await refusal(remove())).toEqual([403, 'AccessDenied']);
  await s3.send(new PutObjectLegalHoldCommand({ Bucket, Key, LegalHold: { Status: 'OFF' } }));
  const { LegalHold } = await s3.send(new GetObjectLegalHoldCommand({ Bucket, Key }));
  expect(LegalHold).toEqual({ Status: 'OFF' });
  await remove();
});

test('a bucket gives its default retention to what comes without one', async () => {
  const Bucket = await newBucket('locked');
  const ObjectLockConfiguration = {
    ObjectLockEnabled: 'Enabled',
    Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 3 } },
  } as const;
  await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
  const shown = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }));
  expect(shown.ObjectLockConfiguration).toEqual(ObjectLockConfiguration);
  await put(Bucket, '1');
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
  expect([head.ObjectLockMode, head.ObjectLockRetainUntilDate]).toEqual(['GOVERNANCE', later(3)]);
  const suspend = new PutBucketVersioningCommand({
    Bucket,
    VersioningConfiguration: { Status: 'Suspended' },
  });
  expect(await refusal(s3.send(suspend))).toEqual([409, 'InvalidBucketState']);
});

test('a bucket without object lock refuses it in every form', async () => {
  const Bucket = await newBucket('plain');
  await put(Bucket, '1');
  expect(await refusal(put(Bucket, '1', { ObjectLockLegalHoldStatus: 'ON' }))).toEqual([
    400,
    'InvalidRequest',
  ]);
  const retention = s3.send(new GetObjectRetentionCommand({ Bucket, Key }));
  expect(await refusal(retention)).toEqual([400, 'InvalidRequest']);
  const configuration = s3.send(new GetObjectLockConfigurationCommand({ Bucket }));
  expect(await refusal(configuration)).toEqual([404, 'ObjectLockConfigurationNotFoundError']);
});

test('an upload that names no checksum gets CRC64NVME, whatever its parts come with', async () => {
  const Bucket = await newBucket('plain');
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Body = Buffer.alloc(5 * 1024 * 1024, 'a');
  const part = (PartNumber: number, body: Buffer, ChecksumAlgorithm: 'SHA256' | 'CRC32') =>
    s3.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: body, ChecksumAlgorithm }),
    );
  const first = await part(1, Body, 'SHA256');
  expect(first.ChecksumSHA256).toMatch(/=$/);
  const second = await part(2, Buffer.from('b'), 'CRC32');
  const Parts = [
    { PartNumber: 1, ETag: first.ETag },
    { PartNumber: 2, ETag: second.ETag },
  ];
  const done = await s3.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
  );
  expect(done.ChecksumType).toBe('FULL_OBJECT');
  const whole = await put(Bucket, `${Body.toString()}b`, {
    Key: 'whole',
    ChecksumAlgorithm: 'CRC64NVME',
  });
  expect(done.ChecksumCRC64NVME).toBe(whole.ChecksumCRC64NVME);
  const attributes = await s3.send(
    new GetObjectAttributesCommand({
      Bucket,
      Key,
      ObjectAttributes: ['ObjectParts', 'Checksum'],
      MaxParts: 1,
      PartNumberMarker: '1',
    }),
  );
  expect(attributes.ObjectParts).toEqual({ TotalPartsCount: 2 });
  const one = await s3.send(
    new GetObjectCommand({ Bucket, Key, PartNumber: 2, ChecksumMode: 'ENABLED' }),
  );
  expect([one.PartsCount, one.ContentLength, one.ChecksumType]).toEqual([2, 1, undefined]);
  expect(one.ChecksumCRC64NVME).toBeUndefined();
  expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key, PartNumber: 3 })))).toEqual([
    416,
    'InvalidPartNumber',
  ]);
});
