import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import type { LifecycleReport, LifecycleRule, ObjectStore } from '../src/index.ts';
import { LIFECYCLE_SETTING } from '../src/index.ts';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn, violations } from './consistency.ts';
import { type Fixture, getBytes, openFixture, pattern, putBytes } from './fixture.ts';
import { atEveryMoment, codeOf } from './intruder.ts';

const bucket = 'bucket';
const DAY_MS = 24 * 60 * 60 * 1000;
const LIMITS = { chunkSizeBytes: 1000, inlineSizeBytes: 500, minPartSizeBytes: 1 };

let made = 0;
const rule = (parts: Partial<LifecycleRule>): LifecycleRule => ({
  id: `rule-${++made}`,
  enabled: true,
  prefix: '',
  ...parts,
});

async function setRules(store: ObjectStore, ...rules: LifecycleRule[]): Promise<void> {
  const text = JSON.stringify({ rules, transitionMinimumSize: 'all_storage_classes_128K' });
  await store.putBucketSetting(bucket, LIFECYCLE_SETTING, text);
}

async function pass({ store, tasks }: Pick<Fixture, 'store' | 'tasks'>): Promise<LifecycleReport> {
  const [report] = await Promise.all([store.runLifecycle(), tasks.runAll()]);
  return report;
}

async function versioned(): Promise<Fixture> {
  const fixture = await openFixture(LIMITS);
  await fixture.store.putBucketVersioning(bucket, 'Enabled');
  return fixture;
}

/** Each version as `key@size`, a delete marker as `key@-`; the latest with a star. */
async function listed(store: ObjectStore): Promise<string[]> {
  const { versions } = await store.listObjectVersions({ bucket, limit: 1000 });
  return versions.map(
    ({ key, sizeBytes, isLatest, isDeleteMarker }) =>
      `${key}@${isDeleteMarker ? '-' : sizeBytes}${isLatest ? '*' : ''}`,
  );
}

const put = (store: ObjectStore, key: string, size = 1, tagging?: string) =>
  putBytes(store, key, pattern(size), {
    metadata: { user: {}, ...(tagging !== undefined && { tagging }) },
  });

test('an object expires at the midnight after its days, and its space comes back', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, env, kv } = fixture;
  env.manualClock.advance(5 * 60 * 60 * 1000 + 1);
  await put(store, 'a', 5000);
  await setRules(store, rule({ expiration: { days: 1 } }));
  const { modifiedMs } = await store.headObject({ bucket, key: 'a' });
  const dueMs = Math.ceil((modifiedMs + DAY_MS) / DAY_MS) * DAY_MS;
  env.manualClock.advance(dueMs - env.clock.nowMs() - 1);
  expect(await pass(fixture)).toMatchObject({ examined: 1, expired: 0 });
  env.manualClock.advance(1);
  expect(await pass(fixture)).toMatchObject({ examined: 1, expired: 1 });
  expect(await listed(store)).toEqual([]);
  await fixture.tasks.runAll();
  expect(await violations(kv, { swept: true })).toEqual([]);
});

test('a shorter day has no midnight', async () => {
  const fixture = await openFixture({ ...LIMITS, lifecycleDayMs: 10_000 });
  const { store, env } = fixture;
  await put(store, 'a');
  await setRules(store, rule({ expiration: { days: 2 } }));
  env.manualClock.advance(19_999);
  expect((await pass(fixture)).expired).toBe(0);
  env.manualClock.advance(1);
  expect((await pass(fixture)).expired).toBe(1);
});

test('prefix, tags and size must all hold, and disabled rules do nothing', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, env } = fixture;
  await put(store, 'a/1');
  await put(store, 'a/2', 1, 'k=v%20w&x=y');
  await put(store, 'a/3', 30, 'k=v%20w&x=y');
  await put(store, 'a/4', 10, 'x=y&k=v%20w');
  await put(store, 'a/5', 20, 'k=v%20w');
  await put(store, 'b/1', 10, 'k=v%20w&x=y');
  const filter = {
    tags: [{ key: 'k', value: 'v w' }],
    and: {
      prefix: 'a/',
      tags: [{ key: 'x', value: 'y' }],
      sizeGreaterThan: 1,
      sizeLessThan: 30,
    },
  };
  const { prefix: _prefix, ...filtered } = rule({ filter, expiration: { days: 1 } });
  await setRules(store, filtered, rule({ enabled: false, expiration: { days: 1 } }));
  env.manualClock.advance(2 * DAY_MS);
  expect(await pass(fixture)).toMatchObject({ examined: 5, expired: 1 });
  expect(await listed(store)).toEqual(['a/1@1*', 'a/2@1*', 'a/3@30*', 'a/5@20*', 'b/1@10*']);
});

test('a date that has come takes everything that the rule is about', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, env } = fixture;
  await put(store, 'past/a');
  await put(store, 'future/a');
  const nowMs = env.clock.nowMs();
  await setRules(
    store,
    rule({ prefix: 'past/', expiration: { dateMs: nowMs } }),
    rule({ prefix: 'future/', expiration: { dateMs: nowMs + 1 } }),
  );
  expect((await pass(fixture)).expired).toBe(1);
  expect(await listed(store)).toEqual(['future/a@1*']);
});

test('with versioning an expired object is hidden by a delete marker; suspended, the null version goes', async () => {
  const fixture = await versioned();
  const { store, env } = fixture;
  await put(store, 'a', 1);
  await setRules(store, rule({ expiration: { days: 1 } }));
  env.manualClock.advance(2 * DAY_MS);
  expect((await pass(fixture)).expired).toBe(1);
  expect(await listed(store)).toEqual(['a@-*', 'a@1']);
  await store.putBucketVersioning(bucket, 'Suspended');
  await put(store, 'b', 2);
  await put(store, 'a', 3);
  env.manualClock.advance(2 * DAY_MS);
  expect((await pass(fixture)).expired).toBe(2);
  expect(await listed(store)).toEqual(['a@-*', 'a@-', 'a@1', 'b@-*']);
});

test('older versions go by the time since they got a successor, and the newest of them may be kept', async () => {
  const fixture = await versioned();
  const { store, env } = fixture;
  for (const size of [1, 2, 3, 4, 5]) {
    await put(store, 'a', size);
    env.manualClock.advance(DAY_MS);
  }
  await setRules(store, rule({ noncurrentExpiration: { days: 1, newerVersions: 2 } }));
  expect((await pass(fixture)).noncurrentExpired).toBe(2);
  expect(await listed(store)).toEqual(['a@5*', 'a@4', 'a@3']);
  await setRules(store, rule({ noncurrentExpiration: { days: 2 } }));
  expect((await pass(fixture)).noncurrentExpired).toBe(1);
  expect(await listed(store)).toEqual(['a@5*', 'a@4']);
  env.manualClock.advance(DAY_MS);
  expect((await pass(fixture)).noncurrentExpired).toBe(1);
  expect(await getBytes(store, 'a')).toEqual(pattern(5));
});

test('of older versions only those go that have the tags and the size of the rule', async () => {
  const fixture = await versioned();
  const { store, env } = fixture;
  await put(store, 'a', 1, 'k=v');
  await put(store, 'a', 2);
  await put(store, 'a', 30, 'k=v');
  await store.deleteObject({ bucket, key: 'a' });
  await put(store, 'a', 4, 'k=v');
  const filter = { tags: [{ key: 'k', value: 'v' }], sizeLessThan: 30 };
  const { prefix: _prefix, ...filtered } = rule({ filter, noncurrentExpiration: { days: 1 } });
  await setRules(store, filtered);
  env.manualClock.advance(3 * DAY_MS);
  // A marker has neither tags nor a size.
  expect((await pass(fixture)).noncurrentExpired).toBe(1);
  expect(await listed(store)).toEqual(['a@4*', 'a@-', 'a@30', 'a@2']);
});

test('who asks for a pass while one waits or runs gets one that began later', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, env, tasks } = fixture;
  await setRules(store, rule({ expiration: { days: 1 } }));
  const first = store.runLifecycle();
  const second = store.runLifecycle();
  await tasks.runAll();
  expect(await Promise.all([first, second])).toHaveLength(2);
  await put(store, 'a');
  env.manualClock.advance(3 * DAY_MS);
  expect((await pass(fixture)).expired).toBe(1);
});

test('of racing deletes of newer versions, the ones that a rule keeps are never too few', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store, env } = fixture;
    await store.putBucketVersioning(bucket, 'Enabled');
    for (const size of [1, 2, 3]) await put(store, 'a', size);
    const { versions } = await store.listObjectVersions({ bucket, limit: 10 });
    const versionId = versions[1]?.versionId ?? '';
    await setRules(store, rule({ noncurrentExpiration: { days: 1, newerVersions: 1 } }));
    env.manualClock.advance(3 * DAY_MS);
    let oldestWas: string | undefined = 'a@2';
    const kv = wrap(async () => {
      await store.deleteObject({ bucket, key: 'a', versionId });
      oldestWas = (await listed(store)).at(-1);
    });
    await pass(fixture.again({ kv }));
    // Where the pass came first it took version 1 while there was version 2; else version 1 is the one that is kept.
    expect((await listed(store)).at(-1)).toBe(oldestWas);
  });
  expect(moments).toBeGreaterThan(3);
});

test('a marker that is due goes with no other version, whatever is written while a pass runs', async () => {
  await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store } = fixture;
    await store.putBucketVersioning(bucket, 'Enabled');
    await store.deleteObject({ bucket, key: 'a' });
    await setRules(store, rule({ expiration: { expiredObjectDeleteMarker: true } }));
    let there = [] as string[];
    const kv = wrap(async () => {
      await put(store, 'a', 7);
      await store.deleteObject({ bucket, key: 'a' });
      there = await listed(store);
    });
    await pass(fixture.again({ kv }));
    expect(await listed(store)).toEqual(there);
  });
});

test('a delete marker that is the only version goes, at once or at its age', async () => {
  const fixture = await versioned();
  const { store, env } = fixture;
  await put(store, 'a/kept');
  for (const key of ['a/1', 'a/kept', 'b/1']) await store.deleteObject({ bucket, key });
  await setRules(
    store,
    rule({ prefix: 'a/', expiration: { expiredObjectDeleteMarker: true } }),
    rule({ prefix: 'b/', expiration: { days: 3 } }),
    rule({ prefix: 'b/', filter: { sizeLessThan: 5 }, expiration: { days: 1 } }),
  );
  expect((await pass(fixture)).markersRemoved).toBe(1);
  expect(await listed(store)).toEqual(['a/kept@-*', 'a/kept@1', 'b/1@-*']);
  env.manualClock.advance(2 * DAY_MS);
  expect((await pass(fixture)).markersRemoved).toBe(0);
  env.manualClock.advance(2 * DAY_MS);
  expect((await pass(fixture)).markersRemoved).toBe(1);
  expect(await listed(store)).toEqual(['a/kept@-*', 'a/kept@1']);
  await store.deleteObject({ bucket, key: 'b/2' });
  await store.putBucketVersioning(bucket, 'Suspended');
  await setRules(store, rule({ expiration: { expiredObjectDeleteMarker: false } }));
  expect((await pass(fixture)).markersRemoved).toBe(0);
});

test('open uploads are aborted at their age, by prefix, and their parts are swept', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, env, kv } = fixture;
  for (const key of ['a/1', 'b/1']) {
    const upload = { bucket, key, metadata: { user: {} }, ownerId: 'me' };
    const { uploadId } = await store.createMultipartUpload(upload);
    const body = {
      pieces: (async function* () {
        yield pattern(3000);
      })(),
    };
    await store.uploadPart({ bucket, key, uploadId, partNumber: 1, body });
  }
  await setRules(store, rule({ prefix: 'a/', abortUploadsAfterDays: 2 }));
  env.manualClock.advance(DAY_MS);
  expect((await pass(fixture)).uploadsAborted).toBe(0);
  env.manualClock.advance(2 * DAY_MS);
  expect(await pass(fixture)).toMatchObject({ examined: 1, uploadsAborted: 1 });
  const { uploads } = await store.listMultipartUploads({ bucket, limit: 10 });
  expect(uploads.map(({ key }) => key)).toEqual(['b/1']);
  await fixture.tasks.runAll();
  expect(await countIn(kv, KEY_SPACE.part)).toBe(1);
});

test('object lock is respected: a locked version stays until it is free', async () => {
  const fixture = await versioned();
  const { store, env } = fixture;
  await store.putBucketObjectLock(bucket, undefined);
  const untilMs = env.clock.nowMs() + 9 * DAY_MS;
  await putBytes(store, 'a', pattern(1), {
    metadata: { user: {}, retention: `GOVERNANCE ${untilMs}` },
  });
  await putBytes(store, 'a', pattern(2), { metadata: { user: {}, legalHold: 'ON' } });
  await put(store, 'a', 3);
  await setRules(store, rule({ noncurrentExpiration: { days: 1 }, expiration: { days: 4 } }));
  env.manualClock.advance(3 * DAY_MS);
  expect(await pass(fixture)).toMatchObject({ noncurrentExpired: 0, locked: 2 });
  env.manualClock.advance(7 * DAY_MS);
  expect(await pass(fixture)).toMatchObject({ noncurrentExpired: 1, locked: 1, expired: 1 });
  expect(await listed(store)).toEqual(['a@-*', 'a@3', 'a@2']);
});

test.each(['off', 'Enabled', 'Suspended'] as const)(
  'whatever is written while a pass runs stays, versioning %s',
  async (state) => {
    const moments = await atEveryMoment(async (wrap, inner) => {
      const fixture = await openFixture({ ...LIMITS, kv: inner });
      const { store, env } = fixture;
      if (state !== 'off') await store.putBucketVersioning(bucket, state);
      await put(store, 'a', 1);
      await put(store, 'b', 2, 'x=y');
      const { prefix: _prefix, ...tagged } = rule({
        filter: { tags: [{ key: 'x', value: 'y' }] },
        expiration: { days: 1 },
      });
      await setRules(store, tagged, rule({ prefix: 'a', expiration: { days: 1 } }));
      env.manualClock.advance(3 * DAY_MS);
      let wrote = false;
      let keptB = false;
      const kv = wrap(async () => {
        await put(store, 'a', 1000);
        // What is no longer tagged is no longer the rule's, unless it went before.
        keptB = (await codeOf(store.putObjectTagging({ bucket, key: 'b' }, undefined))) === 'done';
        wrote = true;
      });
      await pass(fixture.again({ kv }));
      if (!wrote) return;
      expect(await getBytes(store, 'a')).toEqual(pattern(1000));
      if (keptB) expect(await getBytes(store, 'b')).toEqual(pattern(2));
    });
    expect(moments).toBeGreaterThan(5);
  },
);

test('a rule that is taken away while a pass runs takes nothing more', async () => {
  await atEveryMoment(async (wrap, inner) => {
    const fixture = await openFixture({ ...LIMITS, kv: inner });
    const { store, env } = fixture;
    await put(store, 'a');
    await setRules(store, rule({ expiration: { days: 1 } }));
    env.manualClock.advance(3 * DAY_MS);
    let there: string[] | undefined;
    const kv = wrap(async () => {
      await store.putBucketSetting(bucket, LIFECYCLE_SETTING, undefined);
      there = await listed(store);
    });
    await pass(fixture.again({ kv }));
    if (there !== undefined) expect(await listed(store)).toEqual(there);
  });
});

test('a pass that dies goes on where it had come to, and the next one begins anew', async () => {
  const kv = createMemoryStore();
  const fixture = await openFixture({ ...LIMITS, kv });
  const { store, env } = fixture;
  const operations = [];
  const template = await (async () => {
    await put(store, 'template');
    const { entries } = await kv.scan({ from: Uint8Array.of(KEY_SPACE.object), limit: 1 });
    return entries[0];
  })();
  const prefix = template?.key.subarray(0, 17) ?? new Uint8Array();
  for (let at = 0; at < 10_050; at++) {
    const name = new TextEncoder().encode(`k${String(at).padStart(6, '0')}`);
    const key = new Uint8Array([...prefix, ...name]);
    operations.push({ kind: 'put' as const, key, value: template?.value ?? new Uint8Array() });
  }
  for (let at = 0; at < operations.length; at += 1000) {
    await kv.transact({ operations: operations.slice(at, at + 1000) });
  }
  await setRules(store, rule({ expiration: { days: 400 } }));
  let transactions = 0;
  const dying = new Proxy(kv, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'transact') transactions++;
        if (name === 'get' && transactions > 0) throw new Error('the process is dead');
        return Reflect.apply(value, target, args);
      };
    },
  });
  const crashed = fixture.again({ kv: dying });
  // Not even what ends a pass is done by a dead process.
  await expect(pass(crashed)).rejects.toThrow('the process is dead');
  expect(await countIn(kv, KEY_SPACE.lifecyclePass)).toBe(1);
  const rest = await pass(fixture.again());
  expect(rest.examined).toBeLessThan(100);
  expect(rest.examined).toBeGreaterThan(40);
  expect(await countIn(kv, KEY_SPACE.lifecyclePass)).toBe(0);
  env.manualClock.advance(1);
  expect((await pass(fixture)).examined).toBe(10_051);
});

test('buckets without rules are not walked, and a bucket that cannot be read keeps no other from its turn', async () => {
  const fixture = await openFixture(LIMITS);
  const { store, env } = fixture;
  await put(store, 'a');
  expect((await pass(fixture)).examined).toBe(0);
  await setRules(store, rule({ expiration: { days: 1 } }));
  await store.createBucket('broken', { ownerId: 'me', region: 'us-east-1' });
  await store.putBucketSetting('broken', LIFECYCLE_SETTING, 'not JSON');
  await store.createBucket('aaa', { ownerId: 'me', region: 'us-east-1' });
  await store.putBucketSetting('aaa', LIFECYCLE_SETTING, 'not JSON');
  env.manualClock.advance(3 * DAY_MS);
  await expect(pass(fixture)).rejects.toThrow('JSON');
  expect(await listed(store)).toEqual([]);
});

test('a store that closes ends its pass', async () => {
  const { store } = await openFixture(LIMITS);
  const running = store.runLifecycle();
  const ended = expect(running).rejects.toMatchObject({ code: 'KV_CLOSED' });
  await store.close();
  await ended;
});
