/**
 * Clients in two processes on one KvStore, whose calls come in an order that a seed decides: numbers raised by If-Match,
 * uploads whose parts are sent again while they are completed, puts that are so slow that garbage collection takes them for
 * crashed, buckets that are deleted while they are written to, versions that are locked, and answers that are lost. Throws where a
 * promise was broken.
 */
import { invariant, utf8 } from '@holdfast/bytes';
import { createMemoryEnv, type MemoryEnv, SeededRandom } from '@holdfast/env/memory';
import { KvError, type KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import type { ObjectStore, Retention } from '../src/index.ts';
import { violations } from './consistency.ts';
import {
  type Fixture,
  getBytes,
  makeFixture,
  OWNER,
  pattern,
  piecesOf,
  putBytes,
} from './fixture.ts';
import { codeOf } from './intruder.ts';

const LIMITS = {
  chunkSizeBytes: 1000,
  inlineSizeBytes: 500,
  minPartSizeBytes: 1,
  chunksInFlight: 2,
  commitAttempts: 50,
};
const HOUR_MS = 60 * 60 * 1000;
const METADATA = { user: {} };

interface Run {
  readonly random: SeededRandom;
  readonly env: MemoryEnv;
  readonly kv: KvStore;
  readonly stores: readonly Fixture[];
}

export async function randomRun(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const env = await createMemoryEnv({ seed });
  const inner = createMemoryStore({ clock: env.clock });
  const kv = shuffled(inner, random.fork());
  const stores = [makeFixture(kv, env, LIMITS), makeFixture(kv, env, LIMITS)];
  const run: Run = { random, env, kv: inner, stores };
  await storeOf(run).createBucket('bucket', OWNER);
  await Promise.all([
    ...Array.from({ length: 3 }, () => countUp(run)),
    uploadAgain(run, 'one'),
    uploadAgain(run, 'other'),
    putSlowly(run),
    deleteBuckets(run),
  ]);
  await judgeNumbers(run);
  await lockVersions(run);
  await loseAnswers(run);
  for (const { store, tasks } of stores) {
    await tasks.runAll();
    await abortAll(store);
  }
  const last = storeOf(run);
  await last.collectGarbage();
  env.manualClock.advance(25 * HOUR_MS);
  await last.collectGarbage();
  const wrong = await violations(inner, { swept: true });
  invariant(wrong.length === 0, wrong.join('\n'));
}

/** The same store, whose calls wait a while, each as long as chance says, but in order of the caller. */
function shuffled(inner: KvStore, random: SeededRandom): KvStore {
  const waits = new Set(['get', 'scan', 'transact', 'readView']);
  return new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (!waits.has(String(name))) return value.bind(target);
      return async (...args: unknown[]) => {
        for (let turns = random.below(40); turns > 0; turns--) await Promise.resolve();
        return await Reflect.apply(value, target, args);
      };
    },
  });
}

function storeOf({ random, stores }: Run): ObjectStore {
  return (stores[random.below(stores.length)] as Fixture).store;
}

const raised = new WeakMap<Run, Map<string, number>>();

/** Raises numbers, each time under the condition that it is still the one that was read. */
async function countUp(run: Run): Promise<void> {
  const counts = raised.get(run) ?? new Map<string, number>();
  raised.set(run, counts);
  for (let left = 12; left > 0; left--) {
    const key = `number ${run.random.below(2)}`;
    const store = storeOf(run);
    const reader = await store.getObject({ bucket: 'bucket', key }).catch(() => undefined);
    const number =
      reader === undefined ? 0 : Number(new TextDecoder().decode(await bodyOf(reader)));
    const conditions =
      reader === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: [reader.info.etag] };
    const outcome = await codeOf(putBytes(store, key, utf8(`${number + 1}`), { conditions }));
    if (outcome === 'done') counts.set(key, (counts.get(key) ?? 0) + 1);
    else
      invariant(
        /Precondition|NoSuchKey|Conflict/.test(outcome),
        `a number was refused: ${outcome}`,
      );
  }
}

function isAborted(error: { readonly code?: string }): true {
  invariant(error.code === 'OperationAborted', `a part was refused: ${error.code}`);
  return true;
}

async function bodyOf(reader: { readonly body: AsyncIterable<Uint8Array> }): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.body) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

async function judgeNumbers(run: Run): Promise<void> {
  for (const [key, count] of raised.get(run) ?? []) {
    const text = new TextDecoder().decode(await readWhole(storeOf(run), key));
    invariant(text === `${count}`, `${key} was raised ${count} times, and is ${text}`);
  }
}

/** Parts that are sent again while the upload is completed: the object has those that the request names. */
async function uploadAgain(run: Run, name: string): Promise<void> {
  for (let left = 4; left > 0; left--) {
    const address = { bucket: 'bucket', key: `upload ${name} ${left}` };
    const upload = await storeOf(run).createMultipartUpload({
      ...address,
      metadata: METADATA,
      ownerId: 'me',
    });
    const sent = new Map<string, Uint8Array>();
    const send = async (partNumber: number): Promise<{ partNumber: number; etag: string }> => {
      const bytes = pattern(100 + run.random.below(3000), run.random.below(1000));
      const body = { pieces: piecesOf(bytes, 700) };
      const part = await storeOf(run).uploadPart({ ...upload, partNumber, body });
      sent.set(`${partNumber} ${part.etag}`, bytes);
      return { partNumber, etag: part.etag };
    };
    const parts: { partNumber: number; etag: string }[] = [];
    // One that is taken for crashed is refused, and its upload given up.
    const isRefused = await send(1)
      .then(async (first) => void parts.push(first, await send(2)))
      .then(() => false, isAborted);
    if (isRefused) continue;
    if (run.random.below(4) === 0) parts[1] = { partNumber: 2, etag: '0'.repeat(32) };
    const racing = run.random.below(2) === 0 ? codeOf(send(1 + run.random.below(2))) : undefined;
    const complete = storeOf(run).completeMultipartUpload({ ...upload, parts });
    const outcome = await codeOf(complete);
    await racing;
    if (outcome !== 'done') continue;
    const named = parts.map(({ partNumber, etag }) => sent.get(`${partNumber} ${etag}`));
    invariant(!named.includes(undefined), `${address.key} was made of a part that was never sent`);
    const found = await readWhole(storeOf(run), address.key);
    const isSame = Buffer.concat(named as Uint8Array[]).equals(found);
    invariant(isSame, `${address.key} has not the parts that were named`);
  }
}

/**
 * A body so slow that another process takes its upload for crashed, before it ends or while it does: it is there whole, or was
 * refused.
 */
async function putSlowly(run: Run): Promise<void> {
  for (let left = 4; left > 0; left--) {
    const bytes = pattern(2500 + run.random.below(3000), left);
    const [own, other] = run.random.below(2) === 0 ? [0, 1] : [1, 0];
    const isLate = run.random.below(2) === 0;
    const isRacing = run.random.below(2) === 0;
    const pauseAt = isRacing ? bytes.length - 1 : 1500;
    let collecting: Promise<unknown> | undefined;
    async function* slow(): AsyncGenerator<Uint8Array, void> {
      yield bytes.subarray(0, pauseAt);
      const collector = (run.stores[other] as Fixture).store;
      if (isLate) {
        await collector.collectGarbage();
        run.env.manualClock.advance(25 * HOUR_MS);
      }
      collecting = collector.collectGarbage();
      if (!isRacing) await collecting;
      yield bytes.subarray(pauseAt);
    }
    const { store } = run.stores[own] as Fixture;
    const key = `slow ${left}`;
    const outcome = await codeOf(putBytes(store, key, bytes, { body: { pieces: slow() } }));
    await collecting;
    await (run.stores[other] as Fixture).tasks.runAll();
    if (outcome === 'done') {
      const found = await readWhole(store, key);
      invariant(Buffer.from(found).equals(bytes), `${key} was put, and reads otherwise`);
    } else invariant(outcome === 'OperationAborted', `a slow put was refused: ${outcome}`);
  }
}

/** Transactions that are done, and whose answers are lost: a put is done or not done, and never half undone. */
async function loseAnswers(run: Run): Promise<void> {
  const { store, tasks } = makeFixture(forgetful(run.kv, run.random.fork()), run.env, LIMITS);
  for (let left = 6; left > 0; left--) {
    const key = `answer ${left}`;
    const [before, after] = [pattern(700, left), pattern(100 + run.random.below(3500), 100 + left)];
    await putBytes(storeOf(run), key, before);
    const outcome = await codeOf(putBytes(store, key, after));
    await codeOf(tasks.runAll());
    for (const other of run.stores) await other.tasks.runAll();
    const found = Buffer.from(await readWhole(storeOf(run), key));
    const isNew = found.equals(after);
    invariant(isNew || found.equals(before), `${key} is neither what it was nor what was put`);
    invariant(isNew || outcome !== 'done', `${key} was put, and is what it was`);
  }
}

/** The same store, of whose transactions the answer is lost now and then. */
function forgetful(inner: KvStore, random: SeededRandom): KvStore {
  return new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== 'transact') return value.bind(target);
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(value, target, args);
        if (random.below(4) === 0) throw new KvError('KV_UNAVAILABLE', 'the answer was lost');
        return answer;
      };
    },
  });
}

/** A put into a bucket and a delete of the bucket: not both are done. */
async function deleteBuckets(run: Run): Promise<void> {
  for (let left = 6; left > 0; left--) {
    const bucket = `short-lived-${left}`;
    await storeOf(run).createBucket(bucket, OWNER);
    for (const { store } of run.stores) await store.getBucket(bucket);
    const [put, removed] = await Promise.all([
      codeOf(putBytes(storeOf(run), 'key', pattern(100 + run.random.below(2) * 2000), { bucket })),
      codeOf(storeOf(run).deleteBucket(bucket)),
    ]);
    invariant(put !== 'done' || removed !== 'done', `${bucket} took an object, and was deleted`);
  }
}

/** Versions under retentions and holds, of which a plain model says what may be done to them. */
async function lockVersions(run: Run): Promise<void> {
  const { random, env } = run;
  const bucket = 'locked';
  await storeOf(run).createBucket(bucket, OWNER);
  await storeOf(run).putBucketVersioning(bucket, 'Enabled');
  await storeOf(run).putBucketObjectLock(bucket, undefined);
  for (let left = 6; left > 0; left--) {
    const key = `version ${left}`;
    const { versionId = '' } = await putBytes(storeOf(run), key, pattern(20), { bucket });
    const address = { bucket, key, versionId };
    let retention: Retention | undefined;
    let isHeld = false;
    for (let step = 0; step < 8; step++) {
      const bypassGovernance = random.below(3) === 0;
      const nowMs = env.clock.nowMs();
      const isRetained = retention !== undefined && retention.untilMs > nowMs;
      const isBypassed = bypassGovernance && retention?.mode === 'GOVERNANCE';
      const choice = random.below(4);
      if (choice === 0) env.manualClock.advance(random.below(2) * HOUR_MS);
      else if (choice === 1) {
        isHeld = random.below(2) === 0;
        await storeOf(run).putObjectLegalHold(address, isHeld ? 'ON' : 'OFF');
      } else if (choice === 2) {
        const wanted: Retention = {
          mode: random.below(2) === 0 ? 'COMPLIANCE' : 'GOVERNANCE',
          untilMs: nowMs + (1 + random.below(5)) * HOUR_MS,
        };
        const prolongs = wanted.mode === retention?.mode && wanted.untilMs >= retention.untilMs;
        const may = !isRetained || prolongs || isBypassed;
        const request = { ...address, retention: wanted, bypassGovernance };
        mustBe(
          await codeOf(storeOf(run).putObjectRetention(request)),
          may,
          `a retention of ${key}`,
        );
        if (may) retention = wanted;
      } else {
        const may = !isHeld && (!isRetained || isBypassed);
        const request = { ...address, bypassGovernance };
        mustBe(await codeOf(storeOf(run).deleteObject(request)), may, `a delete of ${key}`);
        if (may) break;
      }
    }
  }
}

function mustBe(outcome: string, may: boolean, what: string): void {
  invariant(outcome === (may ? 'done' : 'AccessDenied'), `${what}: ${outcome}, and it may: ${may}`);
}

async function abortAll(store: ObjectStore): Promise<void> {
  const { uploads } = await store.listMultipartUploads({ bucket: 'bucket', limit: 100 });
  for (const upload of uploads) await store.abortMultipartUpload(upload);
}

/** Asked again where a day has gone by since it took its view. */
async function readWhole(...asked: Parameters<typeof getBytes>): Promise<Uint8Array> {
  for (;;) {
    try {
      return await getBytes(...asked);
    } catch (error) {
      if (!(error instanceof KvError) || error.code !== 'KV_VIEW_CLOSED') throw error;
    }
  }
}
