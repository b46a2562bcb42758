/** Who sets an ETag as the condition of a write learns whether it is the object's: so who may not read sets none. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  PutObjectCommand,
  RenameObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outcome, startWithUsers, USER_SECRET } from './policy-users.ts';
import { send } from './raw-client.ts';
import type { TestServer } from './test-server.ts';

const Bucket = 'guarded';
const allowed = (Action: readonly string[], path: string): object => ({
  Effect: 'Allow',
  Action,
  Resource: `arn:aws:s3:::${path}`,
});
const WRITE = allowed(['s3:PutObject', 's3:DeleteObject'], `${Bucket}/*`);
const SOURCE = allowed(['s3:GetObject', 's3:DeleteObject'], `${Bucket}/from`);

let server: TestServer;
let owner: S3Client;
let client: (name: string) => S3Client;
beforeAll(async () => {
  ({ server, owner, client } = await startWithUsers({
    writer: [WRITE, SOURCE],
    reader: [WRITE, SOURCE, allowed(['s3:GetObject'], `${Bucket}/k`)],
  }));
  await owner.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => server[Symbol.asyncDispose]());

interface Condition {
  readonly IfMatch?: string;
  readonly IfNoneMatch?: string;
}
type Way = (user: string, condition: Condition) => Promise<string>;

const address = { Bucket, Key: 'k' };
const lineOf = (user: string, line: object, { IfMatch, IfNoneMatch }: Condition) => {
  const body = { ...line, key: 'k', ifMatch: IfMatch, ifNoneMatch: IfNoneMatch };
  const request = { method: 'POST', path: `/${Bucket}?transaction`, accessKey: user };
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  return send(server, { ...request, secretKey: USER_SECRET, body: bytes }).then((answer) =>
    answer.status === 200 ? 'done' : (answer.code ?? `${answer.status}`),
  );
};
const WAYS: Record<string, Way> = {
  put: (user, condition) =>
    outcome(client(user).send(new PutObjectCommand({ ...address, Body: 'w', ...condition }))),
  copy: (user, condition) => {
    const CopySource = `${Bucket}/from`;
    return outcome(
      client(user).send(new CopyObjectCommand({ ...address, CopySource, ...condition })),
    );
  },
  rename: (user, condition) => {
    const RenameSource = 'from';
    const command = new RenameObjectCommand({
      ...address,
      RenameSource,
      ...(condition.IfMatch && { DestinationIfMatch: condition.IfMatch }),
      ...(condition.IfNoneMatch && { DestinationIfNoneMatch: condition.IfNoneMatch }),
    });
    return outcome(client(user).send(command));
  },
  complete: async (user, condition) => {
    const { UploadId } = await owner.send(new CreateMultipartUploadCommand(address));
    const part = { ...address, UploadId, PartNumber: 1 };
    const { ETag } = await owner.send(new UploadPartCommand({ ...part, Body: 'w' }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    const complete = { ...address, UploadId, MultipartUpload, ...condition };
    return outcome(client(user).send(new CompleteMultipartUploadCommand(complete)));
  },
  delete: (user, { IfMatch }) =>
    outcome(
      client(user).send(new DeleteObjectCommand({ ...address, ...(IfMatch && { IfMatch }) })),
    ),
  deleteMany: async (user, { IfMatch }) => {
    const Objects = [{ Key: 'k', ...(IfMatch && { ETag: IfMatch }) }];
    const answer = await client(user).send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
    );
    return answer.Errors?.[0]?.Code ?? 'done';
  },
  'line that copies': (user, condition) =>
    lineOf(user, { op: 'copy', sourceKey: 'from' }, condition),
  'line that deletes': (user, condition) => lineOf(user, { op: 'delete' }, condition),
};

test.each(Object.entries(WAYS))(
  'an ETag as a condition of a %s needs s3:GetObject',
  async (_name, way) => {
    const put = async (): Promise<string | undefined> => {
      await owner.send(new PutObjectCommand({ Bucket, Key: 'from', Body: 'f' }));
      return (await owner.send(new PutObjectCommand({ ...address, Body: 'v' }))).ETag;
    };
    const ETag = (await put()) ?? '';
    for (const IfMatch of ['"0"', ETag]) {
      expect(await way('writer', { IfMatch })).toBe('AccessDenied');
    }
    const { ETag: still } = await owner.send(new HeadObjectCommand(address));
    expect(still).toBe(ETag);
    expect(await way('reader', { IfMatch: '"0"' })).toBe('PreconditionFailed');
    expect(await way('reader', { IfMatch: ETag })).toBe('done');
    // Whether there is an object at all is no secret from who may write it.
    await put();
    expect(['done', 'NotImplemented']).toContain(await way('writer', { IfMatch: '*' }));
    await put();
    expect(await way('writer', {})).toBe('done');
  },
);

test('that there is no object yet is a condition that needs no s3:GetObject', async () => {
  const put = (user: string, IfNoneMatch: string) =>
    outcome(client(user).send(new PutObjectCommand({ ...address, Body: 'n', IfNoneMatch })));
  await owner.send(new PutObjectCommand({ ...address, Body: 'v' }));
  expect(await put('writer', '*')).toBe('PreconditionFailed');
  expect(await put('writer', '"0"')).toBe('AccessDenied');
  expect(await put('reader', '"0"')).toBe('NotImplemented');
});

test('neither is its size, nor its time', async () => {
  await owner.send(new PutObjectCommand({ ...address, Body: 'v' }));
  for (const headers of [
    { 'x-amz-if-match-size': '2' },
    { 'x-amz-if-match-last-modified-time': new Date(0).toUTCString() },
  ]) {
    const remove = async (accessKey: string) => {
      const request = { method: 'DELETE', path: `/${Bucket}/k`, headers };
      return (await send(server, { ...request, accessKey, secretKey: USER_SECRET })).status;
    };
    expect([await remove('writer'), await remove('reader')]).toEqual([403, 412]);
  }
});
