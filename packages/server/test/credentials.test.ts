import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { isLoopback, refuseWeakCredentials, resolveCredentials } from '../src/credentials.ts';
import { SettingsError } from '../src/settings-error.ts';

const resolve = async (environment: Record<string, string>) =>
  resolveCredentials(await createMemoryEnv(), '/data', environment);

test('a pair of our own variables is used', async () => {
  expect(
    await resolve({ HOLDFAST_ACCESS_KEY: 'somebody', HOLDFAST_SECRET_KEY: 'something-long' }),
  ).toEqual({
    accessKeyId: 'somebody',
    secretAccessKey: 'something-long',
    origin: 'environment',
    secretVariable: 'HOLDFAST_SECRET_KEY',
  });
});

test("MinIO's variables are understood, and ours win over them", async () => {
  const minio = { MINIO_ROOT_USER: 'minio-user', MINIO_ROOT_PASSWORD: 'minio-password' };
  expect(await resolve(minio)).toMatchObject({ accessKeyId: 'minio-user' });
  const both = { ...minio, HOLDFAST_ACCESS_KEY: 'ours', HOLDFAST_SECRET_KEY: 'our-secret' };
  expect(await resolve(both)).toMatchObject({ accessKeyId: 'ours' });
});

test('half a pair is an error that names the missing variable', async () => {
  await expect(resolve({ HOLDFAST_ACCESS_KEY: 'somebody' })).rejects.toThrow(
    'HOLDFAST_ACCESS_KEY is set but HOLDFAST_SECRET_KEY is not. Set both, or neither.',
  );
  await expect(resolve({ MINIO_ROOT_PASSWORD: 'secret-secret' })).rejects.toThrow(
    'MINIO_ROOT_PASSWORD is set but MINIO_ROOT_USER is not.',
  );
});

test('half a pair is an error even beside a whole one', async () => {
  await expect(
    resolve({
      HOLDFAST_ACCESS_KEY: 'ours',
      HOLDFAST_SECRET_KEY: 'our-secret',
      MINIO_ROOT_USER: 'minio-user',
    }),
  ).rejects.toBeInstanceOf(SettingsError);
});

test('empty variables are variables that are not set', async () => {
  const found = await resolve({ HOLDFAST_ACCESS_KEY: '', HOLDFAST_SECRET_KEY: '' });
  expect(found.origin).toBe('generated');
});

test('an access key that would break an Authorization header is refused', async () => {
  for (const key of ['a/bc', 'a,bc', 'a=bc', 'a bc', 'ä-key', 'ab']) {
    await expect(
      resolve({ HOLDFAST_ACCESS_KEY: key, HOLDFAST_SECRET_KEY: 'long-enough' }),
      key,
    ).rejects.toBeInstanceOf(SettingsError);
  }
});

test('a generated pair is durable and the same at the next start', async () => {
  const env = await createMemoryEnv({ seed: 7 });
  const first = await resolveCredentials(env, '/data', {});
  expect(first.origin).toBe('generated');
  expect(first.accessKeyId).toMatch(/^HF[A-Z2-7]{18}$/);
  expect(first.secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/);
  const again = await resolveCredentials(env, '/data', {});
  expect(again).toEqual({ ...first, origin: 'file' });
  expect(await env.files.list('/data')).toEqual(['credentials.json']);
});

test('two processes that generate at once end with one pair', async () => {
  const env = await createMemoryEnv();
  const [a, b] = await Promise.all([
    resolveCredentials(env, '/data', {}),
    resolveCredentials(env, '/data', {}),
  ]);
  expect(a?.secretAccessKey).toBe(b?.secretAccessKey);
  expect(await env.files.list('/data')).toEqual(['credentials.json']);
});

test('where no pair can be made, as without hard links, no secret is left behind', async () => {
  const env = await createMemoryEnv();
  env.files.failWhen({ when: ({ kind }) => kind === 'link', code: 'FILE_IO' });
  await expect(resolveCredentials(env, '/data', {})).rejects.toMatchObject({ code: 'FILE_IO' });
  expect(await env.files.list('/data')).toEqual([]);
});

test('a damaged credentials file is an error, and is not replaced', async () => {
  const env = await createMemoryEnv();
  await env.files.makeDirectory('/data');
  const file = await env.files.open('/data/credentials.json', 'create');
  await file.write(new TextEncoder().encode('{"accessKeyId": "so'), 0);
  await file.close();
  await expect(resolveCredentials(env, '/data', {})).rejects.toThrow(
    '/data/credentials.json cannot be used',
  );
  expect(await env.files.stat('/data/credentials.json')).toMatchObject({ sizeBytes: 19 });
});

test('well-known defaults and short secrets are refused where others can connect', () => {
  const pairs = [
    ['minioadmin', 'minioadmin'],
    ['test', 'test'],
    ['holdfast', 'holdfast'],
    ['somebody', 'password'],
    ['same-same-same', 'same-same-same'],
    ['somebody', 'short'],
  ] as const;
  for (const [accessKeyId, secretAccessKey] of pairs) {
    const credentials = { accessKeyId, secretAccessKey };
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'example.com']) {
      expect(() => refuseWeakCredentials(credentials, host)).toThrow(SettingsError);
    }
    for (const host of ['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost']) {
      expect(() => refuseWeakCredentials(credentials, host)).not.toThrow();
    }
  }
  const own = { accessKeyId: 'somebody', secretAccessKey: 'quite-a-secret' };
  expect(() => refuseWeakCredentials(own, '0.0.0.0')).not.toThrow();
});

test('a name that only looks like loopback is not loopback', () => {
  expect(isLoopback('127.0.0.1.example.com')).toBe(false);
  expect(isLoopback('localhost.example.com')).toBe(false);
});

test("an operator's file is read where the environment has no pair, and is never made", async () => {
  const env = await createMemoryEnv();
  await expect(resolveCredentials(env, '/data', {}, { file: '/keys.json' })).rejects.toThrow(
    'There is no file /keys.json for --credentials-file.',
  );
  const made = await resolveCredentials(env, '/data', {});
  const file = '/data/credentials.json';
  expect(await resolveCredentials(env, '/elsewhere', {}, { file })).toEqual({
    ...made,
    origin: 'file',
    secretFile: file,
  });
});

test("an environment and an operator's file that have different pairs are refused together", async () => {
  const env = await createMemoryEnv();
  const made = await resolveCredentials(env, '/data', {});
  const file = '/data/credentials.json';
  const resolveWith = (secret: string, path = file) =>
    resolveCredentials(
      env,
      '/data',
      { HOLDFAST_ACCESS_KEY: made.accessKeyId, HOLDFAST_SECRET_KEY: secret },
      { file: path },
    );
  await expect(resolveWith('something-long')).rejects.toThrow(
    'HOLDFAST_SECRET_KEY and --credentials-file /data/credentials.json have different key pairs',
  );
  await expect(resolveWith(made.secretAccessKey, '/keys.json')).rejects.toThrow('There is no file');
  expect((await resolveWith(made.secretAccessKey)).origin).toBe('environment');
});

test('a node of a cluster makes no pair of its own', async () => {
  const env = await createMemoryEnv();
  const nowhere = resolveCredentials(env, '/data', {}, { mayGenerate: false });
  await expect(nowhere).rejects.toThrow('The nodes of a cluster have one key pair');
  expect(await env.files.stat('/data/credentials.json')).toBeUndefined();
});
