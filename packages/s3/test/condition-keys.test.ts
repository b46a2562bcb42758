import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUserPolicy } from '../src/policy/index.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const OTHER = 'b'.repeat(64);
const secretAccessKey = 'a-secret-of-a-test';
const DAY_MS = 24 * 60 * 60 * 1000;

let server: TestServer;
let owner: S3Client;
let other: S3Client;
let buckets = 0;

beforeAll(async () => {
  const account = { id: OTHER, displayName: 'other' };
  const all = { Effect: 'Allow', Action: 's3:*', Resource: '*' };
  const here = { StringEquals: { 's3:LocationConstraint': 'us-east-1' } };
  const creator = (name: string, ...Statement: object[]) => ({
    account,
    name,
    accessKeyId: name,
    secretAccessKey,
    policies: [parseUserPolicy(JSON.stringify({ Version: '2012-10-17', Statement }))],
  });
  server = await startTestServer({
    users: [
      { account, name: OTHER, accessKeyId: 'OTHER', secretAccessKey },
      creator('HERE', { ...all, Condition: here }),
      creator('NOT-HERE', all, { ...all, Effect: 'Deny', Condition: here }),
    ],
  });
  owner = server.client();
  other = server.client({ credentials: { accessKeyId: 'OTHER', secretAccessKey } });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A bucket with object lock and an object `k`; the others may do `actions`, but for what `deny` says. */
async function bucketWith(
  allow: { readonly Action: readonly string[]; readonly Condition?: object },
  deny?: object,
): Promise<string> {
  const Bucket = `conditions-${++buckets}`;
  await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }));
  const about = { Principal: { AWS: OTHER }, Resource: `arn:aws:s3:::${Bucket}/*` };
  const Statement: object[] = [{ Effect: 'Allow', ...about, ...allow }];
  if (deny !== undefined) {
    Statement.push({ Effect: 'Deny', ...about, Action: 's3:*', Condition: deny });
  }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  return Bucket;
}

/** `ok`, or the code of the refusal. */
async function outcome(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'ok',
    (error: unknown) => (error as Error).name,
  );
}

test.each([
  [{ 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['team'] } }, 'team', 'ok'],
  [{ 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['team'] } }, 'pay', 'AccessDenied'],
  [{ StringEquals: { 's3:RequestObjectTag/team': 'red' } }, 'team', 'ok'],
  [{ StringEquals: { 's3:RequestObjectTag/team': 'blue' } }, 'team', 'AccessDenied'],
])('a policy with %o judges the tags of a document: %s is %s', async (Condition, Key, wanted) => {
  const Bucket = await bucketWith({ Action: ['s3:PutObjectTagging'], Condition });
  const Tagging = { TagSet: [{ Key, Value: 'red' }] };
  const put = other.send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging }));
  expect(await outcome(put)).toBe(wanted);
});

test('a policy may ask for conditional writes of whatever makes an object', async () => {
  const Bucket = await bucketWith(
    { Action: ['s3:PutObject'] },
    { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
  );
  const key = { Bucket, Key: 'n' };
  const put = (more: object): Promise<string> =>
    outcome(other.send(new PutObjectCommand({ ...key, Body: 'x', ...more })));
  expect(await put({})).toBe('AccessDenied');
  expect(await put({ IfNoneMatch: '*' })).toBe('ok');
  const { UploadId } = await other.send(new CreateMultipartUploadCommand({ ...key, Key: 'm' }));
  const upload = { Bucket, Key: 'm', UploadId };
  const part = { ...upload, PartNumber: 1, Body: 'x' };
  const { ETag } = await other.send(new UploadPartCommand(part));
  const done = { ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } };
  const complete = (more: object): Promise<string> =>
    outcome(other.send(new CompleteMultipartUploadCommand({ ...done, ...more })));
  expect(await complete({})).toBe('AccessDenied');
  expect(await complete({ IfNoneMatch: '*' })).toBe('ok');
});

const retention = (days: number, Mode: 'COMPLIANCE' | 'GOVERNANCE' = 'GOVERNANCE') => ({
  Mode,
  RetainUntilDate: new Date(server.clock.nowMs() + days * DAY_MS),
});

test.each([
  [{ NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } }, 9, 11],
  [{ DateGreaterThan: { 's3:object-lock-retain-until-date': '2999-01-01T00:00:00Z' } }, 9, 400_000],
])('a policy with %o judges a retention, in headers and in a document', async (deny, few, many) => {
  const Bucket = await bucketWith({ Action: ['s3:PutObject', 's3:PutObjectRetention'] }, deny);
  for (const [days, wanted] of [
    [few, 'ok'],
    [many, 'AccessDenied'],
  ] as const) {
    const Retention = retention(days);
    const { Mode: ObjectLockMode, RetainUntilDate: ObjectLockRetainUntilDate } = Retention;
    const lock = { ObjectLockMode, ObjectLockRetainUntilDate };
    const put = new PutObjectCommand({ Bucket, Key: 'n', Body: 'x', ...lock });
    expect(await outcome(other.send(put))).toBe(wanted);
    const set = new PutObjectRetentionCommand({ Bucket, Key: 'k', Retention });
    expect(await outcome(other.send(set))).toBe(wanted);
  }
});

test('a policy judges the mode of a retention, and a legal hold', async () => {
  const Action = ['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectLegalHold'];
  const Bucket = await bucketWith(
    { Action },
    { StringEquals: { 's3:object-lock-mode': 'COMPLIANCE' } },
  );
  for (const [mode, wanted] of [
    ['GOVERNANCE', 'ok'],
    ['COMPLIANCE', 'AccessDenied'],
  ] as const) {
    const set = { Bucket, Key: 'k', Retention: retention(1, mode) };
    expect(await outcome(other.send(new PutObjectRetentionCommand(set)))).toBe(wanted);
  }
  const held = await bucketWith(
    { Action },
    { StringEquals: { 's3:object-lock-legal-hold': 'OFF' } },
  );
  for (const [Status, wanted] of [
    ['ON', 'ok'],
    ['OFF', 'AccessDenied'],
  ] as const) {
    const set = { Bucket: held, Key: 'k', LegalHold: { Status } };
    expect(await outcome(other.send(new PutObjectLegalHoldCommand(set)))).toBe(wanted);
  }
});

test('a policy ends presigned addresses before they end themselves', async () => {
  const Bucket = await bucketWith(
    { Action: ['s3:GetObject'] },
    { NumericGreaterThan: { 's3:signatureAge': '600000' } },
  );
  const read = new GetObjectCommand({ Bucket, Key: 'k' });
  expect(await outcome(other.send(read))).toBe('ok');
  for (const [ageMs, status] of [
    [500_000, 200],
    [700_000, 403],
  ] as const) {
    const signingDate = new Date(server.clock.nowMs() - ageMs);
    const url = await getSignedUrl(other, read, { signingDate, expiresIn: 7200 });
    expect((await fetch(url)).status).toBe(status);
  }
});

test.each([
  [{ StringNotLike: { 'aws:PrincipalArn': `arn:aws:iam::${OTHER}:root` } }, 'ok'],
  [{ ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::${OTHER}:*` } }, 'AccessDenied'],
  [{ StringEquals: { 's3:ResourceAccount': OWNER_ID } }, 'AccessDenied'],
  [{ StringNotEquals: { 'aws:ResourceAccount': OWNER_ID } }, 'ok'],
])('who asks, and whose the bucket is, can be denied by %o: %s', async (deny, wanted) => {
  const Bucket = await bucketWith({ Action: ['s3:GetObject'] }, deny);
  const read = other.send(new GetObjectCommand({ Bucket, Key: 'k' }));
  expect(await outcome(read)).toBe(wanted);
});

test.each([
  [{ Bool: { 'aws:PrincipalIsAWSService': 'false' } }, 'AccessDenied', 200],
  [{ Null: { 'aws:PrincipalIsAWSService': 'true' } }, 'ok', 403],
  [{ Bool: { 'aws:ViaAWSService': 'false' } }, 'AccessDenied', 403],
  [{ StringEquals: { 'aws:RequestedRegion': 'us-east-1' } }, 'AccessDenied', 403],
  [{ StringNotEquals: { 'aws:RequestedRegion': 'us-east-1' } }, 'ok', 200],
  [{ StringEquals: { 'aws:userid': 'anonymous' } }, 'ok', 403],
  [{ StringEquals: { 'aws:PrincipalAccount': 'anonymous' } }, 'ok', 403],
  [{ Null: { 'aws:PrincipalArn': 'true' } }, 'ok', 403],
])(
  'what is always known of a request can be denied by %o: %s, and %i without a signature',
  async (Condition, signed, unsigned) => {
    const Bucket = `conditions-${++buckets}`;
    await owner.send(new CreateBucketCommand({ Bucket }));
    await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }));
    const about = { Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` };
    const Statement = [
      { Effect: 'Allow', ...about },
      { Effect: 'Deny', ...about, Condition },
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    expect(await outcome(other.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toBe(signed);
    expect((await fetch(`${server.endpoint}/${Bucket}/k`)).status).toBe(unsigned);
  },
);

test.each([
  ['HERE', 'us-east-1', 'ok'],
  ['HERE', 'eu-west-1', 'AccessDenied'],
  ['HERE', undefined, 'AccessDenied'],
  ['NOT-HERE', 'us-east-1', 'AccessDenied'],
  ['NOT-HERE', undefined, 'ok'],
  ['NOT-HERE', 'eu-west-1', 'IllegalLocationConstraintException'],
] as const)(
  'a policy of %s judges the place that a new bucket is asked for, %s: %s',
  async (user, place, wanted) => {
    const creator = server.client({ credentials: { accessKeyId: user, secretAccessKey } });
    const command = new CreateBucketCommand({
      Bucket: `conditions-${++buckets}`,
      ...(place !== undefined && {
        CreateBucketConfiguration: { LocationConstraint: place as 'eu-west-1' },
      }),
    });
    expect(await outcome(creator.send(command))).toBe(wanted);
  },
);

test('attributes need their own action beside that of a read', async () => {
  for (const [Action, wanted] of [
    [['s3:GetObject'], 'AccessDenied'],
    [['s3:GetObjectAttributes'], 'AccessDenied'],
    [['s3:GetObject', 's3:GetObjectAttributes'], 'ok'],
  ] as const) {
    const Bucket = await bucketWith({ Action });
    const asked = other.send(
      new GetObjectAttributesCommand({ Bucket, Key: 'k', ObjectAttributes: ['ETag'] }),
    );
    expect(await outcome(asked)).toBe(wanted);
  }
});

test.each([
  ['s3:RequestTag/a', 'MalformedPolicy'],
  ['s3:signatureAges', 'MalformedPolicy'],
  ['s3:x-amz-', 'MalformedPolicy'],
  ['S3:SignatureAge', 'ok'],
  ['s3:TlsVersion', 'ok'],
  ['s3:x-amz-acl', 'ok'],
  ['s3:ExistingObjectTag/a', 'ok'],
  ['aws:SourceVpce', 'ok'],
  ['AWS:username', 'ok'],
  ['aws:PrincipalTag/team', 'ok'],
  ['aws:PrincipalTag/', 'MalformedPolicy'],
  ['aws:SourceIps', 'MalformedPolicy'],
  ['aws:TlsVersion', 'MalformedPolicy'],
  ['saml:aud', 'ok'],
])('a policy with the condition key %s is %s', async (key, wanted) => {
  const put = bucketWith({ Action: ['s3:GetObject'] }, { StringEquals: { [key]: 'x' } });
  expect(await outcome(put)).toBe(wanted);
});

test('a policy with an action that S3 does not have is refused', async () => {
  expect(await outcome(bucketWith({ Action: ['s3:HeadObject'] }))).toBe('MalformedPolicy');
});

test('a policy judges each version that a delete of many names', async () => {
  const Bucket = await bucketWith({ Action: ['s3:DeleteObjectVersion'] });
  const versions: string[] = [];
  for (const Body of ['1', '2']) {
    const put = await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body }));
    versions.push(put.VersionId ?? '');
  }
  const [kept = '', gone = ''] = versions;
  const about = { Principal: { AWS: OTHER }, Resource: `arn:aws:s3:::${Bucket}/*` };
  const Action = 's3:DeleteObjectVersion';
  const Condition = { StringEquals: { 's3:VersionId': kept } };
  const Policy = JSON.stringify({
    Statement: [
      { Effect: 'Allow', ...about, Action },
      { Effect: 'Deny', ...about, Action, Condition },
    ],
  });
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  const Objects = versions.map((VersionId) => ({ Key: 'k', VersionId }));
  const answer = await other.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  expect(answer.Errors).toMatchObject([{ VersionId: kept, Code: 'AccessDenied' }]);
  expect(answer.Deleted).toMatchObject([{ VersionId: gone }]);
});
