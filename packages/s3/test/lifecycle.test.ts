import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketLifecycleCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type LifecycleRule,
  ListPartsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUserPolicy } from '../src/policy/index.ts';
import { send } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';
import type { TestUser } from './test-users.ts';

const secretAccessKey = 'a-secret-of-a-test';
const userWith = (name: string, Action: string): TestUser => {
  const Statement = [{ Effect: 'Allow', Action, Resource: '*' }];
  const policy = JSON.stringify({ Version: '2012-10-17', Statement });
  const account = { id: OWNER_ID, displayName: 'tester' };
  return { account, name, accessKeyId: name, secretAccessKey, policies: [parseUserPolicy(policy)] };
};

const DAY_MS = 24 * 60 * 60 * 1000;
let server: TestServer;
let s3: S3Client;
let made = 0;

beforeAll(async () => {
  const users = [
    userWith('SETTER', 's3:PutLifecycleConfiguration'),
    userWith('SEER', 's3:GetLifecycleConfiguration'),
  ];
  server = await startTestServer({ users });
  s3 = server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

async function newBucket(...Rules: LifecycleRule[]): Promise<string> {
  const Bucket = `lifecycle-${++made}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  if (Rules.length > 0) await setRules(Bucket, ...Rules);
  return Bucket;
}

const setRules = (Bucket: string, ...Rules: LifecycleRule[]) =>
  s3.send(
    new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }),
  );

const rulesOf = async (Bucket: string) =>
  (await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules;

/** Code, status and text of a refusal; fails where there is none. */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = (await work.then(
    () => ({ name: 'nothing was refused', message: '', $metadata: {} }),
    (refused: unknown) => refused,
  )) as Error & { readonly $metadata: { readonly httpStatusCode?: number } };
  return `${error.$metadata.httpStatusCode} ${error.name}: ${error.message}`;
}

test('a configuration comes back as it was put, and can be taken away', async () => {
  const Bucket = await newBucket();
  const none = '404 NoSuchLifecycleConfiguration: The lifecycle configuration does not exist';
  expect(await refusal(rulesOf(Bucket))).toBe(none);
  await s3.send(new DeleteBucketLifecycleCommand({ Bucket }));
  const rules: LifecycleRule[] = [
    { ID: 'a', Prefix: 'a/', Status: 'Enabled', Expiration: { Days: 31 } },
    { ID: 'b', Filter: {}, Status: 'Disabled', Expiration: { Date: new Date('2030-01-01') } },
    {
      ID: 'c',
      Filter: { Tag: { Key: 'k', Value: 'v & w' } },
      Status: 'Enabled',
      NoncurrentVersionExpiration: { NoncurrentDays: 3, NewerNoncurrentVersions: 5 },
    },
    {
      ID: 'd',
      Filter: {
        And: {
          Prefix: 'd/',
          Tags: [
            { Key: 'k', Value: 'v' },
            { Key: 'l', Value: '' },
          ],
          ObjectSizeGreaterThan: 0,
          ObjectSizeLessThan: 10,
        },
      },
      Status: 'Enabled',
      Expiration: { Days: 1 },
    },
    {
      ID: 'e',
      Filter: { Prefix: '' },
      Status: 'Enabled',
      Expiration: { ExpiredObjectDeleteMarker: true },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
    },
    { ID: 'f', Filter: { ObjectSizeLessThan: 3 }, Status: 'Enabled', Expiration: { Days: 1 } },
  ];
  await setRules(Bucket, ...rules);
  expect(await rulesOf(Bucket)).toEqual(rules);
  await s3.send(new DeleteBucketLifecycleCommand({ Bucket }));
  expect(await refusal(rulesOf(Bucket))).toBe(none);
});

test('a rule without a name gets one, and the minimum size of transitions is kept and shown', async () => {
  const Bucket = await newBucket({ Prefix: 'a/', Status: 'Enabled', Expiration: { Days: 1 } });
  const first = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
  expect(first.Rules?.[0]?.ID).toMatch(/^[0-9a-f]{48}$/);
  expect(first.TransitionDefaultMinimumObjectSize).toBe('all_storage_classes_128K');
  const given = { TransitionDefaultMinimumObjectSize: 'varies_by_storage_class' } as const;
  const LifecycleConfiguration = { Rules: first.Rules };
  const answer = await s3.send(
    new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration, ...given }),
  );
  expect(answer).toMatchObject(given);
  const second = new GetBucketLifecycleConfigurationCommand({ Bucket });
  expect(await s3.send(second)).toMatchObject(given);
});

test.each<[string, string, Partial<LifecycleRule>[]]>([
  [
    'no days',
    "400 InvalidArgument: 'Days' for Expiration action must be a positive integer",
    [{ Expiration: { Days: 0 } }],
  ],
  [
    'a date that is no midnight',
    "400 InvalidArgument: 'Date' must be at midnight GMT",
    [{ Expiration: { Date: new Date('2030-01-01T01:00:00Z') } }],
  ],
  [
    'a long name',
    '400 InvalidArgument: ID length should not exceed allowed limit of 255',
    [{ ID: 'a'.repeat(256), Expiration: { Days: 1 } }],
  ],
  [
    'a name twice',
    '400 InvalidArgument: Rule ID must be unique. Found same ID for more than one rule',
    [
      { ID: 'a', Expiration: { Days: 1 } },
      { ID: 'a', Expiration: { Days: 2 } },
    ],
  ],
  ['no action', '400 InvalidRequest: At least one action needs to be specified in a rule', [{}]],
  ['a status in small letters', '400 MalformedXML', [{ Status: 'enabled' as never }]],
  ['two times', '400 MalformedXML', [{ Expiration: { Days: 1, Date: new Date('2030-01-01') } }]],
  [
    'days and markers',
    '400 MalformedXML',
    [{ Expiration: { Days: 1, ExpiredObjectDeleteMarker: true } }],
  ],
  ['an empty expiration', '400 MalformedXML', [{ Expiration: {} }]],
  [
    'a prefix and a filter',
    '400 MalformedXML',
    [{ Filter: { Prefix: 'b' }, Expiration: { Days: 1 } }],
  ],
  ['no prefix and no filter', '400 MalformedXML', [{ Prefix: undefined, Expiration: { Days: 1 } }]],
  [
    'markers by tag',
    '400 InvalidRequest: ExpiredObjectDeleteMarker cannot be specified with Tags.',
    [
      {
        Prefix: undefined,
        Filter: { Tag: { Key: 'k', Value: 'v' } },
        Expiration: { ExpiredObjectDeleteMarker: true },
      },
    ],
  ],
  [
    'markers by size',
    '400 MalformedXML',
    [
      {
        Prefix: undefined,
        Filter: { ObjectSizeGreaterThan: 1 },
        Expiration: { ExpiredObjectDeleteMarker: true },
      },
    ],
  ],
  [
    'uploads by tag',
    '400 InvalidRequest: AbortIncompleteMultipartUpload cannot be specified with Tags.',
    [
      {
        Prefix: undefined,
        Filter: { And: { Prefix: 'a', Tags: [{ Key: 'k', Value: 'v' }] } },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      },
    ],
  ],
  [
    'sizes that nothing has',
    "400 InvalidRequest: 'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
    [
      {
        Prefix: undefined,
        Filter: { And: { ObjectSizeGreaterThan: 5, ObjectSizeLessThan: 5 } },
        Expiration: { Days: 1 },
      },
    ],
  ],
  [
    'a tag twice',
    '400 InvalidRequest: Duplicate Tag Keys are not allowed.',
    [
      {
        Prefix: undefined,
        Filter: {
          And: {
            Tags: [
              { Key: 'k', Value: 'v' },
              { Key: 'k', Value: 'w' },
            ],
          },
        },
        Expiration: { Days: 1 },
      },
    ],
  ],
  [
    'no days of uploads',
    "400 InvalidArgument: 'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
    [{ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 0 } }],
  ],
  [
    'no days of versions',
    "400 InvalidArgument: 'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
    [{ NoncurrentVersionExpiration: { NoncurrentDays: 0 } }],
  ],
  [
    'versions without days',
    '400 MalformedXML',
    [{ NoncurrentVersionExpiration: { NewerNoncurrentVersions: 1 } }],
  ],
  [
    'a transition on a date that is none',
    "400 InvalidArgument: 'Date' must be at midnight GMT",
    [{ Transitions: [{ Date: new Date(20_220_927_000), StorageClass: 'GLACIER' }] }],
  ],
  [
    'a transition',
    '501 NotImplemented: Transitions are not implemented',
    [{ Transitions: [{ Days: 1, StorageClass: 'GLACIER' }] }],
  ],
  [
    'a transition of versions',
    '501 NotImplemented: Transitions are not implemented',
    [{ NoncurrentVersionTransitions: [{ NoncurrentDays: 1, StorageClass: 'GLACIER' }] }],
  ],
])('%s is refused: %s', async (_what, expected, rules) => {
  const Bucket = await newBucket();
  const whole = rules.map((rule) => ({ Prefix: 'a', Status: 'Enabled' as const, ...rule }));
  const refused = await refusal(setRules(Bucket, ...whole));
  expect(refused.slice(0, expected.length)).toBe(expected);
  expect(await refusal(rulesOf(Bucket))).toContain('NoSuchLifecycleConfiguration');
});

test('documents that are none, or too many rules, are refused', async () => {
  const Bucket = await newBucket();
  const path = `/${Bucket}?lifecycle`;
  const rule =
    '<Rule><Prefix/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>';
  for (const [body, code] of [
    ['', 'MalformedXML'],
    ['<LifecycleConfiguration/>', 'MalformedXML'],
    ['<Other/>', 'MalformedXML'],
    [`<LifecycleConfiguration>${rule.repeat(1001)}</LifecycleConfiguration>`, 'MalformedXML'],
    [`<LifecycleConfiguration>${rule.replace('1', 'x')}</LifecycleConfiguration>`, 'MalformedXML'],
  ] as const) {
    const headers = { 'Content-MD5': createHash('md5').update(body).digest('base64') };
    const answer = await send(server, { method: 'PUT', path, body, headers });
    expect([answer.status, answer.code]).toEqual([400, code]);
  }
  const plain = await send(server, { method: 'PUT', path, body: '<LifecycleConfiguration/>' });
  expect([plain.status, plain.code]).toEqual([400, 'InvalidRequest']);
});

/** The header of an answer, from whatever the SDK makes of it. */
async function expirationOf(work: Promise<{ readonly Expiration?: string | undefined }>) {
  return (await work).Expiration;
}

test('every answer about the latest version of an object says when it expires, and by which rule', async () => {
  const Bucket = await newBucket(
    { ID: 'late', Filter: { Prefix: '' }, Status: 'Enabled', Expiration: { Days: 9 } },
    { ID: 'off', Filter: { Prefix: '' }, Status: 'Disabled', Expiration: { Days: 1 } },
    {
      ID: 'tagged, soon',
      Filter: { Tag: { Key: 'k', Value: 'v' } },
      Status: 'Enabled',
      Expiration: { Days: 2 },
    },
  );
  await s3.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
  );
  const nowMs = server.env.clock.nowMs();
  const header = (days: number, id: string): string => {
    const atMs = Math.ceil((nowMs + days * DAY_MS) / DAY_MS) * DAY_MS;
    return `expiry-date="${new Date(atMs).toUTCString()}", rule-id="${id}"`;
  };
  const late = header(9, 'late');
  const soon = header(2, 'tagged%2C%20soon');
  const put = await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: '1' }));
  expect(put.Expiration).toBe(late);
  const tagged = new PutObjectCommand({ Bucket, Key: 'b', Body: '1', Tagging: 'k=v' });
  expect(await expirationOf(s3.send(tagged))).toBe(soon);
  const copy = new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/b` });
  expect(await expirationOf(s3.send(copy))).toBe(soon);
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'd' }));
  const part = await s3.send(
    new UploadPartCommand({ Bucket, Key: 'd', UploadId, PartNumber: 1, Body: '1' }),
  );
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: part.ETag }] };
  const complete = { Bucket, Key: 'd', UploadId, MultipartUpload };
  expect(await expirationOf(s3.send(new CompleteMultipartUploadCommand(complete)))).toBe(late);
  expect(await expirationOf(s3.send(new HeadObjectCommand({ Bucket, Key: 'a' })))).toBe(late);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  await got.Body?.transformToByteArray();
  expect(got.Expiration).toBe(late);
  const { VersionId } = put;
  const byId = new HeadObjectCommand({ Bucket, Key: 'a', VersionId });
  expect(await expirationOf(s3.send(byId))).toBeUndefined();
  const Tagging = { TagSet: [{ Key: 'k', Value: 'v' }] };
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'a', Tagging }));
  expect(await expirationOf(s3.send(new HeadObjectCommand({ Bucket, Key: 'a' })))).toBe(soon);
});

test('an upload that a rule will abort says when', async () => {
  const Bucket = await newBucket({
    ID: 'abort it',
    Filter: { Prefix: 'a/' },
    Status: 'Enabled',
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
  });
  const atMs = Math.ceil((server.env.clock.nowMs() + DAY_MS) / DAY_MS) * DAY_MS;
  const facts = { AbortDate: new Date(atMs), AbortRuleId: 'abort%20it' };
  const Key = 'a/1';
  const upload = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  expect(upload).toMatchObject(facts);
  const { UploadId } = upload;
  expect(await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).toMatchObject(facts);
  const other = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'b' }));
  expect(other.AbortDate).toBeUndefined();
});

test('a filter may hold a prefix, a tag and an And side by side, as the public suite asks, and all must hold', async () => {
  await using own = await startTestServer();
  const client = own.client();
  const Bucket = 'bucket';
  await client.send(new CreateBucketCommand({ Bucket }));
  const Filter = {
    Prefix: 'a/',
    Tag: { Key: 'k', Value: 'v' },
    And: { Prefix: 'a', Tags: [{ Key: 'l', Value: 'w' }] },
  };
  const Rules = [{ ID: 'a', Filter, Status: 'Enabled' as const, Expiration: { Days: 1 } }];
  const LifecycleConfiguration = { Rules };
  await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
  const got = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
  expect(got.Rules).toEqual(Rules);
  const put = (Key: string, Tagging: string) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body: '1', Tagging }));
  expect((await put('a/1', 'k=v')).Expiration).toBeUndefined();
  expect((await put('b/1', 'k=v&l=w')).Expiration).toBeUndefined();
  expect((await put('a/2', 'k=v&l=w')).Expiration).toContain('rule-id="a"');
  own.clock.advance(3 * DAY_MS);
  expect((await own.store.runLifecycle()).expired).toBe(1);
});

test('the configuration is set and taken away by the one action, and seen by the other', async () => {
  const Bucket = await newBucket();
  const setter = server.client({ credentials: { accessKeyId: 'SETTER', secretAccessKey } });
  const seer = server.client({ credentials: { accessKeyId: 'SEER', secretAccessKey } });
  const Rules = [{ ID: 'a', Prefix: '', Status: 'Enabled' as const, Expiration: { Days: 1 } }];
  const put = () =>
    new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } });
  const take = () => new DeleteBucketLifecycleCommand({ Bucket });
  const get = () => new GetBucketLifecycleConfigurationCommand({ Bucket });
  const denied = '403 AccessDenied: Access Denied';
  expect(await refusal(seer.send(put()))).toBe(denied);
  await setter.send(put());
  expect(await refusal(setter.send(get()))).toBe(denied);
  expect((await seer.send(get())).Rules).toEqual(Rules);
  expect(await refusal(seer.send(take()))).toBe(denied);
  await setter.send(take());
});
