import {
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Env } from '@holdfast/env';
import { MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import type { ServerConfig } from '../../src/server-config.ts';
import type { RunningServer } from '../../src/start-server.ts';
import { startServer } from '../../src/start-server.ts';
import { checkInit, readInitFile } from '../../src/users/init-file.ts';
import { openUsers } from '../../src/users/open-users.ts';
import { SecretBox } from '../../src/users/secret-box.ts';
import type { UserDirectory } from '../../src/users/user-directory.ts';
import type { UserInput } from '../../src/users/user-record.ts';

const credentials = { accessKeyId: 'somebody', secretAccessKey: 'a-secret-for-tests' };
const SECRET = 'a-secret-that-must-not-be-on-disk';
/** Less than the least reserve of a store. */
const FULL_BYTES = 8 * 1024 * 1024;
const machine = await createNodeEnv();

const init = {
  users: [
    { id: 'alice', displayName: 'Alice', accessKey: 'ALICE', secretKey: SECRET },
    {
      id: 'reader',
      keys: [{ accessKey: 'READER', secretKey: SECRET }],
      account: 'alice',
      policies: [
        {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::hers/*' }],
        },
      ],
    },
  ],
  buckets: ['ours', { name: 'hers', owner: 'alice' }],
};

function newDisk(): { readonly files: MemoryFiles; readonly env: Env } {
  const files = new MemoryFiles({ clock: machine.clock });
  return { files, env: { ...machine, files } };
}

const start = (env: Env, more: Partial<ServerConfig> = {}): Promise<RunningServer> =>
  startServer({ env, directory: '/data', credentials, port: 0, metrics: false, ...more });

function client({ port }: RunningServer, accessKeyId: string): S3Client {
  return new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey: SECRET },
  });
}

async function everyByte(files: MemoryFiles, folder: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (const name of await files.list(folder)) {
    const path = `${folder}/${name}`;
    const stat = await files.stat(path);
    if (stat?.kind === 'directory') {
      pieces.push(await everyByte(files, path));
      continue;
    }
    const file = await files.open(path, 'read');
    const bytes = new Uint8Array(stat?.sizeBytes ?? 0);
    await file.read(bytes, 0);
    await file.close();
    pieces.push(bytes);
  }
  return Buffer.concat(pieces);
}

test('users and buckets of an init file are there, now and after a start without it', async () => {
  const { env } = newDisk();
  for (const more of [{ init }, {}]) {
    const server = await start(env, more);
    const alice = client(server, 'ALICE');
    const reader = client(server, 'READER');
    try {
      const { Buckets, Owner } = await alice.send(new ListBucketsCommand({}));
      expect(Buckets?.map(({ Name }) => Name)).toEqual(['hers']);
      expect(Owner).toEqual({ ID: 'alice', DisplayName: 'Alice' });
      const address = { Bucket: 'hers', Key: 'k' };
      await alice.send(new PutObjectCommand({ ...address, Body: 'v' }));
      await reader.send(new GetObjectCommand(address));
      await expect(reader.send(new PutObjectCommand({ ...address, Body: 'w' }))).rejects.toThrow(
        'Access Denied',
      );
    } finally {
      alice.destroy();
      reader.destroy();
      await server.stop();
    }
  }
});

test('a start on a full volume asks no room for what is there: users, buckets, the feed of changes', async () => {
  const { env, files } = newDisk();
  const more = { init, keepChangesMs: 60_000 };
  await (await start(env, more)).stop();
  files.setCapacity(FULL_BYTES);
  const server = await start(env, more);
  const alice = client(server, 'ALICE');
  try {
    expect((await alice.send(new ListBucketsCommand({}))).Buckets).toHaveLength(1);
    const owned = { ownerId: 'alice', region: 'us-east-1' };
    await expect(server.objects.createBucket('hers', owned)).rejects.toMatchObject({
      code: 'BucketAlreadyOwnedByYou',
    });
    await expect(server.objects.createBucket('other', owned)).rejects.toMatchObject({
      code: 'KV_NO_SPACE',
    });
  } finally {
    alice.destroy();
    await server.stop();
  }
  const renamed = { users: init.users.map((user) => ({ ...user, displayName: 'Another' })) };
  await expect(start(env, { init: renamed })).rejects.toMatchObject({ code: 'KV_NO_SPACE' });
});

test('secrets are on disk only sealed, and the key to them is the owner’s file', async () => {
  const { env, files } = newDisk();
  await (await start(env, { init })).stop();
  const bytes = await everyByte(files, '/data');
  expect(bytes.includes('ALICE')).toBe(true);
  expect(bytes.includes(SECRET)).toBe(false);
  const key = await files.open('/data/master.key', 'read');
  const text = new Uint8Array(65);
  await key.read(text, 0);
  await key.close();
  expect(Buffer.from(text).toString()).toMatch(/^[0-9a-f]{64}\n$/);
});

test('without the key that sealed them the stored users cannot be used, and nothing is made', async () => {
  const { env, files } = newDisk();
  await (await start(env, { init })).stop();
  await files.rename('/data/master.key', '/elsewhere');
  await expect(start(env)).rejects.toThrow('There is no master key in /data/master.key');
  const server = await start(env, { masterKeyPath: '/elsewhere' });
  await server.stop();
  const wrong = await files.open('/wrong', 'create');
  await wrong.write(Buffer.from('0'.repeat(64)), 0);
  await wrong.close();
  await expect(start(env, { masterKeyPath: '/wrong' })).rejects.toThrow('does not open');
});

test('a server without users has no master key', async () => {
  const { env, files } = newDisk();
  await (await start(env)).stop();
  expect(await files.list('/data')).not.toContain('master.key');
});

test('two users cannot have one access key', async () => {
  const { env } = newDisk();
  const users = [
    { id: 'a', accessKey: 'SAME', secretKey: SECRET },
    { id: 'b', accessKey: 'SAME', secretKey: SECRET },
  ];
  await expect(start(env, { init: { users } })).rejects.toThrow('Two users have the access key');
});

test('of two nodes that store one access key for two users at once, one is refused', async () => {
  const { files, env } = newDisk();
  const masterKeyPath = '/master';
  const key = await files.open(masterKeyPath, 'create');
  await key.write(Buffer.from('7'.repeat(64)), 0);
  await key.close();
  const kv = createMemoryStore();
  const owner = { id: 'itself', displayName: 'itself' };
  const open = (users: readonly UserInput[] = []): Promise<UserDirectory> =>
    openUsers({ env, directory: '/', kv, credentials, owner, init: { users }, masterKeyPath });
  const users = (name: string): UserInput[] => [
    { id: `first of ${name}`, accessKey: `FIRST-${name}`, secretKey: SECRET },
    { id: `last of ${name}`, accessKey: 'SAME', secretKey: SECRET },
  ];
  const answers = await Promise.allSettled([open(users('a')), open(users('b'))]);
  const refusals = answers.filter((answer) => answer.status === 'rejected');
  expect(refusals.map(({ reason }) => (reason as Error).message)).toEqual([
    'Two users have the access key SAME.',
  ]);
  // So every node starts, and one of the two has the key.
  expect((await open()).findKey('SAME')?.user.name).toMatch(/^last of [ab]$/);
  await Promise.all([open(users('c').slice(0, 1)), open(users('d').slice(0, 1))]);
  const all = await open();
  for (const name of ['c', 'd']) expect(all.findKey(`FIRST-${name}`)).toBeDefined();
});

test('a bucket that cannot be made is named', async () => {
  const { env } = newDisk();
  await expect(start(env, { init: { buckets: ['fine', 'B'] } })).rejects.toThrow(
    'The bucket "B" cannot be made: The specified bucket is not valid. A name has 3 to 63 small letters',
  );
  const taken = { name: 'fine', owner: 'somebody' };
  await expect(start(env, { init: { buckets: [taken] } })).rejects.toThrow(
    'The bucket "fine" cannot be made: The requested bucket name is not available.',
  );
});

test('a sealed secret opens for its owner only, and not when a bit of it changed', () => {
  const box = new SecretBox([new Uint8Array(32).fill(7)], machine.random);
  const sealed = box.seal('secret', 'alice');
  expect(box.seal('secret', 'alice')).not.toBe(sealed);
  expect(box.open(sealed, 'alice')).toBe('secret');
  expect(() => box.open(sealed, 'bob')).toThrow('does not open');
  const bytes = Buffer.from(sealed, 'base64');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    expect(() => box.open(changed.toString('base64'), 'alice')).toThrow('does not open');
  }
});

test.each([
  [{ users: [{}] }, 'users.0.id'],
  [{ users: [{ id: 'a', accessKey: 'ABC' }] }, 'accessKey and secretKey belong together'],
  [{ users: [{ id: 'a', policies: [{ Statement: [] }] }] }, 'Statement is empty'],
  [{ users: [{ id: 'a', policy: {} }] }, 'users.0'],
  [{ buckets: [1] }, 'buckets.0'],
  [[], 'cannot be used'],
])('%o is no init file: %s', (content, message) => {
  expect(() => checkInit(content, 'init.json')).toThrow(message);
});

const READ = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::hers/*' };

test.each([
  [{ Action: 's3:GetObjekt' }, 'Policy has invalid action'],
  [{ Action: ['s3:*', 'sqs:*'] }, 'Policy has invalid action'],
  [{ Resource: 'arn:aws:s3:eu-west-1::hers/*' }, 'Policy has invalid resource'],
  [{ Resource: 'hers/*' }, 'Policy has invalid resource'],
  [{ Principal: '*' }, 'Policy document should not specify a principal'],
  [{ Effect: 'deny' }, 'Invalid effect : deny'],
  [{ Efect: 'Deny' }, 'Unknown field Efect'],
  [{ Condition: { StringLikes: { 's3:prefix': 'a' } } }, 'Invalid Condition type : StringLikes'],
  [{ Condition: { StringLike: { 's3:prefixes': 'a' } } }, 'Policy has an invalid condition key'],
  [{ Condition: { StringLike: { 'aws:User': 'a' } } }, 'Policy has an invalid condition key'],
  [{ Condition: { NumericLessThan: { 's3:max-keys': 'ten' } } }, 'Invalid policy syntax.'],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0/8' } } }, 'Invalid policy syntax.'],
  [{ Condition: { Bool: { 'aws:SecureTransport': 'yes' } } }, 'Invalid policy syntax.'],
])('a policy that does not mean what it says is refused, with whose it is: %o', (more, why) => {
  const policies = [{ Statement: READ }, { Statement: [READ, { ...READ, ...more }] }];
  const users = [{ id: 'other' }, { id: 'reader', policies }];
  expect(() => checkInit({ users }, 'init.json')).toThrow(
    `init.json cannot be used at users.1.policies.1.Statement.1: the policy of the user "reader" does not say what is meant: ${why}`,
  );
});

test('a policy of any pattern that fits something is taken, with variables and without a version', () => {
  const Condition = {
    StringLike: { 's3:prefix': ['${aws:username}/*'] },
    ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/*' },
  };
  const policies = [
    { Statement: { ...READ, Resource: '*', Action: '*' } },
    { Id: 'x', Version: '2012-10-17', Statement: [{ Sid: 'a', ...READ, Condition }] },
  ];
  expect(() => checkInit({ users: [{ id: 'a', policies }] }, 'init.json')).not.toThrow();
});

test('a name that is twice in one object of an init file is refused, with its place', async () => {
  const { env, files } = newDisk();
  await files.makeDirectory('/data');
  const file = await files.open('/data/init.json', 'create');
  await file.write(Buffer.from(`{"users": [{"id": "a", "keys": []}],\n "users": []}`), 0);
  await file.close();
  await expect(readInitFile(env, '/data/init.json')).rejects.toThrow(
    '/data/init.json cannot be used: line 2 has "users", which its object has before.',
  );
});
