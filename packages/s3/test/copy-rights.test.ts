/** What who copies must be allowed besides to read the source and to write the target. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  RenameObjectCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outcome, startWithUsers, USER_SECRET } from './policy-users.ts';
import { send } from './raw-client.ts';
import type { TestServer } from './test-server.ts';

const allowed = (Action: readonly string[], Resource = '*'): object => ({
  Effect: 'Allow',
  Action,
  Resource,
});
const COPY = ['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject', 's3:DeleteObject'];
const POLICIES: Record<string, readonly object[]> = {
  plain: [allowed(COPY)],
  reader: [allowed([...COPY, 's3:GetObjectTagging'])],
  writer: [allowed([...COPY, 's3:PutObjectTagging'])],
  both: [allowed([...COPY, 's3:GetObjectTagging', 's3:PutObjectTagging'])],
  listsSource: [allowed(COPY), allowed(['s3:ListBucket'], 'arn:aws:s3:::src')],
  listsTarget: [allowed(COPY), allowed(['s3:ListBucket'], 'arn:aws:s3:::dst')],
  versions: [allowed([...COPY, 's3:GetObjectVersionTagging', 's3:PutObjectTagging'])],
  notSecret: [
    allowed([...COPY, 's3:GetObjectTagging', 's3:PutObjectTagging']),
    {
      Effect: 'Deny',
      Action: 's3:PutObjectTagging',
      Resource: '*',
      Condition: { StringEquals: { 's3:RequestObjectTag/class': 'secret' } },
    },
  ],
  onlyClass: [
    allowed([...COPY, 's3:GetObjectTagging']),
    {
      ...allowed(['s3:PutObjectTagging']),
      Condition: { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['class'] } },
    },
  ],
};

let server: TestServer;
let owner: S3Client;
let client: (name: string) => S3Client;
beforeAll(async () => {
  ({ server, owner, client } = await startWithUsers(POLICIES));
  for (const Bucket of ['src', 'dst']) await owner.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => server[Symbol.asyncDispose]());

const putSource = (Tagging?: string, Key = 'k', Bucket = 'src') =>
  owner.send(new PutObjectCommand({ Bucket, Key, Body: 'v', ...(Tagging && { Tagging }) }));
async function tagsOf(Bucket: string, Key: string): Promise<readonly unknown[] | undefined> {
  return (await owner.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet;
}

const WAYS: Record<string, (user: string, key: string) => Promise<string>> = {
  copy: (user, Key) =>
    outcome(client(user).send(new CopyObjectCommand({ Bucket: 'dst', Key, CopySource: 'src/k' }))),
  rename: async (user, Key) => {
    await owner.send(new CopyObjectCommand({ Bucket: 'dst', Key: 'from', CopySource: 'src/k' }));
    const rename = new RenameObjectCommand({ Bucket: 'dst', Key, RenameSource: 'from' });
    return await outcome(client(user).send(rename));
  },
  transaction: async (user, key) => {
    const line = { op: 'copy', key, sourceBucket: 'src', sourceKey: 'k' };
    const { status } = await send(server, {
      method: 'POST',
      path: '/dst?transaction',
      body: Buffer.from(`${JSON.stringify(line)}\n`),
      accessKey: user,
      secretKey: USER_SECRET,
    });
    return status === 200 ? 'done' : status === 403 ? 'AccessDenied' : `${status}`;
  },
};

test.each(
  Object.keys(WAYS).flatMap((way) =>
    (['plain', 'reader', 'writer'] as const).map((user) => [way, user] as const),
  ),
)('a %s of tags by who is only a %s is refused whole', async (way, user) => {
  await putSource('class=secret');
  const work = WAYS[way] as (typeof WAYS)[string];
  const key = `${way}-${user}`;
  expect(await work(user, key)).toBe('AccessDenied');
  expect(await outcome(owner.send(new HeadObjectCommand({ Bucket: 'dst', Key: key })))).toBe(
    'NotFound',
  );
  expect(await work('both', key)).toBe('done');
  expect(await tagsOf('dst', key)).toEqual([{ Key: 'class', Value: 'secret' }]);
  await putSource();
  expect(await work(user, `${key}-untagged`)).toBe('done');
});

test.each(
  Object.keys(WAYS).flatMap((way) => [
    [way, 'notSecret', 'class=secret', 'AccessDenied'] as const,
    [way, 'notSecret', 'class=open', 'done'] as const,
    [way, 'onlyClass', 'class=secret', 'done'] as const,
    [way, 'onlyClass', 'class=secret&team=red', 'AccessDenied'] as const,
  ]),
)('what tags a %s may give is said of those of its source: %s, %s', async (way, user, tags, is) => {
  const work = WAYS[way] as (typeof WAYS)[string];
  await putSource(tags);
  const key = `${way}-${user}-${tags}`;
  expect(await work(user, key)).toBe(is);
  const made = await outcome(owner.send(new HeadObjectCommand({ Bucket: 'dst', Key: key })));
  expect(made).toBe(is === 'done' ? 'done' : 'NotFound');
});

test('tags that a copy does not take are not asked about', async () => {
  await putSource('class=secret');
  const place = { Bucket: 'dst', Key: 'other-tags', CopySource: 'src/k' };
  const copy = (more: object) =>
    outcome(client('notSecret').send(new CopyObjectCommand({ ...place, ...more })));
  expect(await copy({ TaggingDirective: 'REPLACE', Tagging: 'class=open' })).toBe('done');
  // Of a copy that keeps the tags a header says nothing.
  expect(await copy({ TaggingDirective: 'COPY', Tagging: 'class=open' })).toBe('AccessDenied');
});

test('tags that are replaced are not read', async () => {
  await putSource('class=secret');
  const copy = (user: string, more: object) =>
    outcome(
      client(user).send(
        new CopyObjectCommand({
          Bucket: 'dst',
          Key: 'replaced',
          CopySource: 'src/k',
          TaggingDirective: 'REPLACE',
          ...more,
        }),
      ),
    );
  expect(await copy('plain', {})).toBe('done');
  expect(await copy('plain', { Tagging: 'a=b' })).toBe('AccessDenied');
  expect(await copy('writer', { Tagging: 'a=b' })).toBe('done');
  expect(await tagsOf('dst', 'replaced')).toEqual([{ Key: 'a', Value: 'b' }]);
});

test('the tags of a version are read by who may read those of versions', async () => {
  await owner.send(new CreateBucketCommand({ Bucket: 'versioned' }));
  await owner.send(
    new PutBucketVersioningCommand({
      Bucket: 'versioned',
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
  const { VersionId } = await putSource('a=b', 'k', 'versioned');
  const copy = (user: string, CopySource: string) =>
    outcome(client(user).send(new CopyObjectCommand({ Bucket: 'dst', Key: 'v', CopySource })));
  const version = `versioned/k?versionId=${VersionId}`;
  expect(await copy('both', version)).toBe('AccessDenied');
  expect(await copy('versions', version)).toBe('done');
  expect(await copy('versions', 'versioned/k')).toBe('AccessDenied');
  expect(await copy('both', 'versioned/k')).toBe('done');
});

test.each([
  ['listsSource', 'NoSuchKey', 'AccessDenied'],
  ['listsTarget', 'AccessDenied', 'NoSuchKey'],
])(
  'that a key is not there is told to who may list its bucket: %s',
  async (user, source, target) => {
    const place = { Bucket: 'dst', Key: 'missing', CopySource: 'src/none' };
    const copy = (more: object = {}): Promise<string> =>
      outcome(client(user).send(new CopyObjectCommand({ ...place, ...more })));
    expect(await copy()).toBe(source);
    const { UploadId } = await owner.send(new CreateMultipartUploadCommand(place));
    const part = new UploadPartCopyCommand({ ...place, UploadId, PartNumber: 1 });
    expect(await outcome(client(user).send(part))).toBe(source);
    await putSource();
    expect(await copy({ CopySource: 'src/k', IfMatch: '"0"' })).toBe(target);
    const rename = new RenameObjectCommand({ Bucket: 'dst', Key: 'new', RenameSource: 'none' });
    expect(await outcome(client(user).send(rename))).toBe(target);
    const transact = async (line: object, headers: Readonly<Record<string, string>>) => {
      const answer = await send(server, {
        method: 'POST',
        path: '/dst?transaction',
        body: Buffer.from(`${JSON.stringify(line)}\n`),
        headers,
        accessKey: user,
        secretKey: USER_SECRET,
      });
      return answer.code;
    };
    const line = { op: 'copy', key: 'missing', sourceBucket: 'src', sourceKey: 'none' };
    expect(await transact(line, {})).toBe(source);
    expect(await transact(line, { 'x-amz-client-token': `token-${user}` })).toBe(source);
    expect(await transact({ op: 'check', key: 'missing', ifMatch: '*' }, {})).toBe(target);
  },
);
