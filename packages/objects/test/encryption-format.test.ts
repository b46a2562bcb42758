/** The format of what is sealed: golden bytes, opened without the code under test. */
import { createDecipheriv, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { concatBytes, fromHex, fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkSeals } from '../src/chunk-seals.ts';
import { openDataKey, sealDataKey } from '../src/data-key-seal.ts';
import type { EncryptionRecord } from '../src/encryption.ts';
import { createLocalKeys, KeyServiceError, keyFingerprint } from '../src/index.ts';
import { chunkKey } from '../src/keys.ts';
import { decodeObjectRecord, encodeObjectRecord } from '../src/object-record.ts';
import { decodeUploadRecord, encodeUploadRecord } from '../src/upload-record.ts';
import { pattern } from './fixture.ts';

const PAGE = readFileSync(new URL('../../../docs/formats/encryption.md', import.meta.url), 'utf8');
const CUSTOMER_KEY = ascending(32, 0x40);
const DATA_KEY = ascending(32, 0x20);
const BLOB_ID = ascending(16, 0xf0);

function ascending(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => first + at);
}

/** The bytes of a hex block of the page, without its comments. */
function example(title: string): Uint8Array {
  const block = PAGE.split(`#### ${title}\n`)[1]?.split('```')[1]?.replace(/^hex/, '') ?? '';
  const digits = block
    .split('\n')
    .map((line) => line.split('  ')[0] ?? '')
    .join('');
  return fromHex(digits.replaceAll(/\s/g, ''));
}

/** AES-256-GCM as Node has it. */
function openByNode(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): Buffer {
  const end = sealed.length - 16;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(associated).setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
}

function hmac(key: Uint8Array, ...texts: readonly (string | Uint8Array)[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const text of texts) mac.update(text);
  return mac.digest();
}

test('the example on the format page opens to what the page says, by the words of the page', () => {
  const nothing = new Uint8Array(0);
  const zeros = new Uint8Array(12);
  const sealedKey = example('Sealed data key');
  const wrapping = hmac(CUSTOMER_KEY, 'holdfast data key 1 customer\0', sealedKey.subarray(0, 16));
  const dataKey = openByNode(wrapping, zeros, nothing, sealedKey.subarray(16));
  expect(toHex(dataKey)).toBe(toHex(DATA_KEY));

  const ofMaster = example('Data key of the master key');
  const print = hmac(CUSTOMER_KEY, 'holdfast key fingerprint 1').subarray(0, 8);
  expect(toHex(ofMaster.subarray(1, 9))).toBe(toHex(print));
  const salt = ofMaster.subarray(9, 25);
  const master = hmac(CUSTOMER_KEY, 'holdfast data key 1 key master\0', salt);
  expect(toHex(openByNode(master, zeros, nothing, ofMaster.subarray(25)))).toBe(toHex(DATA_KEY));

  expect(toHex(example('Key of the chunk'))).toBe(toHex(chunkKey(BLOB_ID, 0)));
  const blobKey = hmac(dataKey, 'holdfast blob key 1\0', BLOB_ID);
  expect(toHex(example('Blob key'))).toBe(toHex(blobKey));
  const chunk = example('Value of the chunk');
  const plain = openByNode(blobKey, example('Nonce'), example('Associated data'), chunk);
  expect(fromUtf8(plain)).toBe('hello');
  const etag = hmac(dataKey, 'holdfast etag 1\0', fromHex('5d41402abc4b2a76b9719d911017c592'));
  expect(toHex(example('ETag'))).toBe(toHex(etag.subarray(0, 16)));
});

test('what is sealed today is the example, byte for byte', async () => {
  const { ciphers } = await createMemoryEnv();
  const random = { bytes: (length: number) => ascending(length, 0xa0), below: () => 0 };
  const env = { ciphers, random };
  const sealed = sealDataKey(env, CUSTOMER_KEY, 'customer', DATA_KEY);
  expect(toHex(sealed)).toBe(toHex(example('Sealed data key')));
  const seal = chunkSeals(ciphers, DATA_KEY, { blobId: BLOB_ID, partNumber: 0 })(0, true);
  expect(toHex(seal.nonce)).toBe(toHex(example('Nonce')));
  expect(toHex(seal.associated)).toBe(toHex(example('Associated data')));
  expect(toHex(ciphers.seal(seal, utf8('hello')))).toBe(toHex(example('Value of the chunk')));
  const keys = createLocalKeys({ env, keys: new Map([['master', [CUSTOMER_KEY]]]) });
  const ofMaster = example('Data key of the master key');
  expect(toHex(await keys.unwrap('master', ofMaster))).toBe(toHex(DATA_KEY));
});

test('no two chunks of a store are sealed alike', async () => {
  const { ciphers } = await createMemoryEnv();
  const seen = new Set<string>();
  for (const dataKey of [DATA_KEY, CUSTOMER_KEY]) {
    for (const blobId of [BLOB_ID, ascending(16, 1)]) {
      for (const partNumber of [0, 1, 300]) {
        const seals = chunkSeals(ciphers, dataKey, { blobId, partNumber });
        for (const number of [0, 1, 255, 256, 70_000]) {
          for (const isLast of [false, true]) {
            const { key, nonce, associated } = seals(number, isLast);
            seen.add(toHex(concatBytes([key, nonce, associated])));
          }
        }
      }
    }
  }
  expect(seen.size).toBe(2 * 2 * 3 * 5 * 2);
});

test('a sealed data key opens with its key and purpose, and with no other', async () => {
  const env = await createMemoryEnv();
  const sealed = sealDataKey(env, CUSTOMER_KEY, 'customer', DATA_KEY);
  expect(sealed.length).toBe(64);
  expect(openDataKey(env, CUSTOMER_KEY, 'customer', sealed)).toEqual(Buffer.from(DATA_KEY));
  expect(openDataKey(env, DATA_KEY, 'customer', sealed)).toBeUndefined();
  expect(openDataKey(env, CUSTOMER_KEY, 'key customer', sealed)).toBeUndefined();
  expect(openDataKey(env, CUSTOMER_KEY, 'customer', sealed.subarray(0, 10))).toBeUndefined();
  for (let at = 0; at < sealed.length; at++) {
    const garbled = sealed.slice();
    garbled[at] = (garbled[at] as number) ^ 1;
    expect(openDataKey(env, CUSTOMER_KEY, 'customer', garbled)).toBeUndefined();
  }
});

test('a local key seals with its newest version, opens what all sealed, and seals anew', async () => {
  const env = await createMemoryEnv();
  const [old, young] = [pattern(32, 1), pattern(32, 2)];
  const before = createLocalKeys({ env, keys: new Map([['k', [old]]]) });
  const after = createLocalKeys({ env, keys: new Map([['k', [young, old]]]) });
  const { plain, sealed } = await before.generateDataKey('k');
  expect(await after.unwrap('k', sealed)).toEqual(Buffer.from(plain));
  const again = (await after.rewrap('k', sealed))?.sealed as Uint8Array;
  expect(await after.unwrap('k', again)).toEqual(Buffer.from(plain));
  expect(await after.rewrap('k', again)).toBeUndefined();
  const code = { code: 'KEY_NOT_FOUND' };
  await expect(before.unwrap('k', again)).rejects.toMatchObject(code);
  await expect(before.unwrap('other', sealed)).rejects.toMatchObject(code);
  await expect(before.generateDataKey('other')).rejects.toBeInstanceOf(KeyServiceError);
  const garbled = sealed.slice();
  garbled[40] = (garbled[40] as number) ^ 1;
  await expect(before.unwrap('k', garbled)).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
});

test('no key is in an error of a key service', async () => {
  const env = await createMemoryEnv();
  const key = pattern(32, 1);
  const keys = createLocalKeys({ env, keys: new Map([['k', [key]]]) });
  for (const sealed of [new Uint8Array(0), pattern(73, 3), Uint8Array.of(1, 2)]) {
    const error: unknown = await keys.unwrap('k', sealed).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(KeyServiceError);
    expect(String(error)).not.toContain(toHex(key));
  }
  expect(keyFingerprint(env, key)).toMatch(/^[0-9a-f]{16}$/);
  expect(toHex(key)).not.toContain(keyFingerprint(env, key));
});

const sealedKey = fc.uint8Array({ minLength: 1, maxLength: 80 });
const encryption: fc.Arbitrary<EncryptionRecord | undefined> = fc.option(
  fc.oneof(
    fc.record({ kind: fc.constant('customer' as const), sealedKey }),
    fc.record({ kind: fc.constant('master' as const), sealedKey }),
    fc.record({
      kind: fc.constant('named' as const),
      sealedKey,
      keyId: fc.string({ unit: 'grapheme' }),
      bucketKey: fc.boolean(),
    }),
  ),
  { nil: undefined },
);
const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const version = fc.option(fc.record({ isNull: fc.boolean(), id }), { nil: undefined });

test('records with and without encryption and versions come back as they were', () => {
  fc.assert(
    fc.property(encryption, version, (sealed, named) => {
      const record = {
        sizeBytes: 5,
        modifiedMs: 7,
        md5: new Uint8Array(16),
        partCount: 0,
        checksum: undefined,
        body: { kind: 'empty' as const },
        metadata: { user: {} },
        version: named,
        ...(sealed && { encryption: sealed }),
      };
      const bytes = encodeObjectRecord(record);
      expect(decodeObjectRecord(bytes)).toEqual(record);
      // Who cannot read version 2 refuses it.
      expect(bytes[0]).toBe(sealed === undefined ? 1 : 2);
      const upload = {
        initiatedMs: 1,
        ownerId: 'me',
        checksumAlgorithm: undefined,
        checksumType: undefined,
        checksumIsDefault: false,
        sealed: false,
        metadata: { user: {} },
        ...(sealed && { encryption: sealed }),
      };
      expect(decodeUploadRecord(encodeUploadRecord(upload))).toEqual(upload);
    }),
  );
});
