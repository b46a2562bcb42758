import type { MemoryEnv } from '@holdfast/env/memory';
import { createMemoryEnv } from '@holdfast/env/memory';
import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import type {
  JournalOptions,
  ObjectReader,
  ObjectStore,
  ObjectStoreErrorCode,
  ObjectStoreLimits,
  ObjectStoreOptions,
  TaskQueue,
  TaskQueueFactory,
} from '../src/index.ts';
import { createObjectStore, ObjectStoreError } from '../src/index.ts';

/** Tasks that run when the test says so. */
export class ManualTasks {
  readonly waiting = new Map<string, () => Promise<void>>();

  readonly factory: TaskQueueFactory = <Task>(name: string, run: (task: Task) => Promise<void>) => {
    const queue: TaskQueue<Task> = {
      push: (id, task) => {
        this.waiting.set(`${name}/${id}`, () => run(task));
      },
      idle: () => this.runAll(),
      close: async () => this.waiting.clear(),
    };
    return queue;
  };

  async runAll(): Promise<void> {
    for (const [id, run] of this.waiting) {
      this.waiting.delete(id);
      await run();
    }
  }
}

export interface Fixture {
  readonly store: ObjectStore;
  readonly kv: KvStore;
  readonly env: MemoryEnv;
  readonly tasks: ManualTasks;
  /** A second store on the same KvStore, as another process has it. */
  again(options?: { readonly kv?: KvStore } & Partial<ObjectStoreLimits>): Fixture;
}

export const OWNER: { readonly ownerId: string; readonly region: string } = {
  ownerId: 'me',
  region: 'us-east-1',
};

/** A store on a KvStore in memory, with the bucket `b`. */
export async function openFixture(
  options: {
    readonly kv?: KvStore;
    readonly env?: MemoryEnv;
    readonly journal?: JournalOptions;
  } & Partial<ObjectStoreLimits> = {},
): Promise<Fixture> {
  const env = options.env ?? (await createMemoryEnv());
  const kv = options.kv ?? createMemoryStore({ clock: env.clock });
  const fixture = makeFixture(kv, env, options);
  await fixture.store.createBucket('bucket', OWNER);
  return fixture;
}

/** A store on a KvStore, with nothing in it. */
export function makeFixture(
  kv: KvStore,
  env: MemoryEnv,
  limits: Partial<ObjectStoreLimits> &
    Pick<ObjectStoreOptions, 'masterKeys' | 'namedKeys' | 'journal'>,
): Fixture {
  const tasks = new ManualTasks();
  const store = createObjectStore({ ...limits, kv, env, tasks: tasks.factory });
  const again: Fixture['again'] = (other = {}) =>
    makeFixture(other.kv ?? kv, env, { ...limits, ...other });
  return { store, kv, env, tasks, again };
}

/** A body in pieces whose memory is used again for the next piece, as a socket's is. */
export async function* piecesOf(
  bytes: Uint8Array,
  pieceSizeBytes = 10_000,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reused = new Uint8Array(pieceSizeBytes);
  for (let at = 0; at < bytes.length; at += pieceSizeBytes) {
    const piece = bytes.subarray(at, at + pieceSizeBytes);
    reused.set(piece);
    yield reused.subarray(0, piece.length);
    reused.fill(0xee);
  }
}

/** `length` bytes that differ by `seed` and position. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export async function putBytes(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
  extra: Partial<Parameters<ObjectStore['putObject']>[0]> = {},
): ReturnType<ObjectStore['putObject']> {
  return await store.putObject({
    bucket: 'bucket',
    key,
    body: { sizeBytes: bytes.length, pieces: piecesOf(bytes) },
    metadata: { user: {} },
    ...extra,
  });
}

/** All bytes of a read, copied. */
export async function readAll(reader: ObjectReader): Promise<Uint8Array> {
  const bytes = new Uint8Array(reader.length);
  let at = 0;
  for await (const piece of reader.body) {
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at !== reader.length) throw new Error(`${at} bytes came, ${reader.length} were promised`);
  return bytes;
}

export async function getBytes(
  store: ObjectStore,
  key: string,
  extra: Partial<Parameters<ObjectStore['getObject']>[0]> = {},
): Promise<Uint8Array> {
  return await readAll(await store.getObject({ bucket: 'bucket', key, ...extra }));
}

/** The error that the work rejects with; fails where it resolves, or rejects with another kind. */
export async function refusal(work: Promise<unknown>): Promise<ObjectStoreError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ObjectStoreError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

export async function refusalCode(work: Promise<unknown>): Promise<ObjectStoreErrorCode> {
  return (await refusal(work)).code;
}
