/** Encrypted bodies of every kind: read back whole and in ranges, never plain in the store, never wrong. */
import { toHex } from '@holdfast/bytes';
import { describe, expect, test } from 'vitest';
import { KEY_SPACE, spaceRange } from '../src/keys.ts';
import {
  type Chunk,
  chunksOf,
  expectNoPlainBytes,
  KINDS,
  multipart,
  OTHER_KEY,
  openEncrypted,
} from './encryption-fixture.ts';
import { getBytes, pattern, piecesOf, putBytes } from './fixture.ts';

/** Sizes around the limits of the fixture: inline, one chunk of 1000 plain bytes, several. */
const SIZES = [0, 1, 500, 501, 999, 1000, 1001, 2000, 2500, 3000, 10_000];

describe.each(KINDS)('encrypted with $name', ({ encryption, customerKey }) => {
  const withKey = customerKey === undefined ? {} : { customerKey };

  test('bodies of every size are read whole, in ranges, and are never in the store', async () => {
    const { store, kv } = await openEncrypted();
    for (const size of SIZES) {
      const body = pattern(size, size);
      const result = await putBytes(store, `k${size}`, body, { encryption });
      expect(result.encryption?.kind).toBe(encryption.kind);
      expect(await getBytes(store, `k${size}`, withKey)).toEqual(body);
      for (const [first, last] of [
        [0, 0],
        [size - 1, size - 1],
        [998, 1002],
        [999, 999],
        [1000, 2999],
      ] as const) {
        if (first < 0 || first >= size) continue;
        const range = { kind: 'from', first, last } as const;
        const bytes = await getBytes(store, `k${size}`, { ...withKey, range });
        expect(bytes).toEqual(body.subarray(first, last + 1));
      }
      await expectNoPlainBytes(kv, body);
    }
  });

  test('a body whose size is not known is the same', async () => {
    const { store } = await openEncrypted();
    for (const size of [500, 1000, 2000, 2001]) {
      const body = { pieces: piecesOf(pattern(size), 333) };
      await store.putObject({
        bucket: 'bucket',
        key: 'k',
        body,
        metadata: { user: {} },
        encryption,
      });
      expect(await getBytes(store, 'k', withKey)).toEqual(pattern(size));
    }
  });

  test('a multipart upload is read whole, by part and in ranges', async () => {
    const { store, kv } = await openEncrypted();
    const bodies = [pattern(2000, 1), pattern(300, 2), pattern(1500, 3)];
    const whole = joined(bodies);
    await multipart(store, bodies, { encryption, ...withKey });
    expect(await getBytes(store, 'k', withKey)).toEqual(whole);
    for (const [at, body] of bodies.entries()) {
      expect(await getBytes(store, 'k', { ...withKey, partNumber: at + 1 })).toEqual(body);
    }
    const range = { kind: 'from', first: 1990, last: 2400 } as const;
    expect(await getBytes(store, 'k', { ...withKey, range })).toEqual(whole.subarray(1990, 2401));
    await expectNoPlainBytes(kv, whole);
  });

  test('an upload that was never completed leaves no plain byte', async () => {
    const { store, kv } = await openEncrypted();
    const body = pattern(2500, 9);
    const failing = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield* piecesOf(body, 700);
      throw new Error('the client left');
    };
    await expect(
      store.putObject({
        bucket: 'bucket',
        key: 'k',
        body: { pieces: failing() },
        metadata: { user: {} },
        encryption,
      }),
    ).rejects.toThrow('the client left');
    const address = { bucket: 'bucket', key: 'm' };
    const { uploadId } = await store.createMultipartUpload({
      ...address,
      metadata: { user: {} },
      ownerId: 'me',
      encryption,
    });
    await store.uploadPart({
      ...address,
      uploadId,
      partNumber: 1,
      body: { pieces: piecesOf(body) },
      ...withKey,
    });
    await expectNoPlainBytes(kv, body);
  });

  test('a chunk that is garbled, cut, or in the place of another is never read as bytes', async () => {
    const { store, kv } = await openEncrypted();
    const body = pattern(3500, 5);
    for (const damage of ['flip', 'swap', 'cut'] as const) {
      await putBytes(store, 'k', body, { encryption });
      const chunks = await chunksOf(kv);
      expect(chunks.length).toBe(4);
      const [first, second] = chunks as [Chunk, Chunk];
      const bytes = first.value.slice();
      bytes[500] = (bytes[500] as number) ^ 1;
      const operations =
        damage === 'flip'
          ? [{ kind: 'put', key: first.key, value: bytes } as const]
          : damage === 'swap'
            ? [
                { kind: 'put', key: first.key, value: second.value } as const,
                { kind: 'put', key: second.key, value: first.value } as const,
              ]
            : [{ kind: 'put', key: second.key, value: second.value.slice(0, 900) } as const];
      await kv.transact({ conditions: [], operations });
      await expect(getBytes(store, 'k', withKey)).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
      await store.deleteObject({ bucket: 'bucket', key: 'k' });
      await store.collectGarbage();
    }
  });

  test('a small body that is garbled is refused before a byte of it is handed out', async () => {
    const { store, kv } = await openEncrypted();
    await putBytes(store, 'k', pattern(100), { encryption });
    const [chunk] = (await chunksOf(kv)) as [Chunk];
    const value = chunk.value.slice();
    value[3] = (value[3] as number) ^ 0x80;
    await kv.transact({ conditions: [], operations: [{ kind: 'put', key: chunk.key, value }] });
    await expect(getBytes(store, 'k', withKey)).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
      message: expect.stringContaining(toHex(chunk.key.subarray(1, 17))),
    });
  });

  test('copies go from every kind of encryption to every other, and to none', async () => {
    const { store, kv } = await openEncrypted();
    for (const body of [pattern(400, 3), pattern(2600, 4)]) {
      await putBytes(store, 'source', body, { encryption });
      const source = { bucket: 'bucket', key: 'source' };
      const sourceKey = customerKey === undefined ? {} : { sourceCustomerKey: customerKey };
      for (const target of [undefined, ...KINDS]) {
        const result = await store.copyObject({
          bucket: 'bucket',
          key: 'copy',
          source,
          ...sourceKey,
          ...(target && { encryption: target.encryption }),
        });
        expect(result.encryption?.kind).toBe(target?.encryption.kind);
        const targetKey = target?.customerKey;
        const extra = targetKey === undefined ? {} : { customerKey: targetKey };
        expect(await getBytes(store, 'copy', extra)).toEqual(body);
        if (target === undefined) {
          await store.deleteObject({ bucket: 'bucket', key: 'copy' });
          await store.collectGarbage();
        }
      }
      await expectNoPlainBytes(kv, body);
    }
  });

  test('a part is copied from an encrypted object into an encrypted upload', async () => {
    const { store } = await openEncrypted();
    await putBytes(store, 'source', pattern(2600, 4), { encryption });
    const address = { bucket: 'bucket', key: 'k' };
    const { uploadId } = await store.createMultipartUpload({
      ...address,
      metadata: { user: {} },
      ownerId: 'me',
      encryption: { kind: 'customer', key: OTHER_KEY },
    });
    const part = await store.uploadPartCopy({
      ...address,
      uploadId,
      partNumber: 1,
      source: { bucket: 'bucket', key: 'source' },
      range: { first: 990, last: 2100 },
      customerKey: OTHER_KEY,
      ...(customerKey && { sourceCustomerKey: customerKey }),
    });
    expect(part.encryption).toEqual({ kind: 'customer' });
    const key = { customerKey: OTHER_KEY };
    await store.completeMultipartUpload({ ...address, uploadId, parts: [part], ...key });
    expect(await getBytes(store, 'k', key)).toEqual(pattern(2600, 4).subarray(990, 2101));
  });
});

test('swapped parts do not open, though their numbers were swapped with them', async () => {
  const { store, kv } = await openEncrypted();
  await multipart(store, [pattern(100, 1), pattern(100, 2)], { encryption: { kind: 'master' } });
  const { entries } = await kv.scan({ ...spaceRange(KEY_SPACE.manifest), limit: 1 });
  const page = entries[0] as Chunk;
  // Version, count, and two parts of one length, which begin with their numbers.
  const length = (page.value.length - 2) / 2;
  const [first, second] = [page.value.slice(2, 2 + length), page.value.slice(2 + length)];
  [first[0], second[0]] = [2, 1];
  const value = Uint8Array.from([...page.value.slice(0, 2), ...second, ...first]);
  await kv.transact({ conditions: [], operations: [{ kind: 'put', key: page.key, value }] });
  await expect(getBytes(store, 'k')).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
});

test('an object that lost its last chunk does not open, whatever its record says of its size', async () => {
  const { store, kv } = await openEncrypted();
  await putBytes(store, 'k', pattern(2000, 1), { encryption: { kind: 'master' } });
  const { entries } = await kv.scan({ ...spaceRange(KEY_SPACE.object), limit: 1 });
  const record = entries[0] as Chunk;
  // Version, then the size as a varint of two bytes: 2000 becomes 1000.
  const value = record.value.slice();
  expect([...value.subarray(1, 3)]).toEqual([0xd0, 0x0f]);
  value.set([0xe8, 0x07], 1);
  await kv.transact({ conditions: [], operations: [{ kind: 'put', key: record.key, value }] });
  const [, second] = (await chunksOf(kv)) as [Chunk, Chunk];
  await kv.transact({ conditions: [], operations: [{ kind: 'delete', key: second.key }] });
  await expect(getBytes(store, 'k')).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
});

function joined(bodies: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(bodies.flatMap((body) => [...body]));
}
