/** Who may read what is encrypted, what its ETag and checksums say, and what it costs. */
import { utf8 } from '@holdfast/bytes';
import { createMemoryEnv, type MemoryEnv } from '@holdfast/env/memory';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import {
  createLocalKeys,
  type EncryptionRequest,
  type KeyService,
  type ObjectStore,
  type PartInfo,
} from '../src/index.ts';
import { CUSTOMER_KEY, KINDS, OTHER_KEY, openEncrypted, SMALL } from './encryption-fixture.ts';
import {
  getBytes,
  makeFixture,
  OWNER,
  pattern,
  piecesOf,
  putBytes,
  readAll,
  refusal,
  refusalCode,
} from './fixture.ts';

test("a customer's key that is missing, another, or needless is refused", async () => {
  const { store } = await openEncrypted();
  const address = { bucket: 'bucket', key: 'k' };
  for (const size of [0, 100, 2500]) {
    await putBytes(store, 'k', pattern(size), {
      encryption: { kind: 'customer', key: CUSTOMER_KEY },
    });
    for (const read of [
      (key: object) => store.getObject({ ...address, ...key }),
      (key: object) => store.headObject({ ...address, ...key }),
      (key: object) => store.listObjectParts({ ...address, after: 0, limit: 1, ...key }),
      (key: { customerKey?: Uint8Array }) =>
        store.copyObject({
          ...address,
          key: 'copy',
          source: address,
          ...(key.customerKey && { sourceCustomerKey: key.customerKey }),
        }),
    ]) {
      expect(await refusalCode(read({}))).toBe('InvalidRequest');
      expect(await refusalCode(read({ customerKey: OTHER_KEY }))).toBe('AccessDenied');
    }
    expect((await store.headObject({ ...address, anyKey: true })).sizeBytes).toBe(size);
  }
  await putBytes(store, 'k', pattern(10));
  expect(await refusalCode(getBytes(store, 'k', { customerKey: OTHER_KEY }))).toBe(
    'InvalidRequest',
  );
});

test('parts want the key that the upload was created with, and its end takes no other', async () => {
  const { store } = await openEncrypted();
  const address = { bucket: 'bucket', key: 'k' };
  const create = { ...address, metadata: { user: {} }, ownerId: 'me' };
  const plain = await store.createMultipartUpload(create);
  const sealed = await store.createMultipartUpload({
    ...create,
    encryption: { kind: 'customer', key: CUSTOMER_KEY },
  });
  const put = (uploadId: string, customerKey?: Uint8Array): Promise<PartInfo> =>
    store.uploadPart({
      ...address,
      uploadId,
      partNumber: 1,
      body: { pieces: piecesOf(pattern(10)) },
      ...(customerKey && { customerKey }),
    });
  expect(await refusalCode(put(sealed.uploadId))).toBe('InvalidRequest');
  expect(await refusalCode(put(sealed.uploadId, OTHER_KEY))).toBe('InvalidRequest');
  expect(await refusalCode(put(plain.uploadId, CUSTOMER_KEY))).toBe('InvalidRequest');
  const part = await put(sealed.uploadId, CUSTOMER_KEY);
  const complete = { ...address, uploadId: sealed.uploadId, parts: [part] };
  const other = { ...complete, customerKey: OTHER_KEY };
  expect(await refusalCode(store.completeMultipartUpload(other))).toBe('InvalidRequest');
  await store.completeMultipartUpload(complete);
});

test('the ETag is the MD5 under the master key, and says nothing under the others', async () => {
  const { store } = await openEncrypted();
  const body = utf8('hello');
  const md5 = '5d41402abc4b2a76b9719d911017c592';
  for (const { encryption } of KINDS) {
    const first = await putBytes(store, 'a', body, { encryption });
    const second = await putBytes(store, 'b', body, { encryption });
    expect(first.etag === md5).toBe(encryption.kind === 'master');
    expect(first.etag === second.etag).toBe(encryption.kind === 'master');
    expect(first.etag).toMatch(/^[0-9a-f]{32}$/);
  }
});

test('a part that is sent again has the ETag that it had', async () => {
  const { store } = await openEncrypted();
  const address = { bucket: 'bucket', key: 'k' };
  for (const { encryption, customerKey } of KINDS) {
    const { uploadId } = await store.createMultipartUpload({
      ...address,
      metadata: { user: {} },
      ownerId: 'me',
      encryption,
    });
    const put = (bytes: Uint8Array): Promise<PartInfo> =>
      store.uploadPart({
        ...address,
        uploadId,
        partNumber: 1,
        body: { pieces: piecesOf(bytes) },
        ...(customerKey && { customerKey }),
      });
    const first = await put(pattern(2500));
    expect((await put(pattern(2500))).etag).toBe(first.etag);
    expect((await put(pattern(2501))).etag).not.toBe(first.etag);
  }
});

test('checksums are those of the plain bytes', async () => {
  const { store } = await openEncrypted();
  const verification = {
    digests: ['crc32'],
    accept: () => 'crc32',
  } as const satisfies Parameters<ObjectStore['putObject']>[0]['verification'];
  for (const { encryption } of KINDS) {
    for (const body of [utf8('hello'), pattern(2500)]) {
      const plain = await putBytes(store, 'plain', body, { verification });
      const sealed = await putBytes(store, 'sealed', body, { verification, encryption });
      expect(sealed.checksum).toEqual(plain.checksum);
    }
  }
});

test('a key that has no name here, or is not given, is refused by the code of a key service', async () => {
  const { store } = await openEncrypted();
  const put = (encryption: EncryptionRequest) => putBytes(store, 'k', pattern(10), { encryption });
  const unknown = await refusal(put({ kind: 'named', keyId: 'nobody' }));
  expect([unknown.code, unknown.message]).toEqual([
    'KMS.NotFoundException',
    "Invalid keyId 'nobody'",
  ]);
  expect(await refusalCode(put({ kind: 'named' }))).toBe('KMS.NotFoundException');
});

test('without key services only a customer can encrypt', async () => {
  const env = await createMemoryEnv();
  const { store } = makeFixture(createMemoryStore({ clock: env.clock }), env, SMALL);
  await store.createBucket('bucket', OWNER);
  const put = (encryption: EncryptionRequest) => putBytes(store, 'k', pattern(10), { encryption });
  expect(await refusalCode(put({ kind: 'master' }))).toBe('NotImplemented');
  expect(await refusalCode(put({ kind: 'named', keyId: 'one' }))).toBe('KMS.NotFoundException');
  await put({ kind: 'customer', key: CUSTOMER_KEY });
});

test('a small object is one transaction, encrypted or not', async () => {
  const { store, kv } = await openEncrypted();
  const revision = async (): Promise<number> => {
    const result = await kv.transact({
      conditions: [],
      operations: [{ kind: 'put', key: utf8('\u0001'), value: new Uint8Array(1) }],
    });
    return result.committed ? result.revision : Number.NaN;
  };
  for (const encryption of [undefined, ...KINDS.map((kind) => kind.encryption)]) {
    await putBytes(store, 'warm', pattern(10));
    const before = await revision();
    await putBytes(store, `k${encryption?.kind}`, pattern(100), encryption && { encryption });
    expect((await revision()) - before).toBe(2);
  }
});

test('an object is copied onto itself to change how it is encrypted', async () => {
  const { store } = await openEncrypted();
  const address = { bucket: 'bucket', key: 'k' };
  await putBytes(store, 'k', pattern(2500));
  expect(await refusalCode(store.copyObject({ ...address, source: address }))).toBe(
    'InvalidRequest',
  );
  await store.copyObject({ ...address, source: address, encryption: { kind: 'master' } });
  expect((await store.headObject(address)).encryption).toEqual({ kind: 'master' });
  expect(await getBytes(store, 'k')).toEqual(pattern(2500));
  await store.copyObject({ ...address, source: address });
  expect((await store.headObject(address)).encryption).toBeUndefined();
  expect(await getBytes(store, 'k')).toEqual(pattern(2500));
});

test('versions, tags and ACLs of an encrypted object leave its encryption alone', async () => {
  const { store } = await openEncrypted();
  await store.putBucketVersioning('bucket', 'Enabled');
  const first = await putBytes(store, 'k', pattern(100, 1), { encryption: { kind: 'master' } });
  await putBytes(store, 'k', pattern(100, 2), { encryption: { kind: 'named', keyId: 'one' } });
  const address = { bucket: 'bucket', key: 'k', ...(first.versionId && first) };
  const old = { bucket: 'bucket', key: 'k', versionId: address.versionId ?? '' };
  await store.putObjectTagging(old, 'a=1');
  expect(await readAll(await store.getObject(old))).toEqual(pattern(100, 1));
  const { encryption, metadata } = await store.headObject(old);
  expect([encryption, metadata.tagging]).toEqual([{ kind: 'master' }, 'a=1']);
  expect((await store.headObject({ bucket: 'bucket', key: 'k' })).encryption).toEqual({
    kind: 'named',
    keyId: 'one',
    bucketKey: false,
  });
});

test('a range reads the chunks that it touches, and no other', async () => {
  const { env, kv } = await openEncrypted();
  let reads = 0;
  const counted = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get: (inner, name) => {
        const value: unknown = Reflect.get(inner, name);
        if (typeof value !== 'function') return value;
        if (name === 'getInto') reads++;
        if (name !== 'readView') return value.bind(inner);
        return async (options: object) => counted((await value.call(inner, options)) as object);
      },
    });
  const { store } = makeFixture(counted(kv), env, SMALL);
  const encryption = { kind: 'customer', key: CUSTOMER_KEY } as const;
  await putBytes(store, 'k', pattern(10_000), { encryption });
  for (const [first, last, chunks] of [
    [5500, 5509, 1],
    [5999, 6000, 2],
    [0, 9999, 10],
  ] as const) {
    reads = 0;
    const range = { kind: 'from', first, last } as const;
    const bytes = await getBytes(store, 'k', { customerKey: CUSTOMER_KEY, range });
    expect(bytes).toEqual(pattern(10_000).subarray(first, last + 1));
    expect(reads).toBe(chunks);
  }
});

test('chunks are stored in their order, though a later one is sealed sooner', async () => {
  const { env, kv } = await openEncrypted();
  const { ciphers } = env;
  let sealed = 0;
  const first = Promise.withResolvers<void>();
  const slow: MemoryEnv = {
    ...env,
    ciphers: {
      deriveKey: (key, purpose) => ciphers.deriveKey(key, purpose),
      seal: (seal, plain) => ciphers.seal(seal, plain),
      open: (seal, bytes) => ciphers.open(seal, bytes),
      openInPlace: (seal, bytes) => ciphers.openInPlace(seal, bytes),
      sealInPlace: async (seal, bytes) => {
        const number = sealed++;
        if (number === 0) await first.promise;
        await ciphers.sealInPlace(seal, bytes);
        // The second is sealed; if it did not wait for the first, it would be stored before it.
        if (number === 1) setImmediate(first.resolve);
      },
    },
  };
  const { store } = makeFixture(kv, slow, SMALL);
  const encryption = { kind: 'customer', key: CUSTOMER_KEY } as const;
  await putBytes(store, 'k', pattern(1500), { encryption });
  expect(await getBytes(store, 'k', { customerKey: CUSTOMER_KEY })).toEqual(pattern(1500));
});

test('an object that is replaced while its data key is sealed anew stays replaced', async () => {
  const env = await createMemoryEnv();
  const kv = createMemoryStore({ clock: env.clock });
  const [young, old] = [pattern(32, 1), pattern(32, 2)];
  const keysOf = (versions: readonly Uint8Array[]): KeyService =>
    createLocalKeys({ env, keys: new Map([['master', versions]]), defaultKeyId: 'master' });
  const before = makeFixture(kv, env, { ...SMALL, masterKeys: keysOf([old]) });
  await before.store.createBucket('bucket', OWNER);
  const encryption = { kind: 'master' } as const;
  await putBytes(before.store, 'k', pattern(2500, 1), { encryption });
  await putBytes(before.store, 'other', pattern(2500, 3), { encryption });
  const keys = keysOf([young, old]);
  let replaced = false;
  const { store } = makeFixture(kv, env, {
    ...SMALL,
    masterKeys: {
      defaultKeyId: 'master',
      generateDataKey: (keyId) => keys.generateDataKey(keyId),
      unwrap: (keyId, sealed) => keys.unwrap(keyId, sealed),
      rewrap: async (keyId, sealed) => {
        if (!replaced) {
          replaced = true;
          await putBytes(before.store, 'k', pattern(2500, 2), { encryption });
        }
        return await keys.rewrap(keyId, sealed);
      },
    },
  });
  expect(await store.rewrapKeys()).toEqual({ rewrapped: 2, failed: 0, whole: true });
  expect(await getBytes(store, 'k')).toEqual(pattern(2500, 2));
  // What was sealed with the older key behind the pass was found by the next one.
  const without = makeFixture(kv, env, { ...SMALL, masterKeys: keysOf([young]) });
  expect(await getBytes(without.store, 'k')).toEqual(pattern(2500, 2));
  expect(await getBytes(without.store, 'other')).toEqual(pattern(2500, 3));
  const other = makeFixture(kv, env, { ...SMALL, masterKeys: keysOf([old]) });
  await expect(getBytes(other.store, 'k')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
  expect(await other.store.rewrapKeys()).toEqual({ rewrapped: 0, failed: 2, whole: true });
});

test('a write whose key is being given up says so where no other key seals yet', async () => {
  const env = await createMemoryEnv();
  const kv = createMemoryStore({ clock: env.clock });
  const keys = createLocalKeys({ env, keys: new Map([['master', [pattern(32, 1)]]]) });
  const stillSeals = { kind: 'exists', key: utf8('given up') } as const;
  const { store } = makeFixture(kv, env, {
    ...SMALL,
    masterKeys: {
      defaultKeyId: 'master',
      generateDataKey: async (keyId) => ({ ...(await keys.generateDataKey(keyId)), stillSeals }),
      unwrap: (keyId, sealed) => keys.unwrap(keyId, sealed),
      rewrap: (keyId, sealed) => keys.rewrap(keyId, sealed),
    },
  });
  await store.createBucket('bucket', OWNER);
  for (const size of [100, 2500]) {
    const put = putBytes(store, 'k', pattern(size), { encryption: { kind: 'master' } });
    const { code, message } = await refusal(put);
    expect({ code, message }).toEqual({
      code: 'OperationAborted',
      message: 'The key that the upload was encrypted with is being replaced. Please try again.',
    });
  }
});
