/** What the policy of a bucket does not give away: the objects of others, and itself. */
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketPolicyCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const OTHER = { id: 'b'.repeat(64), displayName: 'other' };
const THIRD = { id: 'c'.repeat(64), displayName: 'third' };
const secretAccessKey = 'a-secret-of-a-test';

let server: TestServer;
let owner: S3Client;
let other: S3Client;
let third: S3Client;
beforeAll(async () => {
  server = await startTestServer({
    users: [OTHER, THIRD].map((account) => ({
      account,
      name: account.id,
      accessKeyId: account.displayName,
      secretAccessKey,
    })),
  });
  owner = server.client();
  other = server.client({ credentials: { accessKeyId: 'other', secretAccessKey } });
  third = server.client({ credentials: { accessKeyId: 'third', secretAccessKey } });
});
afterAll(() => server[Symbol.asyncDispose]());

const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: Error) => error.name,
  );
const policyOf = (Bucket: string, more: object = {}): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:*',
      Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
      ...more,
    },
  });

test.each(['ObjectWriter', 'BucketOwnerPreferred'] as const)(
  'with %s the policy of a bucket lets nobody read what another account owns',
  async (ObjectOwnership) => {
    const Bucket = `foreign-${ObjectOwnership.toLowerCase()}`;
    await owner.send(new CreateBucketCommand({ Bucket, ObjectOwnership }));
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: policyOf(Bucket) }));
    const put = (Key: string, more: object = {}) =>
      other.send(new PutObjectCommand({ Bucket, Key, Body: 'v', ...more }));
    await put('private');
    await put('shared', { GrantRead: `id=${THIRD.id}` });
    await owner.send(new PutObjectCommand({ Bucket, Key: 'own', Body: 'v' }));
    const get = (who: S3Client, Key: string) =>
      outcome(who.send(new GetObjectCommand({ Bucket, Key })));
    for (const who of [owner, third]) {
      expect(await get(who, 'private')).toBe('AccessDenied');
      expect(await outcome(who.send(new GetObjectAclCommand({ Bucket, Key: 'private' })))).toBe(
        'AccessDenied',
      );
    }
    expect((await fetch(`${server.endpoint}/${Bucket}/private`)).status).toBe(403);
    expect((await fetch(`${server.endpoint}/${Bucket}/own`)).status).toBe(200);
    expect(await get(other, 'private')).toBe('done');
    expect(await get(third, 'shared')).toBe('done');
    expect(await get(other, 'own')).toBe('done');
    expect(await outcome(third.send(new HeadObjectCommand({ Bucket, Key: 'none' })))).toBe(
      'NotFound',
    );
    // A denial is for all that is in the bucket.
    const Policy = policyOf(Bucket, { Effect: 'Deny', Action: 's3:GetObject' });
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    expect(await get(other, 'private')).toBe('AccessDenied');
    expect(await get(third, 'shared')).toBe('AccessDenied');
  },
);

test('an ACL that lets others write lets them delete no version for good', async () => {
  const Bucket = 'written-by-others';
  const ACL = 'public-read-write';
  await owner.send(new CreateBucketCommand({ Bucket, ACL, ObjectOwnership: 'ObjectWriter' }));
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await owner.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  const address = { Bucket, Key: 'k' };
  const { VersionId } = await owner.send(new PutObjectCommand({ ...address, Body: 'v' }));
  const version = { ...address, VersionId };
  expect(await outcome(other.send(new DeleteObjectCommand(version)))).toBe('AccessDenied');
  const path = `/${Bucket}/k?versionId=${VersionId}`;
  expect((await send(server, { method: 'DELETE', path, anonymous: true })).status).toBe(403);
  const Objects = [{ Key: 'k', VersionId }];
  const { Errors } = await other.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  expect(Errors?.map(({ Code }) => Code)).toEqual(['AccessDenied']);
  // A delete marker takes nothing away.
  expect(await outcome(other.send(new DeleteObjectCommand(address)))).toBe('done');
  expect(await outcome(owner.send(new GetObjectCommand(version)))).toBe('done');
  expect(await outcome(owner.send(new DeleteObjectCommand(version)))).toBe('done');
});

test('an ACL that lets others write lets them lock nothing', async () => {
  const Bucket = 'locked-by-others';
  const create = { Bucket, ACL: 'public-read-write', ObjectOwnership: 'ObjectWriter' } as const;
  await owner.send(new CreateBucketCommand({ ...create, ObjectLockEnabledForBucket: true }));
  const address = { Bucket, Key: 'k' };
  const ObjectLockRetainUntilDate = new Date(server.clock.nowMs() + 1_000_000);
  for (const lock of [
    { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate },
    { ObjectLockLegalHoldStatus: 'ON' },
  ] as const) {
    const put = (by: S3Client): Promise<string> =>
      outcome(by.send(new PutObjectCommand({ ...address, Body: 'v', ...lock })));
    const begin = (by: S3Client): Promise<string> =>
      outcome(by.send(new CreateMultipartUploadCommand({ ...address, ...lock })));
    expect([await put(other), await begin(other)]).toEqual(['AccessDenied', 'AccessDenied']);
    expect([await put(owner), await begin(owner)]).toEqual(['done', 'done']);
  }
  expect(await outcome(other.send(new PutObjectCommand({ ...address, Body: 'v' })))).toBe('done');
});

test.each([
  ['acl', { ACL: 'public-read-write', ObjectOwnership: 'ObjectWriter' }],
  ['policy', { ObjectOwnership: 'BucketOwnerEnforced' }],
] as const)(
  'an open upload is for who began it, and for the bucket’s owner: with %s',
  async (way, more) => {
    const Bucket = `uploads-with-${way}`;
    await owner.send(new CreateBucketCommand({ Bucket, ...more }));
    if (way === 'policy') {
      const Policy = policyOf(Bucket, {
        Action: 's3:PutObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      });
      await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    }
    const address = { Bucket, Key: 'k' };
    const begin = async (by: S3Client): Promise<string | undefined> =>
      (await by.send(new CreateMultipartUploadCommand(address))).UploadId;
    const uses = async (by: S3Client, UploadId: string | undefined) => [
      await outcome(by.send(new ListPartsCommand({ ...address, UploadId }))),
      await outcome(by.send(new AbortMultipartUploadCommand({ ...address, UploadId }))),
    ];
    const DENIED = ['AccessDenied', 'AccessDenied'];
    const theirs = await begin(other);
    expect(await uses(third, theirs)).toEqual(DENIED);
    const path = `/${Bucket}/k?uploadId=${theirs}`;
    for (const method of ['GET', 'DELETE']) {
      expect((await send(server, { method, path, anonymous: true })).status).toBe(403);
    }
    expect(await uses(other, await begin(owner))).toEqual(DENIED);
    expect(await uses(other, theirs)).toEqual(['done', 'done']);
    // Nobody learns what uploads there are.
    expect(await uses(other, theirs)).toEqual(DENIED);
    expect(await uses(owner, await begin(other))).toEqual(['done', 'done']);
    const denied = policyOf(Bucket, { Effect: 'Deny', Action: 's3:AbortMultipartUpload' });
    const last = await begin(other);
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: denied }));
    expect(await uses(other, last)).toEqual(['done', 'AccessDenied']);
  },
);

test('where ACLs are turned off every object that is listed is the bucket owner’s', async () => {
  const Bucket = 'taken-over';
  await owner.send(new CreateBucketCommand({ Bucket, ObjectOwnership: 'ObjectWriter' }));
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: policyOf(Bucket) }));
  const address = { Bucket, Key: 'theirs' };
  await other.send(new PutObjectCommand({ ...address, Body: 'v' }));
  const { UploadId } = await other.send(new CreateMultipartUploadCommand(address));
  const owners = async (): Promise<readonly (string | undefined)[]> => {
    const one = await owner.send(new ListObjectsCommand({ Bucket }));
    const two = await owner.send(new ListObjectsV2Command({ Bucket, FetchOwner: true }));
    const versions = await owner.send(new ListObjectVersionsCommand({ Bucket }));
    const uploads = await owner.send(new ListMultipartUploadsCommand({ Bucket }));
    const parts = await owner.send(new ListPartsCommand({ ...address, UploadId }));
    const listed = [one.Contents?.[0], two.Contents?.[0], versions.Versions?.[0]];
    return [...listed, uploads.Uploads?.[0], parts].map((each) => each?.Owner?.ID);
  };
  expect(new Set(await owners())).toEqual(new Set([OTHER.id]));
  const OwnershipControls = { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' as const }] };
  await owner.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }));
  expect(new Set(await owners())).toEqual(new Set([OWNER_ID]));
});

test('the policy of a bucket is for its own account, whatever it allows others', async () => {
  const Bucket = 'own-policy';
  await owner.send(new CreateBucketCommand({ Bucket }));
  const attempts = (who: S3Client): Promise<string[]> =>
    Promise.all([
      outcome(who.send(new GetBucketPolicyCommand({ Bucket }))),
      outcome(who.send(new PutBucketPolicyCommand({ Bucket, Policy: policyOf(Bucket) }))),
      outcome(who.send(new DeleteBucketPolicyCommand({ Bucket }))),
    ]);
  const refused = (code: string): string[] => [code, code, code];
  expect(await attempts(other)).toEqual(refused('AccessDenied'));
  const Policy = policyOf(Bucket);
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  expect(await attempts(other)).toEqual(refused('MethodNotAllowed'));
  for (const [method, body] of [['GET'], ['PUT', Policy], ['DELETE']] as const) {
    const answer = await fetch(`${server.endpoint}/${Bucket}?policy`, {
      method,
      body: body ?? null,
    });
    expect(answer.status).toBe(405);
  }
  const read = await owner.send(new GetBucketPolicyCommand({ Bucket }));
  expect(read.Policy).toBe(Policy);
});

test('what a policy says elsewhere than in its conditions has judged no ACL', async () => {
  const Bucket = 'unjudged';
  await owner.send(new CreateBucketCommand({ Bucket, ObjectOwnership: 'ObjectWriter' }));
  const put = (): Promise<string> =>
    outcome(other.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v', ACL: 'public-read' })));
  const allow = { Action: 's3:PutObject' };
  for (const more of [allow, { ...allow, Sid: 'whatever s3:x-amz-acl is' }]) {
    const Policy = policyOf(Bucket, more);
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    expect(await put()).toBe('AccessDenied');
  }
  const Condition = { StringEquals: { 's3:x-amz-acl': 'public-read' } };
  const judged = policyOf(Bucket, { ...allow, Condition }).replace(
    's3:x-amz-acl',
    's3:x-amz-\\u0061cl',
  );
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: judged }));
  expect(await put()).toBe('done');
});
