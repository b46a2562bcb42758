import { createPrivateKey } from 'node:crypto';
import type { Env } from '@holdfast/env';
import { createMemoryEnv, ManualClock } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { Log } from '../../src/log.ts';
import { silentLog } from '../../src/log.ts';
import { SettingsError } from '../../src/settings-error.ts';
import type { KeyPair } from '../../src/tls/key-pair.ts';
import { readKeyPair } from '../../src/tls/key-pair.ts';
import { watchKeyPair } from '../../src/tls/key-pair-watch.ts';
import { turn } from '../gate.ts';
import { makeKeyPair } from './certificate.ts';

const files = { certificatePath: '/cert.pem', keyPath: '/key.pem' };
const one = makeKeyPair('one.test');
const other = makeKeyPair('other.test');

async function write(env: Env, path: string, text: string): Promise<void> {
  await env.files.unlink(path).catch(() => undefined);
  const file = await env.files.open(path, 'create');
  await file.write(new TextEncoder().encode(text), 0);
  await file.close();
}

async function envWith(certificate: string | undefined, key: string | undefined): Promise<Env> {
  const env = await createMemoryEnv();
  if (certificate !== undefined) await write(env, files.certificatePath, certificate);
  if (key !== undefined) await write(env, files.keyPath, key);
  return env;
}

test('a certificate with those that issued it behind it is read with its key', async () => {
  const env = await envWith(one.certificate + other.certificate, one.key);
  const pair = await readKeyPair(env, files);
  expect(pair.leaf.checkHost('one.test')).toBe('one.test');
  expect(pair.certificate).toContain(other.certificate.trim());
});

const encrypted = createPrivateKey(one.key).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'secret',
}) as string;

test.each([
  ['no certificate', undefined, one.key, 'There is no certificate /cert.pem.'],
  ['no key', one.certificate, undefined, 'There is no private key /key.pem.'],
  ['a certificate that is none', 'nothing', one.key, '/cert.pem has no certificate in PEM'],
  ['files in each other’s place', one.key, one.certificate, '/cert.pem has no certificate'],
  ['a key that is none', one.certificate, 'nothing', '/key.pem has no private key in PEM'],
  ['a passphrase', one.certificate, encrypted, 'The key in /key.pem has a passphrase.'],
  ['a key of another', one.certificate, other.key, 'The key in /key.pem is not that of the first'],
  ['a chain from its end', other.certificate + one.certificate, one.key, 'comes first'],
  [
    'damage behind the first',
    `${one.certificate}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    one.key,
    'cannot be used for TLS',
  ],
])('%s is refused with what to do', async (_, certificate, key, message) => {
  const env = await envWith(certificate, key);
  const refused = readKeyPair(env, files);
  await expect(refused).rejects.toThrow(SettingsError);
  await expect(refused).rejects.toThrow(message);
  const { message: said } = (await refused.catch((error: unknown) => error)) as Error;
  expect(said).not.toContain('PRIVATE KEY-----\n');
});

interface Watched {
  readonly env: Env;
  readonly clock: ManualClock;
  readonly renewals: KeyPair[];
  readonly said: string[];
  pass(): Promise<void>;
  stop(): Promise<void>;
}

async function watched(
  pair: KeyPair,
  nowMs: number = one.leaf.validFromDate.getTime(),
): Promise<Watched> {
  const clock = new ManualClock(nowMs);
  const env = { ...(await envWith(pair.certificate, pair.key)), clock };
  const renewals: KeyPair[] = [];
  const said: string[] = [];
  const note = (_: object, message: string): void => void said.push(message);
  const log: Log = { ...silentLog, info: note, warn: note };
  const watch = watchKeyPair({ env, log, files, pair, onRenewal: (each) => renewals.push(each) });
  return {
    env,
    clock,
    renewals,
    said,
    pass: async () => {
      clock.advance(60_000);
      while (clock.pendingTimers === 0) await turn();
    },
    stop: () => watch.stop(),
  };
}

const next = makeKeyPair('one.test');

test('a pair that takes the place of the one in use is used within a minute, and told', async () => {
  const { env, renewals, said, pass, stop } = await watched(one);
  await pass();
  expect(renewals).toEqual([]);
  await write(env, files.certificatePath, next.certificate);
  await write(env, files.keyPath, next.key);
  await pass();
  expect(renewals.map(({ certificate }) => certificate)).toEqual([next.certificate]);
  await pass();
  expect(renewals.length).toBe(1);
  expect(said).toEqual(['certificate in use', 'certificate in use']);
  await stop();
});

test('half a renewal changes nothing until its other half is there', async () => {
  const { env, renewals, said, pass, stop } = await watched(one);
  await write(env, files.certificatePath, next.certificate);
  await pass();
  await env.files.unlink(files.keyPath);
  await pass();
  expect(renewals).toEqual([]);
  const failed = 'reading the certificate anew failed, will be repeated';
  expect(said).toEqual(['certificate in use', failed, failed]);
  await write(env, files.keyPath, next.key);
  await pass();
  expect(renewals.length).toBe(1);
  await stop();
});

test.each([
  ['the certificate has expired', one.leaf.validToDate.getTime() + 1],
  ['the certificate is not valid yet', one.leaf.validFromDate.getTime() - 1],
])('that %s is told, and it is used all the same', async (message, nowMs) => {
  const { said, stop } = await watched(one, nowMs);
  expect(said).toEqual([message]);
  await stop();
});
