/** What people write into files, and how editors save it. */
import type { Env } from '@holdfast/env';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { resolveCredentials } from '../src/credentials.ts';
import { SettingsError } from '../src/settings-error.ts';
import { readTextFile } from '../src/text-file.ts';

const PATH = '/folder/file.json';
const LIMIT_BYTES = 1000;

async function envWith(bytes: Uint8Array): Promise<Env> {
  const env = await createMemoryEnv();
  await env.files.makeDirectory('/folder');
  const file = await env.files.open(PATH, 'create');
  await file.write(bytes, 0);
  await file.close();
  return env;
}

test('a byte order mark, with which some editors begin a file, is not part of its text', async () => {
  const pair = { accessKeyId: 'somebody', secretAccessKey: 'something-long' };
  const env = await envWith(Buffer.from(`\uFEFF${JSON.stringify(pair)}`));
  expect(await readTextFile(env, PATH, LIMIT_BYTES)).toBe(JSON.stringify(pair));
  expect(await resolveCredentials(env, '/data', {}, { file: PATH })).toMatchObject(pair);
});

test('a file that is not UTF-8 is refused by its name, and not by the decoder', async () => {
  const env = await envWith(Buffer.from('\uFEFF{"accessKeyId": "somebody"}', 'utf16le'));
  const refused = readTextFile(env, PATH, LIMIT_BYTES);
  await expect(refused).rejects.toBeInstanceOf(SettingsError);
  await expect(refused).rejects.toThrow(`${PATH} is not text in UTF-8`);
});

test('a folder in the place of a file is refused as one', async () => {
  const env = await envWith(Buffer.from('x'));
  const refused = readTextFile(env, '/folder', LIMIT_BYTES);
  await expect(refused).rejects.toBeInstanceOf(SettingsError);
  await expect(refused).rejects.toThrow('/folder is a folder, not a file');
});

test('keys that are not JSON are refused as such', async () => {
  const env = await envWith(Buffer.from('accessKeyId=somebody'));
  await expect(resolveCredentials(env, '/data', {}, { file: PATH })).rejects.toThrow(
    `${PATH} cannot be used: it is not JSON.`,
  );
});
