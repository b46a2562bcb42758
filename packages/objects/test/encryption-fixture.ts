/** Stores that encrypt, and what is looked at in them. */
import { compareBytes, toHex } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect } from 'vitest';
import {
  createLocalKeys,
  type EncryptionRequest,
  type KeyService,
  type ObjectStore,
  type PartInfo,
} from '../src/index.ts';
import { KEY_SPACE, spaceRange } from '../src/keys.ts';
import { type Fixture, makeFixture, OWNER, pattern, piecesOf } from './fixture.ts';

export const CUSTOMER_KEY: Uint8Array = pattern(32, 7);
export const OTHER_KEY: Uint8Array = pattern(32, 8);
export const SMALL = {
  chunkSizeBytes: 1016,
  inlineSizeBytes: 500,
  minPartSizeBytes: 1,
  chunksInFlight: 3,
};

interface Keys {
  readonly masterKeys: KeyService;
  readonly namedKeys: KeyService;
}

export async function openEncrypted(limits = SMALL): Promise<Fixture> {
  const env = await createMemoryEnv();
  const kv = createMemoryStore({ clock: env.clock });
  const fixture = makeFixture(kv, env, { ...limits, ...keysOf(env) });
  await fixture.store.createBucket('bucket', OWNER);
  return fixture;
}

function keysOf(env: Fixture['env']): Keys {
  return {
    masterKeys: createLocalKeys({
      env,
      keys: new Map([['master', [pattern(32, 1)]]]),
      defaultKeyId: 'master',
    }),
    namedKeys: createLocalKeys({ env, keys: new Map([['one', [pattern(32, 2)]]]) }),
  };
}

export const KINDS: readonly {
  readonly name: string;
  readonly encryption: EncryptionRequest;
  readonly customerKey?: Uint8Array;
}[] = [
  {
    name: "a customer's key",
    encryption: { kind: 'customer', key: CUSTOMER_KEY },
    customerKey: CUSTOMER_KEY,
  },
  { name: 'the master key', encryption: { kind: 'master' } },
  { name: 'a named key', encryption: { kind: 'named', keyId: 'one' } },
];

/** Every value of the store. */
async function valuesOf(kv: KvStore): Promise<Uint8Array[]> {
  const { entries } = await kv.scan({
    from: new Uint8Array(0),
    to: Uint8Array.of(0xff),
    limit: 10_000,
  });
  return entries.map((entry) => entry.value);
}

/** Fails where any 16 bytes of `plain` in a row are in the store. */
export async function expectNoPlainBytes(kv: KvStore, plain: Uint8Array): Promise<void> {
  const values = (await valuesOf(kv)).map((value) => toHex(value));
  for (let at = 0; at + 16 <= plain.length; at += 16) {
    const needle = toHex(plain.subarray(at, at + 16));
    for (const value of values) expect(value.includes(needle)).toBe(false);
  }
}

export interface Chunk {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The chunks of the store, in order: those of one blob, where there is no other. */
export async function chunksOf(kv: KvStore): Promise<readonly Chunk[]> {
  const { entries } = await kv.scan({ ...spaceRange(KEY_SPACE.chunk), limit: 100 });
  return entries.toSorted((a, b) => compareBytes(a.key, b.key));
}

export async function multipart(
  store: ObjectStore,
  bodies: readonly Uint8Array[],
  options: { readonly encryption: EncryptionRequest; readonly customerKey?: Uint8Array },
): Promise<void> {
  const address = { bucket: 'bucket', key: 'k' };
  const { encryption, ...key } = options;
  const upload = await store.createMultipartUpload({
    ...address,
    metadata: { user: {} },
    ownerId: 'me',
    encryption,
  });
  expect(upload.encryption?.kind).toBe(encryption.kind);
  const { uploadId } = upload;
  const parts: PartInfo[] = [];
  for (const [at, bytes] of bodies.entries()) {
    const body = { pieces: piecesOf(bytes, 700) };
    const part = await store.uploadPart({
      ...address,
      uploadId,
      partNumber: at + 1,
      body,
      ...key,
    });
    expect(part.encryption?.kind).toBe(encryption.kind);
    parts.push(part);
  }
  const done = await store.completeMultipartUpload({ ...address, uploadId, parts, ...key });
  expect(done.encryption?.kind).toBe(encryption.kind);
}
