/** A process that dies between any two transactions leaves whole objects, and space that comes back. */
import type { KvStore } from '@holdfast/kv';
import { KvError } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { describe, expect, test } from 'vitest';
import type { ObjectStore, PartInfo } from '../src/index.ts';
import { violations } from './consistency.ts';
import { type Fixture, getBytes, openFixture, pattern, piecesOf, putBytes } from './fixture.ts';

interface Dying {
  readonly kv: KvStore;
  /** Transactions done. */
  readonly count: () => number;
}

/**
 * A KvStore that stops at transaction number `at`: it is not done (`before`), or done and the answer
 * lost (`after`); nothing after it is done, unless it `goesOn`.
 */
function dying(
  inner: KvStore,
  at: number,
  when: 'before' | 'after',
  { goesOn = false } = {},
): Dying {
  let count = 0;
  const transact: KvStore['transact'] = async (transaction) => {
    const number = count++;
    if (number < at || (goesOn && number > at)) return await inner.transact(transaction);
    if (number === at && when === 'after') await inner.transact(transaction);
    throw new KvError('KV_UNAVAILABLE', 'the process is dead');
  };
  const kv = new Proxy(inner, {
    get: (target, name) => {
      if (name === 'transact') return transact;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { kv, count: () => count };
}

const LIMITS = {
  chunkSizeBytes: 1000,
  inlineSizeBytes: 500,
  minPartSizeBytes: 1,
  chunksInFlight: 2,
};
const OLD = pattern(12_000, 1);
const NEW = pattern(11_500, 2);
const KEY = { bucket: 'bucket', key: 'k' };

async function multipart(store: ObjectStore, finish: boolean): Promise<void> {
  const { uploadId } = await store.createMultipartUpload({
    ...KEY,
    metadata: { user: {} },
    ownerId: 'me',
  });
  const parts: PartInfo[] = [];
  for (const [partNumber, bytes] of [
    [1, NEW.subarray(0, 5000)],
    [2, NEW.subarray(0, 300)],
    [2, NEW.subarray(5000)],
    [3, OLD],
  ] as const) {
    const body = { pieces: piecesOf(bytes, 700) };
    const part = await store.uploadPart({ ...KEY, uploadId, partNumber, body });
    parts[partNumber - 1] = part;
  }
  if (!finish) return await store.abortMultipartUpload({ ...KEY, uploadId });
  await store.completeMultipartUpload({ ...KEY, uploadId, parts: parts.slice(0, 2) });
}

/** Each begins with OLD under the key, in a bucket; `outcomes` are the legal bodies after a crash. */
const SCRIPTS: readonly {
  readonly name: string;
  readonly run: (store: ObjectStore, fixture: Fixture) => Promise<void>;
  readonly outcomes: readonly (Uint8Array | undefined)[];
  /** What else must hold, given the body under the key. */
  readonly check?: (store: ObjectStore, body: Uint8Array | undefined) => Promise<void>;
}[] = [
  {
    name: 'a large put over a large object',
    run: async (store) => void (await putBytes(store, 'k', NEW)),
    outcomes: [OLD, NEW],
  },
  {
    name: 'a small put over a large object',
    run: async (store) => void (await putBytes(store, 'k', NEW.subarray(0, 100))),
    outcomes: [OLD, NEW.subarray(0, 100)],
  },
  {
    name: 'a delete',
    run: async (store) => void (await store.deleteObject(KEY)),
    outcomes: [OLD, undefined],
  },
  {
    name: 'a copy onto the key',
    run: async (store) => {
      await putBytes(store, 'other', NEW);
      await store.copyObject({ ...KEY, source: { bucket: 'bucket', key: 'other' } });
    },
    outcomes: [OLD, NEW],
  },
  {
    name: 'a transaction of puts, a copy and a delete',
    run: async (store) => {
      await putBytes(store, 'gone', NEW);
      const put = { op: 'put', metadata: { user: {} } } as const;
      await store.transactObjects({
        bucket: 'bucket',
        operations: (async function* () {
          yield { ...put, key: 'k', body: { pieces: piecesOf(NEW, 700) } };
          yield { ...put, key: 'small', body: { pieces: piecesOf(NEW.subarray(0, 100)) } };
          yield { op: 'copy', key: 'copied', source: { bucket: 'bucket', key: 'gone' } } as const;
          yield { op: 'delete', key: 'gone' } as const;
        })(),
      });
    },
    outcomes: [OLD, NEW],
    check: async (store, body) => {
      const { objects } = await store.listObjects({ bucket: 'bucket', limit: 10 });
      const keys = objects.map(({ key }) => key).join();
      if (body?.length === NEW.length) expect(keys).toBe('copied,k,small');
      else expect(['k', 'gone,k']).toContain(keys);
    },
  },
  {
    name: 'a rename onto the key',
    run: async (store) => {
      await putBytes(store, 'other', NEW);
      await store.renameObject({ ...KEY, sourceKey: 'other' });
    },
    outcomes: [OLD, NEW],
  },
  {
    name: 'a multipart upload, completed, and then deleted',
    run: async (store, { tasks }) => {
      await multipart(store, true);
      await tasks.runAll();
      await store.deleteObject(KEY);
      await tasks.runAll();
    },
    outcomes: [OLD, NEW, undefined],
  },
  {
    name: 'a multipart upload, aborted',
    run: async (store, { tasks }) => {
      await multipart(store, false);
      await tasks.runAll();
    },
    outcomes: [OLD],
  },
  {
    name: 'a bucket emptied and deleted with an open upload in it',
    run: async (store, { tasks }) => {
      const upload = { ...KEY, metadata: { user: {} }, ownerId: 'me' };
      const { uploadId } = await store.createMultipartUpload(upload);
      const body = { pieces: piecesOf(NEW, 700) };
      await store.uploadPart({ ...KEY, uploadId, partNumber: 1, body });
      await store.deleteObject(KEY);
      await store.deleteBucket('bucket');
      await tasks.runAll();
    },
    outcomes: [OLD, undefined],
  },
];

async function bodyOf(store: ObjectStore): Promise<Uint8Array | undefined> {
  try {
    return await getBytes(store, 'k');
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'NoSuchKey' || code === 'NoSuchBucket') return undefined;
    throw error;
  }
}

/** Open uploads that never end keep their parts, as they must. */
async function abortAll(store: ObjectStore): Promise<void> {
  try {
    const { uploads } = await store.listMultipartUploads({ bucket: 'bucket', limit: 100 });
    for (const upload of uploads) await store.abortMultipartUpload(upload);
  } catch (error) {
    if ((error as { code?: string }).code !== 'NoSuchBucket') throw error;
  }
}

async function runUntilDead(
  script: (typeof SCRIPTS)[number],
  at: number,
  when: 'before' | 'after',
): Promise<boolean> {
  const inner = createMemoryStore();
  const first = await openFixture({ kv: inner, ...LIMITS });
  await putBytes(first.store, 'k', OLD);
  const { kv, count } = dying(inner, at, when);
  const crashed = first.again({ kv });
  await script.run(crashed.store, crashed).catch((error: unknown) => {
    if (!(error instanceof KvError)) throw error;
  });
  const died = count() > at;

  const { store, env, tasks } = first.again();
  expect(await violations(inner, { swept: false })).toEqual([]);
  const body = await bodyOf(store);
  const legal = died ? script.outcomes : script.outcomes.slice(-1);
  expect(legal).toContainEqual(body);
  await script.check?.(store, body);
  // An object that was there stays readable while what crashed is swept.
  await tasks.runAll();
  await abortAll(store);
  await store.collectGarbage();
  env.manualClock.advance(25 * 60 * 60 * 1000);
  await store.collectGarbage();
  expect(await violations(inner, { swept: true })).toEqual([]);
  expect(await bodyOf(store)).toEqual(body);
  const bucket = await store.getBucket('bucket').catch(() => undefined);
  // What crashed stands in nobody's way: a bucket that was about to be deleted takes objects again.
  if (bucket !== undefined) {
    await putBytes(store, 'later', NEW);
    expect(await getBytes(store, 'later')).toEqual(NEW);
  }
  return died;
}

describe.each(SCRIPTS)('$name', (script) => {
  test.each(['before', 'after'] as const)(
    'is whole or not there when the process dies %s any transaction, and the space comes back',
    async (when) => {
      let at = 0;
      while (await runUntilDead(script, at, when)) at++;
      expect(at).toBeGreaterThan(0);
    },
  );
});

test('a put whose answers are lost is done or not done, and never half undone', async () => {
  for (const length of [100, 3500]) {
    for (let at = 0, lost = true; lost; at++) {
      const inner = createMemoryStore();
      const first = await openFixture({ kv: inner, ...LIMITS });
      await putBytes(first.store, 'k', OLD);
      const { kv, count } = dying(inner, at, 'after', { goesOn: true });
      const { store } = first.again({ kv });
      const put = await putBytes(store, 'k', NEW.subarray(0, length)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(KvError);
      });
      lost = count() > at;
      expect(put === undefined).toBe(lost);
      // The answer that was lost may be that of letting go: what is swept must be dead all the same.
      await first.again().tasks.runAll();
      expect(await violations(inner, { swept: false })).toEqual([]);
      const body = await bodyOf(first.store);
      expect(lost ? [OLD, NEW.subarray(0, length)] : [NEW.subarray(0, length)]).toContainEqual(
        body,
      );
    }
  }
});

test('a sweep that dies at any transaction is finished by the next start', async () => {
  for (let at = 0, died = true; died; at++) {
    const inner = createMemoryStore();
    const first = await openFixture({ kv: inner, ...LIMITS });
    await putBytes(first.store, 'k', OLD);
    await multipart(first.store, true);
    await first.store.deleteObject(KEY);
    const { kv, count } = dying(inner, at, 'before');
    const crashed = first.again({ kv });
    await crashed.tasks.runAll().catch((error: unknown) => expect(error).toBeInstanceOf(KvError));
    died = count() > at;
    const { tasks } = first.again();
    await tasks.runAll();
    expect(await violations(inner, { swept: true })).toEqual([]);
  }
});
