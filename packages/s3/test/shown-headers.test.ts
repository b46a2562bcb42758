/** Headers of an answer that are only for who may ask for what they say. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWithUsers } from './policy-users.ts';
import { send } from './raw-client.ts';
import type { TestServer } from './test-server.ts';

const allowed = (...Action: readonly string[]): object => ({
  Effect: 'Allow',
  Action,
  Resource: 'arn:aws:s3:::locked/*',
});
const TAGGED = 'x-amz-tagging-count';
const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';
const HOLD = 'x-amz-object-lock-legal-hold';
const USERS: Record<string, readonly object[]> = {
  plain: [allowed('s3:GetObject', 's3:GetObjectVersion')],
  tags: [allowed('s3:GetObject', 's3:GetObjectTagging')],
  retention: [allowed('s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention')],
  hold: [allowed('s3:GetObject', 's3:GetObjectLegalHold')],
  versions: [allowed('s3:GetObjectVersion', 's3:GetObjectVersionTagging')],
  notSecret: [
    allowed('s3:GetObject', 's3:GetObjectTagging'),
    {
      Effect: 'Deny',
      Action: 's3:GetObjectTagging',
      Resource: '*',
      Condition: { StringEquals: { 's3:ExistingObjectTag/class': 'secret' } },
    },
  ],
  all: [allowed('s3:*')],
};

let server: TestServer;
let owner: S3Client;
let client: (name: string) => S3Client;
let VersionId: string | undefined;
beforeAll(async () => {
  ({ server, owner, client } = await startWithUsers(USERS));
  const Bucket = 'locked';
  await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const put = new PutObjectCommand({
    Bucket,
    Key: 'k',
    Body: 'v',
    Tagging: 'class=secret',
    ObjectLockMode: 'GOVERNANCE',
    ObjectLockRetainUntilDate: new Date(server.clock.nowMs() + 1_000_000),
    ObjectLockLegalHoldStatus: 'ON',
  });
  ({ VersionId } = await owner.send(put));
});
afterAll(() => server[Symbol.asyncDispose]());

interface Shown {
  readonly TagCount?: number | undefined;
  readonly ObjectLockMode?: string | undefined;
  readonly ObjectLockRetainUntilDate?: Date | undefined;
  readonly ObjectLockLegalHoldStatus?: string | undefined;
}

function shown(answer: Shown): string[] {
  const names: string[] = [];
  if (answer.TagCount !== undefined) names.push(TAGGED);
  if (answer.ObjectLockMode !== undefined) names.push(MODE);
  if (answer.ObjectLockRetainUntilDate !== undefined) names.push(UNTIL);
  if (answer.ObjectLockLegalHoldStatus !== undefined) names.push(HOLD);
  return names;
}

test.each([
  ['plain', [], []],
  ['tags', [TAGGED], undefined],
  ['retention', [MODE, UNTIL], [MODE, UNTIL]],
  ['hold', [HOLD], undefined],
  ['versions', undefined, [TAGGED]],
  ['notSecret', [], undefined],
  ['all', [TAGGED, MODE, UNTIL, HOLD], [TAGGED, MODE, UNTIL, HOLD]],
] as const)(
  'tags are counted, and a lock is shown, for who may read them: %s',
  async (user, names, ofVersion) => {
    for (const [wanted, more] of [
      [names, {}],
      [ofVersion, { VersionId }],
    ] as const) {
      const address = { Bucket: 'locked', Key: 'k', ...more };
      const head = client(user).send(new HeadObjectCommand(address));
      const get = client(user).send(new GetObjectCommand({ ...address, Range: 'bytes=0-0' }));
      if (wanted === undefined) {
        await expect(head).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
        await expect(get).rejects.toMatchObject({ name: 'AccessDenied' });
        continue;
      }
      expect(shown(await head)).toEqual(wanted);
      const answer = await get;
      await answer.Body?.transformToString();
      expect(shown(answer)).toEqual(wanted);
    }
  },
);

test('everybody who may read an object is told nothing of its tags and its lock', async () => {
  const Policy = JSON.stringify({ Statement: { ...allowed('s3:GetObject'), Principal: '*' } });
  await owner.send(new PutBucketPolicyCommand({ Bucket: 'locked', Policy }));
  const { status, headers } = await send(server, {
    method: 'GET',
    path: '/locked/k',
    anonymous: true,
  });
  expect(status).toBe(200);
  for (const name of [TAGGED, MODE, UNTIL, HOLD]) expect(headers[name]).toBeUndefined();
});
