/** Requests that could say what a policy wants to hear, or hide what it asks for. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outcome, startWithUsers, USER_SECRET } from './policy-users.ts';
import { send } from './raw-client.ts';
import type { TestServer } from './test-server.ts';

const all = { Effect: 'Allow', Action: 's3:*', Resource: '*' };
const denied = (Action: string, Condition: object): object => ({
  ...all,
  Effect: 'Deny',
  Action,
  Condition,
});
const SECRET = { StringEquals: { 's3:ExistingObjectTag/class': 'secret' } };
const POLICIES: Record<string, readonly object[]> = {
  tagDenied: [all, denied('s3:GetObject', SECRET)],
  keeper: [all, denied('s3:PutObject', SECRET), denied('s3:DeleteObject', SECRET)],
  attributesDenied: [all, denied('s3:GetObjectAttributes', SECRET)],
  tagAllowed: [{ ...all, Action: 's3:GetObject', Condition: SECRET }],
  prefixed: [{ ...all, Condition: { StringLike: { 's3:prefix': 'home/*' } } }],
  privately: [{ ...all, Condition: { StringEquals: { 's3:x-amz-acl': 'private' } } }],
  copier: [all, denied('s3:PutObject', { StringLike: { 's3:x-amz-copy-source': 'src/secret*' } })],
  conditional: [{ ...all, Condition: { Null: { 's3:if-none-match': 'false' } } }],
  matching: [{ ...all, Condition: { Null: { 's3:if-match': 'false' } } }],
  accents: [all, denied('s3:PutObject', { StringEquals: { 's3:RequestObjectTag/é': 'ü' } })],
  tagger: [
    all,
    denied('s3:PutObject', { StringNotEquals: { 's3:RequestObjectTag/class': 'open' } }),
  ],
  taggedCreator: [
    {
      ...all,
      Action: 's3:CreateBucket',
      Condition: { StringEquals: { 'aws:RequestTag/team': 'a' } },
    },
    {
      ...all,
      Action: 's3:TagResource',
      Condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } },
    },
  ],
  creator: [{ ...all, Action: 's3:CreateBucket' }],
  putter: [{ ...all, Action: 's3:PutObject' }],
  latest: [{ ...all, Action: ['s3:PutObject', 's3:GetObject'] }],
  versions: [{ ...all, Action: 's3:DeleteObjectVersion' }],
};

let server: TestServer;
let owner: S3Client;
let client: (name: string) => S3Client;
beforeAll(async () => {
  ({ server, owner, client } = await startWithUsers(POLICIES));
  for (const Bucket of ['src', 'dst']) await owner.send(new CreateBucketCommand({ Bucket }));
  for (const Key of ['k', 'secret'])
    await owner.send(
      new PutObjectCommand({ Bucket: 'src', Key, Body: 'v', Tagging: 'class=secret' }),
    );
  await owner.send(new PutObjectCommand({ Bucket: 'src', Key: 'open', Body: 'v' }));
});
afterAll(() => server[Symbol.asyncDispose]());

/** A get that says something else besides, signed. */
function get(
  name: string,
  Key: string,
  besides: { readonly query?: object; readonly headers?: object } = {},
): Promise<string> {
  const command = new GetObjectCommand({ Bucket: 'src', Key });
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { query: object; headers: object };
      Object.assign(request.query, besides.query);
      Object.assign(request.headers, besides.headers);
      return next(args);
    },
    { step: 'build' },
  );
  return outcome(client(name).send(command));
}

test('the policies of a user are asked with the tags that the object has', async () => {
  expect(await get('tagDenied', 'k')).toBe('AccessDenied');
  expect(await get('tagDenied', 'open')).toBe('done');
  expect(await get('tagAllowed', 'k')).toBe('done');
  expect(await get('tagAllowed', 'open')).toBe('AccessDenied');
});

test('who may not delete what has a tag deletes, and overwrites, the rest', async () => {
  for (const [Key, Tagging, wanted] of [
    ['protected', 'class=secret', 'AccessDenied'],
    ['free', 'class=open', 'done'],
  ] as const) {
    const place = { Bucket: 'dst', Key };
    await owner.send(new PutObjectCommand({ ...place, Body: 'v', Tagging }));
    const who = client('keeper');
    expect(await outcome(who.send(new PutObjectCommand({ ...place, Body: 'w' })))).toBe(wanted);
    await owner.send(new PutObjectCommand({ ...place, Body: 'v', Tagging }));
    expect(await outcome(who.send(new DeleteObjectCommand(place)))).toBe(wanted);
  }
});

test('the attributes of an object are asked with its tags too', async () => {
  const attributes = (Key: string): Promise<string> =>
    outcome(
      client('attributesDenied').send(
        new GetObjectAttributesCommand({ Bucket: 'src', Key, ObjectAttributes: ['ETag'] }),
      ),
    );
  expect(await attributes('k')).toBe('AccessDenied');
  expect(await attributes('open')).toBe('done');
});

test('a parameter of a listing, and a header of a write, mean nothing in a get', async () => {
  expect(await get('prefixed', 'k', { query: { prefix: 'home/x' } })).toBe('AccessDenied');
  expect(await get('privately', 'k', { headers: { 'x-amz-acl': 'private' } })).toBe('AccessDenied');
});

test.each(['src/secret', '/src/secret', '%2Fsrc/secret', '%2fsrc%2Fsecret'])(
  'a source is the same for the policy and for the copy: %s',
  async (CopySource) => {
    const copy = new CopyObjectCommand({ Bucket: 'dst', Key: 'copy', CopySource });
    expect(await outcome(client('copier').send(copy))).toBe('AccessDenied');
  },
);

test.each([
  ['putter', 'src/open', 'AccessDenied'],
  ['latest', 'src/open', 'done'],
  ['latest', 'src/open?versionId=null', 'AccessDenied'],
])('%s copies %s, or a part of it: %s', async (name, CopySource, expected) => {
  const address = { Bucket: 'dst', Key: 'of parts' };
  const { UploadId } = await owner.send(new CreateMultipartUploadCommand(address));
  const part = new UploadPartCopyCommand({ ...address, UploadId, PartNumber: 1, CopySource });
  expect(await outcome(client(name).send(part))).toBe(expected);
  const copy = new CopyObjectCommand({ Bucket: 'dst', Key: 'copy', CopySource });
  expect(await outcome(client(name).send(copy))).toBe(expected);
});

/** A transaction of one line, by its status. */
async function transact(name: string, line: object, headers: object = {}): Promise<number> {
  const size = 'op' in line && line.op === 'put' ? { size: 0 } : {};
  const { status } = await send(server, {
    method: 'POST',
    path: '/dst?transaction',
    headers: { ...headers },
    body: `${JSON.stringify({ ...line, ...size })}\n`,
    accessKey: name,
    secretKey: USER_SECRET,
  });
  return status;
}

test('the copy of a transaction is asked with its source, as CopyObject is', async () => {
  const copy = (sourceKey: string, more: object = {}): object => ({
    op: 'copy',
    key: 'copied',
    sourceBucket: 'src',
    sourceKey,
    ...more,
  });
  expect(await transact('copier', copy('secret'))).toBe(403);
  expect(await transact('copier', copy('secret', { sourceVersionId: 'null' }))).toBe(403);
  expect(await transact('copier', copy('k'))).toBe(200);
  // And a header that copies nothing is none.
  const header = { 'x-amz-copy-source': 'src/secret' };
  expect(await transact('copier', { op: 'put', key: 'put' }, header)).toBe(200);
});

test('the conditions of a transaction are those of its lines', async () => {
  const put = { op: 'put', key: 'once' };
  const header = { 'if-none-match': '*' };
  expect(await transact('conditional', put, header)).toBe(403);
  expect(await transact('conditional', { ...put, ifNoneMatch: '*' })).toBe(200);
  expect(await transact('conditional', { ...put, ifNoneMatch: '*' })).toBe(412);
});

test('the condition of a delete of many is that of each', async () => {
  const { ETag } = await owner.send(new PutObjectCommand({ Bucket: 'dst', Key: 'm', Body: 'v' }));
  const remove = async (entry: object): Promise<string | undefined> => {
    const command = new DeleteObjectsCommand({
      Bucket: 'dst',
      Delete: { Objects: [{ Key: 'm', ...entry }] },
    });
    command.middlewareStack.add(
      (next) => (args) => {
        Object.assign((args.request as { headers: object }).headers, { 'if-match': ETag });
        return next(args);
      },
      { step: 'build' },
    );
    return (await client('matching').send(command)).Errors?.[0]?.Code;
  };
  expect(await remove({})).toBe('AccessDenied');
  expect(await remove({ ETag })).toBe(undefined);
});

test.each(['é=ü', '%C3%A9=%C3%BC', 'é=%C3%BC', 'a=b&é=ü'])(
  'a tag is the same for the policy and for the object, in whatever bytes: %s',
  async (tags) => {
    const put = (tagging: string): Promise<number> =>
      send(server, {
        method: 'PUT',
        path: '/dst/accents',
        headers: { 'x-amz-tagging': Buffer.from(tagging).toString('latin1') },
        accessKey: 'accents',
        secretKey: USER_SECRET,
      }).then(({ status }) => status);
    expect(await put(tags)).toBe(403);
    expect(await put('é=u')).toBe(200);
    expect(await put('%FF=ü')).toBe(400);
  },
);

test('tags that a copy does not take are not asked about', async () => {
  const place = { Bucket: 'dst', Key: 'tagged', CopySource: 'src/k', Tagging: 'class=open' };
  const copy = (TaggingDirective: 'COPY' | 'REPLACE'): Promise<string> =>
    outcome(client('tagger').send(new CopyObjectCommand({ ...place, TaggingDirective })));
  expect(await copy('COPY')).toBe('AccessDenied');
  expect(await copy('REPLACE')).toBe('done');
});

test('who may delete versions deletes no key by an empty version id', async () => {
  await owner.send(new PutObjectCommand({ Bucket: 'dst', Key: 'kept', Body: 'v' }));
  const Objects = [{ Key: 'kept', VersionId: '' }];
  const { Errors } = await client('versions').send(
    new DeleteObjectsCommand({ Bucket: 'dst', Delete: { Objects } }),
  );
  expect(Errors).toMatchObject([{ Key: 'kept', Code: 'AccessDenied' }]);
  expect(await outcome(owner.send(new HeadObjectCommand({ Bucket: 'dst', Key: 'kept' })))).toBe(
    'done',
  );
});

test.each(['0.0.0.0/0', '0.0.0.0/00', '::/0', '::/000'])(
  'a policy for all addresses is public, however they are written: %s',
  async (range) => {
    await owner.send(
      new PutPublicAccessBlockCommand({
        Bucket: 'dst',
        PublicAccessBlockConfiguration: { BlockPublicPolicy: true },
      }),
    );
    const Statement = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::dst/*',
      Condition: { IpAddress: { 'aws:SourceIp': range } },
    };
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    expect(await outcome(owner.send(new PutBucketPolicyCommand({ Bucket: 'dst', Policy })))).toBe(
      'AccessDenied',
    );
  },
);

test('who may create buckets needs more for what the headers say of them', async () => {
  const create = (Bucket: string, headers: object): Promise<string> =>
    outcome(client('creator').send(new CreateBucketCommand({ Bucket, ...headers })));
  expect(await create('more', { ACL: 'public-read-write' })).toBe('AccessDenied');
  expect(
    await create('more', { GrantRead: 'uri=http://acs.amazonaws.com/groups/global/AllUsers' }),
  ).toBe('AccessDenied');
  expect(await create('more', { ObjectOwnership: 'ObjectWriter' })).toBe('AccessDenied');
  expect(await create('more', { ObjectLockEnabledForBucket: true })).toBe('AccessDenied');
  const CreateBucketConfiguration = { Tags: [{ Key: 'team', Value: 'a' }] };
  expect(await create('more', { CreateBucketConfiguration })).toBe('AccessDenied');
  expect(await create('more', { ACL: 'private' })).toBe('done');
});

test('the tags of a new bucket are asked about', async () => {
  const create = (Bucket: string, tags: Readonly<Record<string, string>>): Promise<string> => {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const configured = new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { Tags } });
    return outcome(client('taggedCreator').send(configured));
  };
  expect(await create('teams', {})).toBe('AccessDenied');
  expect(await create('teams', { team: 'b' })).toBe('AccessDenied');
  expect(await create('teams', { team: 'a', other: 'x' })).toBe('AccessDenied');
  expect(await create('teams', { team: 'a' })).toBe('done');
});
