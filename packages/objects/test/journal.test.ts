import { utf8 } from '@holdfast/bytes';
import type { KvStore, Transaction } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { beforeEach, expect, test } from 'vitest';
import type {
  ChangeFeed,
  FeedPlace,
  JournalOptions,
  ObjectStore,
  PlacedChange,
} from '../src/index.ts';
import {
  closeChangeFeed,
  createEventQueue,
  createObjectStore,
  LIFECYCLE_SETTING,
  NOTIFICATION_SETTING,
  openChangeFeed,
} from '../src/index.ts';
import { CHANGE_PREFIX } from '../src/journal/journal.ts';
import { KEY_SPACE } from '../src/keys.ts';
import { countIn } from './consistency.ts';
import { type Fixture, openFixture, pattern, piecesOf, putBytes } from './fixture.ts';
import { atEveryMoment } from './intruder.ts';

const VERSION_SPACES: readonly number[] = [
  KEY_SPACE.object,
  KEY_SPACE.objectVersion,
  KEY_SPACE.deleteMarker,
];

/** Refuses what the journal's invariant forbids. */
function watching(kv: KvStore): KvStore {
  const transact = (transaction: Transaction): ReturnType<KvStore['transact']> => {
    const changes = transaction.operations.some(({ key }) => VERSION_SPACES.includes(key[0] ?? 0));
    const told = transaction.operations.some(
      ({ kind, key }) => kind === 'append' && key[0] === KEY_SPACE.change,
    );
    expect(told, 'a version is written or removed, and the change is written down').toBe(changes);
    return kv.transact(transaction);
  };
  return new Proxy(kv, {
    get: (target, name) => {
      if (name === 'transact') return transact;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface Journaled {
  readonly fixture: Fixture;
  readonly store: ObjectStore;
  readonly kv: KvStore;
  readonly feed: ChangeFeed;
  committed: number;
  taking: (target: string) => boolean;
}

let open: Journaled;
beforeEach(async () => {
  const kv = createMemoryStore();
  const feed = await openChangeFeed(kv);
  const parts = { committed: 0, taking: (_target: string): boolean => true };
  const journal: JournalOptions = {
    keepsChanges: true,
    takesEvents: (target) => parts.taking(target),
    onCommitted: () => {
      parts.committed++;
    },
  };
  const fixture = await openFixture({ kv: watching(kv), journal, minPartSizeBytes: 1 });
  open = Object.assign(parts, { fixture, store: fixture.store, kv, feed });
});

/** Every change so far, in pages of two. */
async function changes(): Promise<PlacedChange[]> {
  const found: PlacedChange[] = [];
  let place = await oldestOf(open.feed);
  for (;;) {
    const page = await open.feed.after(place, 2);
    if (page.kind !== 'page') throw new Error(page.kind);
    found.push(...page.changes);
    const last = page.changes.at(-1);
    if (last !== undefined) place = last;
    if (!page.more) return found;
  }
}

async function oldestOf(feed: ChangeFeed): Promise<FeedPlace> {
  const oldest = await feed.oldest();
  if (oldest === undefined) throw new Error('the feed is closed');
  return oldest;
}

const told = async (): Promise<string[]> =>
  (await changes()).map(({ name, key }) => `${name} ${key}`);

test('every kind of write is told once, in the order of the commits', async () => {
  const { store } = open;
  await putBytes(store, 'small', pattern(10));
  await putBytes(store, 'large', pattern(3_000_000), { event: 'ObjectCreated:Post' });
  await store.copyObject({
    bucket: 'bucket',
    key: 'copy',
    source: { bucket: 'bucket', key: 'small' },
  });
  const upload = await store.createMultipartUpload({
    bucket: 'bucket',
    key: 'parts',
    ownerId: 'me',
    metadata: { user: {} },
  });
  const address = { bucket: 'bucket', key: 'parts', uploadId: upload.uploadId };
  const body = { sizeBytes: 5, pieces: piecesOf(pattern(5)) };
  const { etag } = await store.uploadPart({ ...address, partNumber: 1, body });
  await store.completeMultipartUpload({ ...address, parts: [{ partNumber: 1, etag }] });
  await store.putObjectTagging({ bucket: 'bucket', key: 'small' }, 'a=b');
  await store.putObjectTagging({ bucket: 'bucket', key: 'small' }, undefined);
  await store.putObjectAccess({ bucket: 'bucket', key: 'small' }, { ownerId: 'me' });
  await store.renameObject({ bucket: 'bucket', key: 'renamed', sourceKey: 'copy' });
  await store.deleteObject({ bucket: 'bucket', key: 'small' });
  await store.deleteObject({ bucket: 'bucket', key: 'was never there' });
  expect(await told()).toEqual([
    'ObjectCreated:Put small',
    'ObjectCreated:Post large',
    'ObjectCreated:Copy copy',
    'ObjectCreated:CompleteMultipartUpload parts',
    'ObjectTagging:Put small',
    'ObjectTagging:Delete small',
    'ObjectAcl:Put small',
    'ObjectRemoved:Delete copy',
    'ObjectCreated:Copy renamed',
    'ObjectRemoved:Delete small',
  ]);
  const [put] = await changes();
  const { etag: putEtag } = put as PlacedChange;
  expect(put).toMatchObject({ bucket: 'bucket', sizeBytes: 10, versionId: undefined });
  expect(putEtag).toMatch(/^[0-9a-f]{32}$/);
  const removed = (await changes()).filter(({ name }) => name.startsWith('ObjectRemoved:'));
  expect(removed.map(({ sizeBytes, etag: none }) => [sizeBytes, none])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  expect(open.committed).toBe(9);
});

test('operations of a transaction are told in their order, and what changes nothing is not', async () => {
  const { store } = open;
  await putBytes(store, 'old', pattern(1));
  await store.transactObjects({
    bucket: 'bucket',
    operations: (async function* () {
      const metadata = { user: {} };
      const body = { sizeBytes: 1, pieces: piecesOf(pattern(1)) };
      yield { op: 'put', key: 'new', body, metadata } as const;
      yield { op: 'copy', key: 'twin', source: { bucket: 'bucket', key: 'old' } } as const;
      yield { op: 'delete', key: 'old' } as const;
      yield { op: 'check', key: 'other' } as const;
      yield { op: 'delete', key: 'missing' } as const;
    })(),
  });
  const [, ...all] = await changes();
  expect(all.map(({ name, key }) => `${name} ${key}`)).toEqual([
    'ObjectCreated:Put new',
    'ObjectCreated:Copy twin',
    'ObjectRemoved:Delete old',
  ]);
  expect(new Set(all.map(({ revision }) => revision)).size).toBe(1);
});

test('versions, their markers and their removal are told with their ids', async () => {
  const { store } = open;
  await store.putBucketVersioning('bucket', 'Enabled');
  const { versionId = '' } = await putBytes(store, 'k', pattern(1));
  await putBytes(store, 'k', pattern(2));
  const marker = await store.deleteObject({ bucket: 'bucket', key: 'k' });
  await store.deleteObject({ bucket: 'bucket', key: 'k', versionId: marker.versionId ?? '' });
  await store.deleteObject({ bucket: 'bucket', key: 'k', versionId });
  expect(await told()).toEqual([
    'ObjectCreated:Put k',
    'ObjectCreated:Put k',
    'ObjectRemoved:DeleteMarkerCreated k',
    'ObjectRemoved:Delete k',
    'ObjectRemoved:Delete k',
  ]);
  const ids = (await changes()).map((change) => change.versionId);
  expect([ids[0], ids[2], ids[4]]).toEqual([versionId, marker.versionId, versionId]);
});

test('what a lifecycle rule takes away is told as such', async () => {
  const { store, fixture } = open;
  const rules = [{ id: 'all', enabled: true, prefix: '', expiration: { days: 1 } }];
  const text = JSON.stringify({ rules, transitionMinimumSize: 'all_storage_classes_128K' });
  await store.putBucketSetting('bucket', LIFECYCLE_SETTING, text);
  const pass = async (): Promise<void> => {
    fixture.env.manualClock.advance(3 * 24 * 60 * 60 * 1000);
    await Promise.all([store.runLifecycle(), fixture.tasks.runAll()]);
  };
  await putBytes(store, 'plain', pattern(1));
  await pass();
  await store.putBucketVersioning('bucket', 'Enabled');
  await putBytes(store, 'kept', pattern(1));
  await pass();
  expect(await told()).toEqual([
    'ObjectCreated:Put plain',
    'LifecycleExpiration:Delete plain',
    'ObjectCreated:Put kept',
    'LifecycleExpiration:DeleteMarkerCreated kept',
  ]);
  const [, plain] = await changes();
  expect(plain).toMatchObject({ sizeBytes: 0, etag: '' });
});

test('a write that was refused or lost its race is not told', async () => {
  const { store } = open;
  await putBytes(store, 'k', pattern(1));
  const conditions = { ifNoneMatch: '*' } as const;
  await expect(putBytes(store, 'k', pattern(2), { conditions })).rejects.toThrow();
  await Promise.allSettled(
    Array.from({ length: 8 }, () => putBytes(store, 'race', pattern(3), { conditions })),
  );
  expect(await told()).toEqual(['ObjectCreated:Put k', 'ObjectCreated:Put race']);
});

test('a target has the events that its rules ask for, in order, until it has taken them', async () => {
  const { store, kv } = open;
  const rules = [
    { id: 'pictures', target: 'hook', events: ['ObjectCreated:*'], prefix: 'a/', suffix: '.jpg' },
    { id: 'gone', target: 'hook', events: ['ObjectRemoved:Delete'] },
    { id: 'other', target: 'other', events: ['ObjectCreated:Copy'] },
  ];
  await store.putBucketSetting('bucket', NOTIFICATION_SETTING, JSON.stringify(rules));
  for (const key of ['a/1.jpg', 'a/2.png', 'b/3.jpg', 'a/4.jpg']) {
    await putBytes(store, key, pattern(1));
  }
  await store.deleteObject({ bucket: 'bucket', key: 'a/1.jpg' });
  const queue = createEventQueue(kv);
  expect(await queue.oldest('other', 10)).toEqual([]);
  const first = await queue.oldest('hook', 2);
  expect(first.map(({ key, configurationId }) => [key, configurationId])).toEqual([
    ['a/1.jpg', 'pictures'],
    ['a/4.jpg', 'pictures'],
  ]);
  expect(await queue.oldest('hook', 2)).toEqual(first);
  expect(await queue.count('hook', 10)).toBe(3);
  await queue.acknowledge(first);
  const [gone] = await queue.oldest('hook', 10);
  expect([gone?.name, gone?.key]).toEqual(['ObjectRemoved:Delete', 'a/1.jpg']);
});

test('old events of targets that are not known any more are removed, and no others', async () => {
  const { store, kv, fixture } = open;
  const rules = ['a', 'gone', 'gone too', 'z'].map((target) => {
    return { id: target, target, events: ['ObjectCreated:*'] };
  });
  await store.putBucketSetting('bucket', NOTIFICATION_SETTING, JSON.stringify(rules));
  for (const key of ['1', '2', '3']) {
    await putBytes(store, key, pattern(1));
    fixture.env.manualClock.advance(1000);
  }
  const queue = createEventQueue(kv);
  const [, , third] = await queue.oldest('gone', 3);
  const beforeMs = third?.timeMs ?? 0;
  const removed = await queue.removeOthers(new Set(['a', 'z', 'gone too']), beforeMs);
  expect([...removed]).toEqual([['gone', 2]]);
  const left = ['a', 'gone', 'gone too', 'z'].map((target) => queue.count(target, 9));
  expect(await Promise.all(left)).toEqual([3, 1, 3, 3]);
  expect([...(await queue.removeOthers(new Set(), beforeMs)).keys()]).toEqual([
    'a',
    'z',
    'gone too',
  ]);
  expect(await countIn(kv, KEY_SPACE.event)).toBe(4);
});

test('a target that takes no events has none written down, and the write is done', async () => {
  const rules = [{ id: 'all', target: 'hook', events: ['ObjectCreated:*'] }];
  await open.store.putBucketSetting('bucket', NOTIFICATION_SETTING, JSON.stringify(rules));
  open.taking = () => false;
  await putBytes(open.store, 'k', pattern(1));
  expect(await createEventQueue(open.kv).count('hook', 10)).toBe(0);
  expect(await told()).toEqual(['ObjectCreated:Put k']);
});

test('a place before what was trimmed is expired, one after it goes on, and one ahead is named', async () => {
  const { store, feed, fixture } = open;
  const begin = await oldestOf(feed);
  for (const key of ['1', '2', '3', '4']) {
    await putBytes(store, key, pattern(1));
    fixture.env.manualClock.advance(1000);
  }
  const all = await changes();
  const [, second, third] = all as [PlacedChange, PlacedChange, PlacedChange];
  expect(await feed.trim(third.timeMs, 100)).toBe(2);
  expect(await feed.after(begin, 10)).toEqual({ kind: 'expired', oldest: place(second) });
  expect(await feed.after(second, 1)).toMatchObject({ changes: [{ key: '3' }], more: true });
  expect(await feed.trim(0, 1)).toBe(1);
  expect(await feed.after(second, 1)).toEqual({ kind: 'expired', oldest: place(third) });
  expect(await feed.after(third, 9)).toMatchObject({ changes: [{ key: '4' }], more: false });
  expect(await feed.newest()).toEqual(place(all[3] as PlacedChange));
  expect(await feed.after({ revision: 1_000_000, position: 0 }, 9)).toEqual({ kind: 'ahead' });
});

test('a feed of more changes than go into one transaction is trimmed to what is to be kept, and turned off whole', async () => {
  const { store, feed, kv } = open;
  for (const round of ['a', 'b', 'c']) {
    await store.transactObjects({
      bucket: 'bucket',
      operations: (async function* () {
        for (let at = 0; at < 1000; at++) {
          const body = { sizeBytes: 0, pieces: piecesOf(pattern(0)) };
          yield { op: 'put', key: `${round}${at}`, body, metadata: { user: {} } } as const;
        }
      })(),
    });
  }
  expect(await feed.trim(0, 2500)).toBe(500);
  expect(await countIn(kv, KEY_SPACE.change)).toBe(2500);
  expect(await feed.trim(0, 1500)).toBe(1000);
  const page = await feed.after(await oldestOf(feed), 3);
  expect(page).toMatchObject({ kind: 'page', more: true });
  expect(page.kind === 'page' && page.changes.map(({ key }) => key)).toEqual([
    'b500',
    'b501',
    'b502',
  ]);
  await closeChangeFeed(kv);
  expect(await countIn(kv, KEY_SPACE.change)).toBe(0);
});

test('a feed of more changes than are counted at once is trimmed to what is to be kept', async () => {
  const { store, feed, kv } = open;
  await putBytes(store, 'k', pattern(1));
  const { entries } = await kv.scan({ from: CHANGE_PREFIX, limit: 1 });
  const value = entries[0]?.value ?? new Uint8Array();
  const again = { kind: 'append' as const, key: CHANGE_PREFIX, suffix: utf8('k'), value };
  for (let round = 0; round < 12; round++) {
    await kv.transact({ operations: Array.from({ length: 1000 }, () => again) });
  }
  expect(await feed.trim(0, 11_000)).toBe(1001);
  expect(await countIn(kv, KEY_SPACE.change)).toBe(11_000);
});

test('whatever another node trims in any moment, no reader is led over what is gone', async () => {
  const moments = await atEveryMoment(async (wrap, inner) => {
    const feed = await openChangeFeed(inner);
    const journal: JournalOptions = {
      keepsChanges: true,
      takesEvents: () => false,
      onCommitted: () => {},
    };
    const { store } = await openFixture({ kv: inner, journal });
    for (const key of ['1', '2', '3', '4']) await putBytes(store, key, pattern(1));
    const begin = await oldestOf(feed);
    const page = await feed.after(begin, 9);
    if (page.kind !== 'page') throw new Error(page.kind);
    const wrapped = wrap(() => feed.trim(0, 1));
    const other = await openChangeFeed(wrapped);
    await other.trim(0, 3);
    const left = await feed.after(await oldestOf(feed), 9);
    expect(left.kind).toBe('page');
    for (const [at, change] of [begin, ...page.changes].entries()) {
      const found = await feed.after(place(change), 9);
      if (found.kind === 'page') expect(found.changes).toEqual(page.changes.slice(at));
    }
  });
  expect(moments).toBeGreaterThan(3);
});

test('what was written down before the feed was turned on moves its place nowhere', async () => {
  const { store, kv } = open;
  await kv.transact({ operations: [{ kind: 'delete', key: Uint8Array.of(KEY_SPACE.feed) }] });
  await putBytes(store, '1', pattern(1));
  const again = await openChangeFeed(kv);
  const begin = await again.oldest();
  await putBytes(store, '2', pattern(1));
  expect(await again.trim(0, 1)).toBe(1);
  expect(await again.oldest()).toEqual(begin);
});

test('a feed that was turned off has no old places when it is turned on again', async () => {
  const { store, feed, kv } = open;
  await putBytes(store, '1', pattern(1));
  const newest = (await feed.newest()) as FeedPlace;
  await closeChangeFeed(kv);
  expect(await feed.after(newest, 9)).toEqual({ kind: 'closed' });
  expect([await feed.oldest(), await feed.newest()]).toEqual([undefined, undefined]);
  const again = await openChangeFeed(kv);
  expect(await again.after(newest, 9)).toMatchObject({ kind: 'expired' });
  await putBytes(store, '2', pattern(1));
  expect(await again.after(await oldestOf(again), 9)).toMatchObject({ changes: [{ key: '2' }] });
});

function place({ revision, position }: FeedPlace): FeedPlace {
  return { revision, position };
}

test('what a feed that was turned off has left is removed at the next start', async () => {
  const { store, kv } = open;
  await putBytes(store, '1', pattern(1));
  const key = Uint8Array.of(KEY_SPACE.feed);
  await kv.transact({ operations: [{ kind: 'delete', key }] });
  expect(await countIn(kv, KEY_SPACE.change)).toBe(1);
  await closeChangeFeed(kv);
  expect(await countIn(kv, KEY_SPACE.change)).toBe(0);
});

test('a feed whose entries were copied to a store of its own begins anew', async () => {
  const { fixture, store, kv } = open;
  for (const key of ['1', '2', '3']) await putBytes(store, key, pattern(1));
  const { entries } = await kv.scan({ limit: 1000 });
  const copy = createMemoryStore();
  await copy.transact({
    operations: entries.map(({ key, value }) => ({ kind: 'put', key, value })),
  });
  const feed = await openChangeFeed(copy);
  const begin = (await feed.newest()) as FeedPlace;
  const onCommitted = (): void => undefined;
  const journal: JournalOptions = { keepsChanges: true, takesEvents: () => true, onCommitted };
  const { env, tasks } = fixture;
  const copied = createObjectStore({ kv: copy, env, tasks: tasks.factory, journal });
  await putBytes(copied, '4', pattern(1));
  const page = await feed.after(begin, 9);
  expect(page).toMatchObject({ kind: 'page', changes: [{ key: '4' }], more: false });
  expect(await feed.after((await feed.newest()) as FeedPlace, 9)).toMatchObject({
    kind: 'page',
    changes: [],
  });
});
