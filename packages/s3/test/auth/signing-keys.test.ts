import { expect, test } from 'vitest';
import { deriveSigningKey, SigningKeys } from '../../src/auth/signing-keys.ts';
import { hmac, signingKeyBytes } from './request-signer.ts';

const SCOPE = {
  date: '20130524',
  region: 'us-east-1',
  service: 's3',
  text: '20130524/us-east-1/s3/aws4_request',
};

const named = (accessKeyId: string) => ({ text: accessKeyId, accessKeyId, scope: SCOPE });

test('a signing key signs as the four HMACs that it is derived by', () => {
  const key = deriveSigningKey('secret', SCOPE);
  const expected = hmac(signingKeyBytes('secret', SCOPE.text), 'text').toString('hex');
  expect(key.sign('text')).toBe(expected);
});

test('no more keys are kept than allowed, and the oldest is forgotten first', () => {
  const keys = new SigningKeys(3);
  const key = deriveSigningKey('secret', SCOPE);
  for (const name of ['a', 'b', 'c', 'a', 'd', 'e']) keys.keep(named(name), 'secret', key);
  expect(keys.size).toBe(3);
  const kept = ['a', 'b', 'c', 'd', 'e'].filter(
    (name) => keys.find(named(name), 'secret') !== undefined,
  );
  expect(kept).toEqual(['a', 'd', 'e']);
});

test('a key is not found for another secret', () => {
  const keys = new SigningKeys(3);
  keys.keep(named('a'), 'secret', deriveSigningKey('secret', SCOPE));
  expect(keys.find(named('a'), 'secret')).toBeDefined();
  expect(keys.find(named('a'), 'other')).toBeUndefined();
});

test('a credential is remembered with its key, and forgotten with it', () => {
  const keys = new SigningKeys(1);
  const key = deriveSigningKey('secret', SCOPE);
  expect(keys.credential('a')).toBeUndefined();
  keys.keep(named('a'), 'secret', key);
  expect(keys.credential('a')).toEqual(named('a'));
  keys.keep(named('b'), 'secret', key);
  expect(keys.credential('a')).toBeUndefined();
});
