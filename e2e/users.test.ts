import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const SECRET = 'a-secret-of-the-e2e-tests';
const ALICE = { accessKeyId: 'ALICE', secretAccessKey: SECRET };
const READER = { accessKeyId: 'READER', secretAccessKey: SECRET };

const INIT = {
  users: [
    { id: 'alice', displayName: 'Alice', accessKey: 'ALICE', secretKey: SECRET },
    {
      id: 'reader',
      account: 'alice',
      accessKey: 'READER',
      secretKey: SECRET,
      policies: [
        {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 's3:Get*', Resource: 'arn:aws:s3:::hers/*' }],
        },
      ],
    },
  ],
  buckets: ['ours', { name: 'hers', owner: 'alice' }],
};

test('users of an init file have what is theirs, also after a kill and without the file', async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, 'data');
  const init = join(folder.path, 'init.json');
  await writeFile(init, JSON.stringify(INIT));
  {
    await using server = await HoldfastProcess.start({ directory, arguments: ['--init', init] });
    const alice = server.client({ credentials: ALICE });
    const { Buckets, Owner } = await alice.send(new ListBucketsCommand({}));
    expect([Owner?.ID, Buckets?.map(({ Name }) => Name)]).toEqual(['alice', ['hers']]);
    await alice.send(new PutObjectCommand({ Bucket: 'hers', Key: 'k', Body: 'v' }));
  }
  await using server = await HoldfastProcess.start({ directory });
  const reader = server.client({ credentials: READER });
  const { Body } = await reader.send(new GetObjectCommand({ Bucket: 'hers', Key: 'k' }));
  expect(await Body?.transformToString()).toBe('v');
  const put = new PutObjectCommand({ Bucket: 'hers', Key: 'k', Body: 'w' });
  await expect(reader.send(put)).rejects.toThrow('Access Denied');
  await expect(server.client().send(put)).rejects.toThrow('Access Denied');
  expect(`${server.output}${server.errors}`).not.toContain(SECRET);
  if (process.platform !== 'win32') {
    expect((await stat(join(directory, 'master.key'))).mode & 0o777).toBe(0o600);
  }
});

test('a public bucket is for everybody, and only as far as its policy says', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: folder.path });
  const client = server.client();
  await client.send(new CreateBucketCommand({ Bucket: 'site' }));
  await client.send(new PutObjectCommand({ Bucket: 'site', Key: 'k', Body: 'v' }));
  const url = `${server.endpoint}/site/k`;
  expect((await fetch(url)).status).toBe(403);
  const Statement = [
    { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::site/*' },
  ];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await client.send(new PutBucketPolicyCommand({ Bucket: 'site', Policy }));
  expect(await (await fetch(url)).text()).toBe('v');
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
  expect((await fetch(`${server.endpoint}/site`)).status).toBe(403);
});

test('an init file that cannot be used ends the start with a sentence', async () => {
  await using folder = await temporaryFolder();
  const init = join(folder.path, 'init.json');
  const run = () => runHoldfast(['serve', '--port', '0', '--data', folder.path, '--init', init]);
  const missing = await run();
  expect([missing.exitCode, missing.errors]).toEqual([2, expect.stringContaining('no file')]);
  await writeFile(init, JSON.stringify({ users: [{ name: 'x' }] }));
  const wrong = await run();
  expect([wrong.exitCode, wrong.errors]).toEqual([2, expect.stringContaining('users.0')]);
});
