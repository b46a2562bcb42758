import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUserPolicy } from '../src/policy/index.ts';
import { send, succeed } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';
import type { TestUser } from './test-users.ts';

const OTHER = { id: 'b'.repeat(64), displayName: 'other' };
const secretAccessKey = 'a-secret-of-a-test';

const USERS: readonly TestUser[] = [
  { account: OTHER, name: OTHER.id, email: 'o@example.com', accessKeyId: 'OTHER', secretAccessKey },
  {
    account: { id: OWNER_ID, displayName: 'tester' },
    name: 'reader',
    accessKeyId: 'READER',
    secretAccessKey,
    policies: [
      parseUserPolicy(
        JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            { Effect: 'Allow', Action: ['s3:Get*', 's3:List*'], Resource: '*' },
            { Effect: 'Deny', Action: '*', Resource: 'arn:aws:s3:::*/secret/*' },
          ],
        }),
      ),
    ],
  },
];

let server: TestServer;
let owner: S3Client;
let other: S3Client;
let reader: S3Client;
let buckets = 0;

beforeAll(async () => {
  server = await startTestServer({ users: USERS, bucketAcls: true });
  owner = server.client();
  other = server.client({ credentials: { accessKeyId: 'OTHER', secretAccessKey } });
  reader = server.client({ credentials: { accessKeyId: 'READER', secretAccessKey } });
});
afterAll(() => server[Symbol.asyncDispose]());

async function newBucket(options: object = {}): Promise<string> {
  const Bucket = `access-${++buckets}`;
  await owner.send(new CreateBucketCommand({ Bucket, ...options }));
  await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }));
  return Bucket;
}

/** `ok`, or the code of the refusal; for HEAD its status. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return /^\d|Unknown|Error$/.test(name) ? String($metadata?.httpStatusCode ?? name) : name;
  }
}

const get = (client: S3Client, Bucket: string, Key = 'k'): Promise<string> =>
  outcome(client.send(new GetObjectCommand({ Bucket, Key })));
const put = (client: S3Client, Bucket: string, Key = 'n', more: object = {}): Promise<string> =>
  outcome(client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more })));
const list = (client: S3Client, Bucket: string): Promise<string> =>
  outcome(client.send(new ListObjectsV2Command({ Bucket })));
const anonymous = async (path: string, init: RequestInit = {}): Promise<number> => {
  const answer = await fetch(`${server.endpoint}/${path}`, init);
  await answer.arrayBuffer();
  return answer.status;
};

function policy(Bucket: string, statement: object): PutBucketPolicyCommand {
  const Statement = [
    {
      Effect: 'Allow',
      Principal: '*',
      Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
      ...statement,
    },
  ];
  return new PutBucketPolicyCommand({
    Bucket,
    Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
}

test('what is one account’s is nobody else’s', async () => {
  const bucket = await newBucket();
  for (const work of [get(other, bucket), put(other, bucket), list(other, bucket)]) {
    expect(await work).toBe('AccessDenied');
  }
  expect(await anonymous(`${bucket}/k`)).toBe(403);
  expect(await anonymous(`${bucket}/k`, { method: 'PUT', body: 'x' })).toBe(403);
  expect(await anonymous('')).toBe(403);
  expect(await outcome(other.send(new CreateBucketCommand({ Bucket: bucket })))).toBe(
    'BucketAlreadyExists',
  );
  const own = await other.send(new ListBucketsCommand({}));
  expect(own.Owner).toEqual({ ID: OTHER.id, DisplayName: 'other' });
  expect(own.Buckets ?? []).toEqual([]);
});

test('who may read and delete an object may not so its versions, the null one neither', async () => {
  const Bucket = await newBucket();
  await owner.send(policy(Bucket, { Action: ['s3:GetObject', 's3:DeleteObject'] }));
  await owner.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
  );
  await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'newer' }));
  const older = { Bucket, Key: 'k', VersionId: 'null' };
  expect(await outcome(other.send(new GetObjectCommand(older)))).toBe('AccessDenied');
  expect(await outcome(other.send(new DeleteObjectCommand(older)))).toBe('AccessDenied');
  const deleted = other.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'k', VersionId: 'null' }] } }),
  );
  expect((await deleted).Errors).toMatchObject([{ Code: 'AccessDenied' }]);
  expect(await get(other, Bucket)).toBe('ok');
  await owner.send(policy(Bucket, { Action: ['s3:GetObjectVersion', 's3:DeleteObjectVersion'] }));
  expect(await outcome(other.send(new GetObjectCommand(older)))).toBe('ok');
  expect(await outcome(other.send(new DeleteObjectCommand(older)))).toBe('ok');
});

test('a user has what its policies allow of its account', async () => {
  const bucket = await newBucket();
  await owner.send(new PutObjectCommand({ Bucket: bucket, Key: 'secret/k', Body: 'v' }));
  expect(await get(reader, bucket)).toBe('ok');
  expect(await list(reader, bucket)).toBe('ok');
  expect(await get(reader, bucket, 'secret/k')).toBe('AccessDenied');
  expect(await put(reader, bucket)).toBe('AccessDenied');
  const copy = { Bucket: bucket, Key: 'copy', CopySource: `${bucket}/secret/k` };
  expect(await outcome(reader.send(new CopyObjectCommand(copy)))).toBe('AccessDenied');
  await owner.send(policy(bucket, { Action: 's3:PutObject' }));
  expect(await put(reader, bucket)).toBe('ok');
  expect(await outcome(reader.send(new CopyObjectCommand(copy)))).toBe('AccessDenied');
});

test('a bucket policy lets others in, and out again', async () => {
  const bucket = await newBucket();
  await owner.send(policy(bucket, { Action: 's3:GetObject' }));
  expect(await get(other, bucket)).toBe('ok');
  expect(await anonymous(`${bucket}/k`)).toBe(200);
  expect(await list(other, bucket)).toBe('AccessDenied');
  const { PolicyStatus } = await owner.send(new GetBucketPolicyStatusCommand({ Bucket: bucket }));
  expect(PolicyStatus?.IsPublic).toBe(true);
  await owner.send(new DeleteBucketPolicyCommand({ Bucket: bucket }));
  expect(await get(other, bucket)).toBe('AccessDenied');
  expect(await outcome(owner.send(new GetBucketPolicyCommand({ Bucket: bucket })))).toBe(
    'NoSuchBucketPolicy',
  );
  expect(
    await outcome(owner.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: '{' }))),
  ).toBe('MalformedPolicy');
});

test('a denial counts for the owner too, but never locks it out of the policy', async () => {
  const bucket = await newBucket();
  await owner.send(policy(bucket, { Effect: 'Deny', Action: 's3:*' }));
  expect(await get(owner, bucket)).toBe('AccessDenied');
  expect(await outcome(owner.send(new GetBucketPolicyCommand({ Bucket: bucket })))).toBe('ok');
  await owner.send(new DeleteBucketPolicyCommand({ Bucket: bucket }));
  expect(await get(owner, bucket)).toBe('ok');
});

test('conditions see the request', async () => {
  const bucket = await newBucket();
  const Condition = { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control' } };
  await owner.send(policy(bucket, { Action: 's3:PutObject', Condition }));
  expect(await put(other, bucket)).toBe('AccessDenied');
  expect(await put(other, bucket, 'n', { ACL: 'bucket-owner-full-control' })).toBe('ok');
  await owner.send(
    policy(bucket, {
      Action: 's3:GetObject',
      Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.1/32' } },
    }),
  );
  expect(await anonymous(`${bucket}/k`)).toBe(200);
  await owner.send(
    policy(bucket, {
      Action: 's3:GetObject',
      Condition: { NotIpAddress: { 'aws:SourceIp': '127.0.0.1/32' } },
    }),
  );
  expect(await anonymous(`${bucket}/k`)).toBe(403);
});

test('who may not list does not learn which keys there are', async () => {
  const bucket = await newBucket();
  await owner.send(policy(bucket, { Action: 's3:GetObject' }));
  expect(await get(other, bucket, 'none')).toBe('AccessDenied');
  await owner.send(policy(bucket, { Action: ['s3:GetObject', 's3:ListBucket'] }));
  expect(await get(other, bucket, 'none')).toBe('NoSuchKey');
  const Condition = { StringLike: { 's3:prefix': 'public/*' } };
  await owner.send(policy(bucket, { Action: 's3:ListBucket', Condition }));
  const head = (Key: string) => outcome(other.send(new HeadObjectCommand({ Bucket: bucket, Key })));
  expect(await head('public/none')).toBe('NotFound');
  expect(await head('private/none')).toBe('403');
});

test('a delete of many keys is decided for each', async () => {
  const bucket = await newBucket();
  await owner.send(new PutObjectCommand({ Bucket: bucket, Key: 'p/1', Body: 'v' }));
  await owner.send(
    policy(bucket, { Action: 's3:DeleteObject', Resource: `arn:aws:s3:::${bucket}/p/*` }),
  );
  const Delete = { Objects: [{ Key: 'k' }, { Key: 'p/1' }] };
  const answer = await other.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }));
  expect(answer.Deleted?.map(({ Key }) => Key)).toEqual(['p/1']);
  expect(answer.Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([['k', 'AccessDenied']]);
  expect(await get(owner, bucket)).toBe('ok');
});

const CANNED: readonly (readonly [string, object])[] = [
  ['private', { read: false, write: false, signedRead: false }],
  ['public-read', { read: true, write: false, signedRead: true }],
  ['public-read-write', { read: true, write: true, signedRead: true }],
  ['authenticated-read', { read: false, write: false, signedRead: true }],
];

test.each(CANNED)('the canned ACL %s of a bucket gives %o', async (ACL, wanted) => {
  const bucket = await newBucket({ ACL });
  expect({
    read: (await anonymous(bucket)) === 200,
    write: (await anonymous(`${bucket}/n`, { method: 'PUT', body: 'x' })) === 200,
    signedRead: (await list(other, bucket)) === 'ok',
  }).toEqual(wanted);
  // The ACL of a bucket says nothing about what is in it.
  expect(await get(other, bucket)).toBe('AccessDenied');
});

test('an ACL that is no whole document, or is in the headers too, is refused and changes nothing', async () => {
  const bucket = await newBucket({ ACL: 'public-read' });
  const path = `/${bucket}?acl`;
  const { body } = await succeed(server, 'GET', path);
  const ofOwner = `<Owner><ID>${OWNER_ID}</ID></Owner>`;
  const whole = `<AccessControlPolicy>${ofOwner}<AccessControlList/></AccessControlPolicy>`;
  for (const [document, headers, code] of [
    ['<AccessControlPolicy/>', {}, 'MalformedACLError'],
    [whole.replace(ofOwner, ''), {}, 'MalformedACLError'],
    [whole.replace('<AccessControlList/>', ''), {}, 'MalformedACLError'],
    [whole, { 'x-amz-acl': 'private' }, 'UnexpectedContent'],
  ] as const) {
    const answer = await send(server, { method: 'PUT', path, headers, body: document });
    expect([document, answer.status, answer.code]).toEqual([document, 400, code]);
  }
  expect((await succeed(server, 'GET', path)).body).toBe(body);
  await succeed(server, 'PUT', path, {}, whole);
  expect((await succeed(server, 'GET', path)).body).toContain('<AccessControlList></Access');
});

test('grants come as headers or as a document, and come back', async () => {
  const bucket = await newBucket({ GrantRead: 'emailAddress="o@example.com"' });
  expect(await list(other, bucket)).toBe('ok');
  const { Grants, Owner } = await owner.send(new GetBucketAclCommand({ Bucket: bucket }));
  expect(Owner?.ID).toBe(OWNER_ID);
  expect(Grants).toEqual([
    {
      Grantee: { Type: 'CanonicalUser', ID: OTHER.id, DisplayName: 'other' },
      Permission: 'READ',
    },
  ]);
  const grant = (Grantee: object) =>
    outcome(
      owner.send(
        new PutBucketAclCommand({
          Bucket: bucket,
          AccessControlPolicy: {
            Owner: { ID: OWNER_ID },
            Grants: [{ Grantee: { Type: 'CanonicalUser', ...Grantee }, Permission: 'WRITE' }],
          },
        }),
      ),
    );
  expect(await grant({ ID: OTHER.id })).toBe('ok');
  expect(await list(other, bucket)).toBe('AccessDenied');
  expect(await put(other, bucket)).toBe('ok');
  expect(await grant({ ID: 'nobody' })).toBe('InvalidArgument');
  expect(await grant({ EmailAddress: 'n@example.com' })).toBe('UnresolvableGrantByEmailAddress');
});

test('an object is its writer’s, and the bucket’s owner has what it is granted', async () => {
  const bucket = await newBucket({ ACL: 'public-read-write' });
  expect(await put(other, bucket, 'theirs')).toBe('ok');
  expect(await get(owner, bucket, 'theirs')).toBe('AccessDenied');
  const page = await owner.send(new ListObjectsV2Command({ Bucket: bucket, FetchOwner: true }));
  expect(page.Contents?.map(({ Key, Owner }) => [Key, Owner?.ID])).toEqual([
    ['k', OWNER_ID],
    ['theirs', OTHER.id],
  ]);
  const address = { Bucket: bucket, Key: 'theirs' };
  await other.send(new PutObjectAclCommand({ ...address, ACL: 'bucket-owner-read' }));
  expect(await get(owner, bucket, 'theirs')).toBe('ok');
  expect(await outcome(owner.send(new GetObjectAclCommand(address)))).toBe('AccessDenied');
  await other.send(new PutObjectAclCommand({ ...address, ACL: 'bucket-owner-full-control' }));
  const acl = await owner.send(new GetObjectAclCommand(address));
  expect(acl.Grants?.map(({ Grantee }) => Grantee?.ID)).toEqual([OTHER.id, OWNER_ID]);
});

test('ownership controls say whose an object is, and whether ACLs count', async () => {
  const bucket = await newBucket();
  await owner.send(policy(bucket, { Action: 's3:*' }));
  const set = (ObjectOwnership: 'BucketOwnerEnforced' | 'BucketOwnerPreferred') =>
    owner.send(
      new PutBucketOwnershipControlsCommand({
        Bucket: bucket,
        OwnershipControls: { Rules: [{ ObjectOwnership }] },
      }),
    );
  const ownerOf = async (Key: string): Promise<string | undefined> =>
    (await other.send(new GetObjectAclCommand({ Bucket: bucket, Key }))).Owner?.ID;
  await set('BucketOwnerPreferred');
  expect(await put(other, bucket, 'a')).toBe('ok');
  expect(await put(other, bucket, 'b', { ACL: 'bucket-owner-full-control' })).toBe('ok');
  expect([await ownerOf('a'), await ownerOf('b')]).toEqual([OTHER.id, OWNER_ID]);
  await set('BucketOwnerEnforced');
  expect(await put(other, bucket, 'c')).toBe('ok');
  expect(await put(other, bucket, 'd', { ACL: 'private' })).toBe('AccessControlListNotSupported');
  expect([await ownerOf('a'), await ownerOf('c')]).toEqual([OWNER_ID, OWNER_ID]);
  const acl = new PutBucketAclCommand({ Bucket: bucket, ACL: 'public-read' });
  expect(await outcome(owner.send(acl))).toBe('AccessControlListNotSupported');
});

test('a public access block refuses, ignores and restricts what is public', async () => {
  const bucket = await newBucket({ ACL: 'public-read' });
  const block = (PublicAccessBlockConfiguration: object) =>
    owner.send(new PutPublicAccessBlockCommand({ Bucket: bucket, PublicAccessBlockConfiguration }));
  await block({ BlockPublicAcls: true, BlockPublicPolicy: true });
  const acl = new PutBucketAclCommand({ Bucket: bucket, ACL: 'authenticated-read' });
  expect(await outcome(owner.send(acl))).toBe('AccessDenied');
  expect(await put(owner, bucket, 'p', { ACL: 'public-read' })).toBe('AccessDenied');
  expect(await outcome(owner.send(policy(bucket, { Action: 's3:GetObject' })))).toBe(
    'AccessDenied',
  );
  expect(await list(other, bucket)).toBe('ok');
  await block({ IgnorePublicAcls: true });
  expect(await list(other, bucket)).toBe('AccessDenied');
  await owner.send(policy(bucket, { Action: 's3:GetObject' }));
  expect(await get(other, bucket)).toBe('ok');
  await block({ RestrictPublicBuckets: true });
  expect(await get(other, bucket)).toBe('AccessDenied');
  expect(await get(owner, bucket)).toBe('ok');
});

test('a bucket that is made as S3 makes them has no ACLs', async () => {
  await using plain = await startTestServer();
  const client = plain.client();
  const made = (options: object) =>
    outcome(client.send(new CreateBucketCommand({ Bucket: 'plain', ...options })));
  expect(await made({ ACL: 'public-read' })).toBe('InvalidBucketAclWithObjectOwnership');
  expect(await made({})).toBe('ok');
  expect(await put(client, 'plain', 'k', { ACL: 'private' })).toBe('ok');
  expect(await put(client, 'plain', 'k', { ACL: 'public-read' })).toBe(
    'AccessControlListNotSupported',
  );
});

test('a governance retention is passed only by who may pass it', async () => {
  const Bucket = await newBucket({ ObjectLockEnabledForBucket: true });
  const put = await owner.send(
    new PutObjectCommand({
      Bucket,
      Key: 'locked',
      Body: 'v',
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: new Date(server.clock.nowMs() + 3_600_000),
    }),
  );
  const version = { Bucket, Key: 'locked', VersionId: put.VersionId };
  const remove = (client: S3Client) =>
    outcome(client.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true })));
  const Delete = { Objects: [{ Key: 'locked', VersionId: put.VersionId }] };
  const removeMany = new DeleteObjectsCommand({ Bucket, Delete, BypassGovernanceRetention: true });
  await owner.send(policy(Bucket, { Action: 's3:Delete*' }));
  expect(await remove(other)).toBe('AccessDenied');
  expect((await other.send(removeMany)).Errors?.[0]?.Code).toBe('AccessDenied');
  await owner.send(policy(Bucket, { Action: ['s3:Delete*', 's3:BypassGovernanceRetention'] }));
  expect(await remove(other)).toBe('ok');
});

test('a request that expects another owner touches nothing', async () => {
  const bucket = await newBucket();
  expect(await put(owner, bucket, 'n', { ExpectedBucketOwner: OTHER.id })).toBe('AccessDenied');
  expect(await put(owner, bucket, 'n', { ExpectedBucketOwner: OWNER_ID })).toBe('ok');
  const copy = { Bucket: bucket, Key: 'c', CopySource: `${bucket}/k` };
  const expecting = (ExpectedSourceBucketOwner: string) =>
    outcome(owner.send(new CopyObjectCommand({ ...copy, ExpectedSourceBucketOwner })));
  expect(await expecting(OTHER.id)).toBe('AccessDenied');
  expect(await expecting(OWNER_ID)).toBe('ok');
});

test('a signature that does not match explains itself in the log, without the secret', async () => {
  const wrong = server.client({
    credentials: { accessKeyId: 'OTHER', secretAccessKey: 'not-the-secret-of-it' },
  });
  const before = server.warned.length;
  expect(await list(wrong, 'any')).toBe('SignatureDoesNotMatch');
  const line = JSON.stringify(server.warned.slice(before));
  expect(line).toContain('"accessKeyId":"OTHER"');
  expect(line).toContain('GET\\n/any');
  expect(line).not.toContain(secretAccessKey);
});

/** A user of the owner's account who may do these actions, and nothing else. */
async function userWith(...Action: string[]): Promise<S3Client> {
  const Statement = [{ Effect: 'Allow', Action, Resource: '*' }];
  const policies = [parseUserPolicy(JSON.stringify({ Version: '2012-10-17', Statement }))];
  const account = { id: OWNER_ID, displayName: 'tester' };
  const user = { account, name: 'one', accessKeyId: 'ONE', secretAccessKey, policies };
  const own = await startTestServer({ users: [user], bucketAcls: true });
  limited.push(own);
  const client = own.client();
  await client.send(
    new CreateBucketCommand({ Bucket: 'limited', ObjectLockEnabledForBucket: true }),
  );
  await client.send(new PutObjectCommand({ Bucket: 'limited', Key: 'k', Body: 'v' }));
  return own.client({ credentials: { accessKeyId: 'ONE', secretAccessKey } });
}

const limited: TestServer[] = [];
afterAll(async () => {
  for (const own of limited) await own[Symbol.asyncDispose]();
});

const until = (): Date => new Date(server.clock.nowMs() + 60 * 60 * 1000);

test.each<[string, () => object]>([
  ['s3:PutObjectAcl', () => ({ ACL: 'public-read' })],
  ['s3:PutObjectAcl', () => ({ GrantRead: `id=${OWNER_ID}` })],
  ['s3:PutObjectTagging', () => ({ Tagging: 'a=b' })],
  [
    's3:PutObjectRetention',
    () => ({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: until() }),
  ],
  ['s3:PutObjectLegalHold', () => ({ ObjectLockLegalHoldStatus: 'ON' })],
])('a write that says so in its headers needs %s too: %#', async (action, headers) => {
  const Bucket = 'limited';
  const writes = (client: S3Client, more: object) => [
    put(client, Bucket, 'n', { ...more, ChecksumAlgorithm: 'CRC32' }),
    outcome(client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'n', ...more }))),
    outcome(
      client.send(
        new CopyObjectCommand({
          Bucket,
          Key: 'n',
          CopySource: `${Bucket}/k`,
          TaggingDirective: 'REPLACE',
          ...more,
        }),
      ),
    ),
  ];
  const without = await userWith('s3:PutObject', 's3:GetObject');
  expect(await Promise.all(writes(without, {}))).toEqual(['ok', 'ok', 'ok']);
  const denied = ['AccessDenied', 'AccessDenied', 'AccessDenied'];
  expect(await Promise.all(writes(without, headers()))).toEqual(denied);
  const having = await userWith('s3:PutObject', 's3:GetObject', action);
  expect(await Promise.all(writes(having, headers()))).toEqual(['ok', 'ok', 'ok']);
});

test('a bucket policy must allow the ACL of a write too, unless it has judged its headers itself', async () => {
  const Bucket = await newBucket();
  const grant = { ACL: 'bucket-owner-full-control' };
  await owner.send(policy(Bucket, { Action: 's3:PutObject' }));
  expect(await put(other, Bucket)).toBe('ok');
  expect(await put(other, Bucket, 'n', grant)).toBe('AccessDenied');
  await owner.send(policy(Bucket, { Action: ['s3:PutObject', 's3:PutObjectAcl'] }));
  expect(await put(other, Bucket, 'n', grant)).toBe('ok');
  const Condition = { StringEquals: { 's3:x-amz-acl': grant.ACL } };
  await owner.send(policy(Bucket, { Action: 's3:PutObject', Condition }));
  expect(await put(other, Bucket, 'n', grant)).toBe('ok');
  expect(await put(other, Bucket, 'n', { ACL: 'public-read' })).toBe('AccessDenied');
});
