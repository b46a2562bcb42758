import { createHash } from 'node:crypto';
import type { DigestAlgorithm } from '@holdfast/env';
import { createMemoryEnv } from '@holdfast/env/memory';
import type { Transaction } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn, violations } from './consistency.ts';
import { type Fixture, getBytes, openFixture, pattern, piecesOf } from './fixture.ts';

const CHUNK_BYTES = 1000;
const AT_THE_STORE = 2;
const IN_FLIGHT = 6;

interface HeldStore extends Fixture {
  /** Sizes of the chunks that were given to the hash, and of those that came to the KvStore, in order. */
  readonly hashed: number[];
  readonly stored: number[];
  /** The memory of the chunks that were hashed. */
  readonly buffers: Set<ArrayBufferLike>;
  /** Lets the chunks go that are held at the KvStore, and all that come later. */
  release(): void;
}

/** A store whose KvStore takes chunks and answers none of them for now. */
async function heldStore(): Promise<HeldStore> {
  const hashed: number[] = [];
  const stored: number[] = [];
  const buffers = new Set<ArrayBufferLike>();
  const env = await createMemoryEnv();
  const open = env.digests.stream.bind(env.digests);
  Object.assign(env.digests, {
    stream: (algorithms: readonly DigestAlgorithm[]) => {
      const stream = open(algorithms);
      const lend = stream.lend.bind(stream);
      return Object.assign(stream, {
        lend: (bytes: Uint8Array) => {
          hashed.push(bytes.length);
          buffers.add(bytes.buffer);
          return lend(bytes);
        },
      });
    },
  });
  const kv = createMemoryStore({ clock: env.clock });
  const transact = kv.transact.bind(kv);
  const held = Promise.withResolvers<void>();
  Object.assign(kv, {
    transact: async (transaction: Transaction) => {
      const done = transact(transaction);
      for (const operation of transaction.operations) {
        if (operation.kind !== 'put' || operation.key[0] !== KEY_SPACE.chunk) continue;
        stored.push(operation.value.length);
        await held.promise;
      }
      return await done;
    },
  });
  const limits = { chunkSizeBytes: CHUNK_BYTES, inlineSizeBytes: 500 };
  const bounds = { chunksCommitting: AT_THE_STORE, chunksInFlight: IN_FLIGHT };
  const fixture = await openFixture({ env, kv, ...limits, ...bounds });
  return Object.assign(fixture, { hashed, stored, buffers, release: () => held.resolve() });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) await Promise.resolve();
}

const full = (count: number): number[] => Array.from({ length: count }, () => CHUNK_BYTES);

function put(store: Fixture['store'], key: string, bytes: Uint8Array) {
  const body = { sizeBytes: bytes.length, pieces: piecesOf(bytes, 333) };
  return store.putObject({ bucket: 'bucket', key, metadata: { user: {} }, body });
}

test('while the KvStore takes no more chunks, those in flight are hashed, and stored whole afterwards', async () => {
  const { store, kv, hashed, stored, buffers, release } = await heldStore();
  const bytes = pattern(20 * CHUNK_BYTES + 1);
  const done = put(store, 'k', bytes);
  await settle();
  expect(stored).toEqual(full(AT_THE_STORE));
  expect(hashed).toEqual(full(IN_FLIGHT));
  release();
  expect((await done).etag).toBe(createHash('md5').update(bytes).digest('hex'));
  expect(hashed).toEqual([...full(20), 1]);
  expect(stored.toSorted((left, right) => left - right)).toEqual([1, ...full(20)]);
  expect(await getBytes(store, 'k')).toEqual(bytes);
  // Each was used again.
  expect(buffers.size).toBeLessThanOrEqual(IN_FLIGHT + 1);
  expect(await violations(kv, { swept: false })).toEqual([]);
});

test('an upload whose first chunk finds no place at the KvStore waits, for its intent must be there first', async () => {
  const { store, hashed, release } = await heldStore();
  const first = put(store, 'first', pattern(20 * CHUNK_BYTES));
  await settle();
  const bytes = pattern(5 * CHUNK_BYTES, 2);
  const second = put(store, 'second', bytes);
  await settle();
  expect(hashed).toEqual(full(IN_FLIGHT));
  release();
  await Promise.all([first, second]);
  expect(await getBytes(store, 'second')).toEqual(bytes);
});

test('of an upload that is given up nothing is stored that waited for the KvStore', async () => {
  const { store, kv, tasks, stored, release } = await heldStore();
  async function* failing(): AsyncGenerator<Uint8Array, void> {
    yield* piecesOf(pattern(5 * CHUNK_BYTES), 333);
    throw new Error('the client is gone');
  }
  const body = { sizeBytes: 20 * CHUNK_BYTES, pieces: failing() };
  const given = store.putObject({ bucket: 'bucket', key: 'k', metadata: { user: {} }, body });
  const failed = expect(given).rejects.toThrow('the client is gone');
  await settle();
  release();
  await failed;
  expect(stored).toEqual(full(AT_THE_STORE));
  await tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.chunk)).toBe(0);
  expect(await violations(kv, { swept: true })).toEqual([]);
});
