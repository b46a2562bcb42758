import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { DigestResults } from '@holdfast/env';
import { createMemoryEnv } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import type { KvStore, Transaction } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { KEY_SPACE, spaceRange } from '../src/keys.ts';
import type { TakePiece } from '../src/object-store.ts';
import { countIn, violations } from './consistency.ts';
import {
  getBytes,
  openFixture,
  pattern,
  piecesOf,
  putBytes,
  readAll,
  refusal,
  refusalCode,
} from './fixture.ts';

const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500 };
const KEY = { bucket: 'bucket', key: 'k' };
const METADATA = { user: {} };

test.each([100, 400, 900, 5000])(
  'a body of %i bytes that fails stores nothing, and its source is told to stop',
  async (length) => {
    const { store, kv, tasks } = await openFixture(LIMITS);
    let stopped = 0;
    async function* failing(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* piecesOf(pattern(length), 90);
        throw new Error('the client is gone');
      } finally {
        stopped++;
      }
    }
    const put = store.putObject({ ...KEY, metadata: METADATA, body: { pieces: failing() } });
    await expect(put).rejects.toThrow('the client is gone');
    const short = { sizeBytes: length + 1, pieces: piecesOf(pattern(length), 90) };
    expect(await refusalCode(store.putObject({ ...KEY, metadata: METADATA, body: short }))).toBe(
      'IncompleteBody',
    );
    const long = { sizeBytes: length - 1, pieces: piecesOf(pattern(length), 90) };
    expect(await refusalCode(store.putObject({ ...KEY, metadata: METADATA, body: long }))).toBe(
      'IncompleteBody',
    );
    const verification = {
      digests: ['sha256'] as const,
      accept: () => {
        throw new Error('another digest');
      },
    };
    await expect(putBytes(store, 'k', pattern(length), { verification })).rejects.toThrow(
      'another digest',
    );
    expect(stopped).toBe(1);
    await tasks.runAll();
    expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
    expect(await violations(kv, { swept: true })).toEqual([]);
  },
);

test('a large body that can be poured is poured; another size than declared stores nothing', async () => {
  const { store, kv, tasks } = await openFixture(LIMITS);
  async function pour(length: number, take: TakePiece): Promise<void> {
    // One buffer for all pieces: each must be taken when the next one comes.
    const buffer = new Uint8Array(97);
    const whole = pattern(length);
    for (let at = 0; at < length; at += buffer.length) {
      const piece = whole.subarray(at, at + buffer.length);
      buffer.set(piece);
      await take(buffer.subarray(0, piece.length));
    }
  }
  const put = (sizeBytes: number, poured = sizeBytes) => {
    const pieces = piecesOf(pattern(1), 1);
    const body = { sizeBytes, pieces, pour: (take: TakePiece) => pour(poured, take) };
    return store.putObject({ ...KEY, metadata: METADATA, body });
  };
  expect(await refusalCode(put(9000, 8999))).toBe('IncompleteBody');
  expect(await refusalCode(put(9000, 9001))).toBe('IncompleteBody');
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
  expect(await violations(kv, { swept: true })).toEqual([]);
  await put(9000);
  expect(await getBytes(store, 'k')).toEqual(pattern(9000));
});

test('large bodies that worker threads hash are stored as they came, so many chunks at the KvStore at once', async () => {
  const { digests } = await createNodeEnv();
  const env = Object.assign(await createMemoryEnv(), { digests });
  const inner = createMemoryStore({ clock: env.clock });
  let atOnce = 0;
  let most = 0;
  const kv: KvStore = Object.assign(Object.create(inner), {
    get: (key: Uint8Array) => inner.get(key),
    getInto: (key: Uint8Array, target: Uint8Array) => inner.getInto(key, target),
    readView: () => inner.readView(),
    transact: async (transaction: Transaction) => {
      const done = inner.transact(transaction);
      // What commits an object has no chunk, and waits for none.
      if (!transaction.operations.some((each) => each.kind === 'put' && each.value.length > 5000)) {
        return await done;
      }
      most = Math.max(most, ++atOnce);
      // Slower than bodies come, as a disk is.
      await new Promise<void>((resolve) => setImmediate(resolve));
      atOnce--;
      return await done;
    },
  });
  const { store } = await openFixture({
    env,
    kv,
    chunkSizeBytes: 100_000,
    inlineSizeBytes: 50_000,
    chunksCommitting: 3,
  });
  // The second is of one chunk each, which the commit carries.
  for (const sizeBytes of [1_200_007, 100_000]) {
    const bodies = [1, 2, 3, 4, 5, 6].map((seed) => pattern(sizeBytes, seed));
    most = 0;
    const results = await Promise.all(bodies.map((bytes, at) => putBytes(store, `k${at}`, bytes)));
    expect(most).toBe(3);
    for (const [at, bytes] of bodies.entries()) {
      expect(results[at]?.etag).toBe(createHash('md5').update(bytes).digest('hex'));
      expect(Buffer.compare(await getBytes(store, `k${at}`), bytes)).toBe(0);
    }
  }
  await digests.close();
});

test.each([
  ['a chunk', 1500, 5000],
  ['an only chunk', 800, 100],
])(
  '%s whose memory is lost ends its upload, and its place goes to another one',
  async (_, first, rest) => {
    const { store, env } = await openFixture({ ...LIMITS, writeBuffers: 1, spareBuffers: 1 });
    async function* closing(): AsyncGenerator<Uint8Array, void> {
      yield pattern(first);
      await env.digests.close();
      yield pattern(rest);
    }
    const code = { code: 'DIGESTS_CLOSED' };
    const put = store.putObject({ ...KEY, metadata: METADATA, body: { pieces: closing() } });
    await expect(put).rejects.toMatchObject(code);
    await expect(putBytes(store, 'next', pattern(5000))).rejects.toMatchObject(code);
  },
);

test('a small body that has come is taken instead of its pieces; another size than declared stores nothing', async () => {
  const { store, kv, tasks } = await openFixture(LIMITS);
  const put = (sizeBytes: number, arrived: Uint8Array | undefined) => {
    const body = {
      sizeBytes,
      pieces: piecesOf(pattern(sizeBytes), 90),
      takeArrived: () => arrived,
    };
    return store.putObject({ ...KEY, metadata: METADATA, body });
  };
  expect(await refusalCode(put(400, pattern(399)))).toBe('IncompleteBody');
  expect(await countIn(kv, KEY_SPACE.object)).toBe(0);
  const other = pattern(400).map((byte) => ~byte);
  await put(400, other);
  expect(await getBytes(store, 'k')).toEqual(other);
  await put(400, undefined);
  expect(await getBytes(store, 'k')).toEqual(pattern(400));
  // More than goes into the transaction is read in pieces whatever has come.
  await put(501, other);
  expect(await getBytes(store, 'k')).toEqual(pattern(501));
  await tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('accept gets every digest that was asked for, and MD5, and says what is stored', async () => {
  const { store } = await openFixture(LIMITS);
  for (const length of [0, 400, 5000]) {
    const bytes = pattern(length);
    const hash = (name: string): Buffer => createHash(name).update(bytes).digest();
    const value = hash('sha256').toString('base64');
    let seen: unknown;
    const { checksum, etag } = await putBytes(store, 'k', bytes, {
      verification: {
        digests: ['sha256', 'crc32'],
        accept: (digests, sizeBytes) => {
          seen = [sizeBytes, [...digests.keys()].sort(), digests.get('sha256')?.length];
          return 'sha256';
        },
      },
    });
    expect(seen).toEqual([length, ['crc32', 'md5', 'sha256'], 32]);
    expect(etag).toBe(hash('md5').toString('hex'));
    expect(checksum).toEqual({ algorithm: 'sha256', type: 'full-object', value });
    expect((await store.headObject(KEY)).checksum).toEqual(checksum);
  }
});

test.each([400, 900, 1000, 1001, 3500])(
  'the chunks of %i plain bytes are stored with their CRC-32 where it is wanted, and it is that of the body',
  async (length) => {
    const env = await createMemoryEnv();
    const inner = createMemoryStore({ clock: env.clock });
    const chunks: { value: Uint8Array; crc: number | undefined }[] = [];
    const kv: KvStore = Object.assign(Object.create(inner), {
      get: (key: Uint8Array) => inner.get(key),
      getInto: (key: Uint8Array, target: Uint8Array) => inner.getInto(key, target),
      readView: () => inner.readView(),
      transact: (transaction: Transaction) => {
        for (const operation of transaction.operations) {
          if (operation.kind !== 'put' || operation.key[0] !== KEY_SPACE.chunk) continue;
          chunks.push({ value: operation.value.slice(), crc: operation.crc });
        }
        return inner.transact(transaction);
      },
    });
    const { store } = await openFixture({ ...LIMITS, kv, env });
    const body = pattern(length);
    let digest: Uint8Array | undefined;
    const verification = {
      digests: ['crc32'] as const,
      accept: (digests: DigestResults) => {
        digest = digests.get('crc32');
        return undefined;
      },
    };
    await putBytes(store, 'k', body, { verification });
    expect(chunks.length).toBe(Math.ceil(length / LIMITS.chunkSizeBytes));
    for (const { value, crc } of chunks) expect(crc).toBe(crc32(value));
    expect(Buffer.from(digest ?? []).readUInt32BE()).toBe(crc32(body));
    expect(await getBytes(store, 'k')).toEqual(body);
    // Nor is that of the plain bytes the one of what is sealed.
    const encryption = { kind: 'customer', key: pattern(32, 7) } as const;
    for (const options of [{}, { verification, encryption }]) {
      chunks.length = 0;
      await putBytes(store, 'k', body, options);
      for (const { crc } of chunks) expect(crc).toBeUndefined();
      expect(chunks.length).toBeGreaterThan(0);
    }
  },
);

test('bodies of every size around the bounds are kept, in pieces of every size', async () => {
  const { store, kv, tasks } = await openFixture(LIMITS);
  for (const length of [0, 1, 499, 500, 501, 999, 1000, 1001, 1999, 2000, 2001, 9999]) {
    for (const pieceSize of [1, 333, 1000, 10_000]) {
      const bytes = pattern(length, length);
      const pieces = piecesOf(bytes, pieceSize);
      const { etag } = await store.putObject({ ...KEY, metadata: METADATA, body: { pieces } });
      expect(etag).toBe(createHash('md5').update(bytes).digest('hex'));
      expect(await getBytes(store, 'k')).toEqual(bytes);
    }
  }
  await tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('ranges are exact at every edge of a chunk', async () => {
  const { store } = await openFixture(LIMITS);
  for (const length of [400, 3500]) {
    const bytes = pattern(length);
    await putBytes(store, 'k', bytes);
    const edges = [0, 1, 399, 999, 1000, 1001, 1999, 3499].filter((edge) => edge < length);
    for (const first of edges) {
      for (const last of [...edges, length, 10_000]) {
        if (last < first) continue;
        const reader = await store.getObject({ ...KEY, range: { kind: 'from', first, last } });
        expect(reader.offset).toBe(first);
        expect(await readAll(reader)).toEqual(bytes.subarray(first, last + 1));
      }
    }
    expect(await getBytes(store, 'k', { range: { kind: 'suffix', length: 5 } })).toEqual(
      bytes.subarray(-5),
    );
    expect(await getBytes(store, 'k', { range: { kind: 'suffix', length: 9999 } })).toEqual(bytes);
    expect(await getBytes(store, 'k', { range: { kind: 'from', first: 7 } })).toEqual(
      bytes.subarray(7),
    );
    for (const range of [
      { kind: 'from', first: length },
      { kind: 'suffix', length: 0 },
    ] as const) {
      expect(await refusal(store.getObject({ ...KEY, range }))).toMatchObject({
        code: 'InvalidRange',
        details: { sizeBytes: length },
      });
    }
  }
  await putBytes(store, 'empty', pattern(0));
  const none = await getBytes(store, 'empty', { range: { kind: 'suffix', length: 1 } });
  expect(none).toEqual(pattern(0));
});

test('a small object is read at once, with two look-ups; a put of it, or of one chunk, is one transaction', async () => {
  const calls: string[] = [];
  const inner = createMemoryStore();
  const kv: KvStore = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls.push(String(name));
        return Reflect.apply(value, target, args);
      };
    },
  });
  const { store } = await openFixture({ kv });
  await putBytes(store, 'k', pattern(4096));
  calls.length = 0;
  await putBytes(store, 'k', pattern(4096, 2));
  expect(calls).toEqual(['get', 'transact']);
  calls.length = 0;
  const reader = await store.getObject(KEY);
  expect(calls).toEqual(['get', 'get']);
  expect(reader.immediate).toEqual(pattern(4096, 2));

  const chunk = pattern(1024 * 1024);
  calls.length = 0;
  await putBytes(store, 'k', chunk);
  expect(calls).toEqual(['get', 'transact']);
  expect(await countIn(inner, KEY_SPACE.intent)).toBe(0);
  calls.length = 0;
  await putBytes(store, 'k', pattern(1024 * 1024 + 1));
  expect(calls.filter((name) => name === 'transact')).toHaveLength(3);
  await putBytes(store, 'k', chunk);
  expect(Buffer.compare(await getBytes(store, 'k'), chunk)).toBe(0);
  expect(await violations(inner, { swept: false })).toEqual([]);
});

test('reads that are closed, left or finished give their buffers and views back', async () => {
  const { store } = await openFixture({ ...LIMITS, readBuffers: 2, spareBuffers: 2 });
  const bytes = pattern(9000);
  await putBytes(store, 'k', bytes);
  // With two buffers in all, a read that kept one would stop a later one for ever.
  for (let round = 0; round < 6; round++) {
    const unread = await store.getObject(KEY);
    unread.close();
    unread.close();
    const left = await store.getObject(KEY);
    for await (const piece of left.body) {
      expect(piece.length).toBe(1000);
      break;
    }
    const closed = await store.getObject(KEY);
    const pieces = closed.body[Symbol.asyncIterator]();
    await pieces.next();
    closed.close();
    await expect(pieces.next()).rejects.toMatchObject({ code: 'KV_VIEW_CLOSED' });
    expect(await getBytes(store, 'k')).toEqual(bytes);
  }
  const range = { kind: 'from', first: 0, last: 9 } as const;
  const both = [1, 2].map(async () =>
    (await store.getObject({ ...KEY, range })).body[Symbol.asyncIterator](),
  );
  for (const pieces of await Promise.all(both)) {
    expect((await pieces.next()).value).toEqual(bytes.subarray(0, 10));
  }
});

test('a chunk that is missing or has another size is corruption, not an object', async () => {
  const { store, kv } = await openFixture(LIMITS);
  await putBytes(store, 'k', pattern(3500));
  const range = spaceRange(KEY_SPACE.chunk);
  const key = (await kv.scan({ ...range, limit: 10 })).entries[2]?.key as Uint8Array;
  for (const damage of [
    { kind: 'put', key, value: pattern(999) },
    { kind: 'delete', key },
  ] as const) {
    await kv.transact({ operations: [damage] });
    await expect(getBytes(store, 'k')).rejects.toMatchObject({ code: 'KV_CORRUPTION' });
  }
});

test('more uploads and reads than buffers take turns', async () => {
  const { store } = await openFixture({ ...LIMITS, writeBuffers: 2, readBuffers: 2 });
  const sizes = Array.from({ length: 12 }, (_, at) => 2000 + at * 777);
  await Promise.all(sizes.map((size, at) => putBytes(store, `k${at}`, pattern(size, at))));
  const copies = sizes.map((_, at) =>
    store.copyObject({
      bucket: 'bucket',
      key: `c${at}`,
      source: { bucket: 'bucket', key: `k${at}` },
    }),
  );
  await Promise.all(copies);
  const bodies = await Promise.all(sizes.map((_, at) => getBytes(store, `c${at}`)));
  bodies.forEach((body, at) => expect(body).toEqual(pattern(sizes[at] as number, at)));
});

test('a transfer waits for its turn only so long, and one that has begun never waits', async () => {
  const { store, env } = await openFixture({ ...LIMITS, readBuffers: 1, writeBuffers: 1 });
  await putBytes(store, 'k', pattern(9000));
  const holder = (await store.getObject(KEY)).body[Symbol.asyncIterator]();
  await holder.next();
  const timers = env.manualClock.pendingTimers;
  const refused = expect(store.getObject(KEY)).rejects.toMatchObject({
    code: 'KV_BUSY',
    retryable: true,
  });
  let stopped = false;
  async function* waiting(): AsyncGenerator<Uint8Array, void> {
    try {
      yield pattern(2000);
      await refused;
      yield pattern(9000);
    } finally {
      stopped = true;
    }
  }
  const body = { pieces: waiting() };
  const put = store.putObject({ ...KEY, key: 'slow', metadata: METADATA, body });
  const late = { pieces: waiting() };
  const refusedPut = expect(
    store.putObject({ ...KEY, key: 'late', metadata: METADATA, body: late }),
  ).rejects.toMatchObject({ code: 'KV_BUSY' });
  while (env.manualClock.pendingTimers < timers + 2) await new Promise(setImmediate);
  env.manualClock.advance(30_000);
  await refused;
  await refusedPut;
  expect(stopped).toBe(true);
  await put;
  await holder.next();
  await holder.return?.();
  expect(await getBytes(store, 'slow')).toHaveLength(11_000);
});

test('an upload that cannot be hashed gives its place back', async () => {
  const { store, env } = await openFixture({ ...LIMITS, writeBuffers: 1 });
  await env.digests.close();
  for (let attempt = 0; attempt < 2; attempt++) {
    const put = putBytes(store, 'k', pattern(2000)).then(
      () => 'stored',
      ({ code }: { code: string }) => code,
    );
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    env.manualClock.advance(30_000);
    expect(await put).toBe('DIGESTS_CLOSED');
  }
});

test('what is too large or wrongly named is refused by its own code', async () => {
  const { store } = await openFixture({ ...LIMITS, putSizeLimitBytes: 2000 });
  expect(await refusalCode(putBytes(store, 'k', pattern(2001)))).toBe('EntityTooLarge');
  const unknown = { pieces: piecesOf(pattern(2001), 100) };
  expect(await refusalCode(store.putObject({ ...KEY, metadata: METADATA, body: unknown }))).toBe(
    'EntityTooLarge',
  );
  await putBytes(store, 'é'.repeat(512), pattern(1));
  expect(await refusalCode(putBytes(store, `${'é'.repeat(512)}a`, pattern(1)))).toBe(
    'KeyTooLongError',
  );
  expect(await refusalCode(putBytes(store, '', pattern(1)))).toBe('InvalidArgument');
  expect(await refusalCode(putBytes(store, '\ud800', pattern(1)))).toBe('InvalidArgument');
  const fits = { metadata: { user: { name: 'x'.repeat(2044) } } };
  await putBytes(store, 'k', pattern(1), fits);
  const tooMuch = { metadata: { user: { name: 'x'.repeat(2045) } } };
  expect(await refusalCode(putBytes(store, 'k', pattern(1), tooMuch))).toBe('MetadataTooLarge');
  expect(await refusalCode(store.headObject({ bucket: 'nobody', key: 'k' }))).toBe('NoSuchBucket');
  expect(await refusalCode(putBytes(store, 'k', pattern(1), { bucket: 'nobody' }))).toBe(
    'NoSuchBucket',
  );
});

test.each([
  'ab',
  'a'.repeat(64),
  'Abc',
  'a_b',
  '-abc',
  'abc-',
  'a..b',
  '192.168.5.4',
  'xn--abc',
  'abc-s3alias',
  'a/b',
])('the bucket name %s is refused', async (name) => {
  const { store } = await openFixture();
  const made = store.createBucket(name, { ownerId: 'me', region: 'r' });
  expect(await refusalCode(made)).toBe('InvalidBucketName');
});

test('buckets are listed by name, in pages', async () => {
  const { store } = await openFixture();
  for (const name of ['b.c', 'abc', 'abd', 'xyz']) {
    await store.createBucket(name, { ownerId: 'me', region: 'r' });
  }
  const names = async (options: { limit: number; prefix?: string; after?: string }) => {
    const { buckets, more } = await store.listBuckets(options);
    return [buckets.map(({ name }) => name).join(' '), more];
  };
  expect(await names({ limit: 10 })).toEqual(['abc abd b.c bucket xyz', false]);
  expect(await names({ limit: 2 })).toEqual(['abc abd', true]);
  expect(await names({ limit: 2, after: 'abd' })).toEqual(['b.c bucket', true]);
  expect(await names({ limit: 2, prefix: 'ab' })).toEqual(['abc abd', false]);
  expect(await names({ limit: 2, prefix: 'ab', after: 'c' })).toEqual(['', false]);
  expect(await names({ limit: 2, prefix: 'b', after: 'abc' })).toEqual(['b.c bucket', false]);
});
