import { beforeEach, expect, test } from 'vitest';
import type { LifecycleReport, LifecycleRule, Retention } from '../src/index.ts';
import { LIFECYCLE_SETTING } from '../src/index.ts';
import { type Fixture, openFixture, pattern, putBytes, refusalCode } from './fixture.ts';

const bucket = 'bucket';
const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

let open: Fixture;
beforeEach(async () => {
  open = await openFixture();
  await open.store.putBucketVersioning(bucket, 'Enabled');
  await open.store.putBucketObjectLock(bucket, undefined);
});

/** A version of `key` with the retention. */
async function put(key: string, retention?: Retention): Promise<string> {
  const metadata = {
    user: {},
    ...(retention && { retention: `${retention.mode} ${retention.untilMs}` }),
  };
  const { versionId } = await putBytes(open.store, key, pattern(10), { metadata });
  if (versionId === undefined) throw new Error('the bucket has no versions');
  return versionId;
}

/** What came of a change. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'done',
    (error: unknown) => (error as { readonly code: string }).code,
  );
}

async function pass(): Promise<LifecycleReport> {
  const [report] = await Promise.all([open.store.runLifecycle(), open.tasks.runAll()]);
  return report;
}

const inHours = (hours: number): number => open.env.clock.nowMs() + hours * HOUR_MS;

test.each([
  ['GOVERNANCE', false, 'AccessDenied'],
  ['GOVERNANCE', true, 'done'],
  ['COMPLIANCE', false, 'AccessDenied'],
  ['COMPLIANCE', true, 'AccessDenied'],
] as const)(
  'to delete a version under %s, or to weaken its retention, with a bypass: %s is %s',
  async (mode, bypassGovernance, outcome) => {
    const { store } = open;
    const weaker: readonly (Retention | undefined)[] = [
      undefined,
      { mode, untilMs: inHours(1) - 1000 },
      { mode: mode === 'COMPLIANCE' ? 'GOVERNANCE' : 'COMPLIANCE', untilMs: inHours(2) },
    ];
    for (const retention of weaker) {
      const versionId = await put('a', { mode, untilMs: inHours(1) });
      const request = { bucket, key: 'a', versionId, retention, bypassGovernance };
      expect(await outcomeOf(store.putObjectRetention(request))).toBe(outcome);
    }
    const versionId = await put('a', { mode, untilMs: inHours(1) });
    const deletion = { bucket, key: 'a', versionId, bypassGovernance };
    expect(await outcomeOf(store.deleteObject(deletion))).toBe(outcome);
    open.env.manualClock.advance(HOUR_MS);
    await store.deleteObject({ ...deletion, bypassGovernance: false });
  },
);

test.each(['GOVERNANCE', 'COMPLIANCE'] as const)(
  'a retention by %s is put again or prolonged by everybody, and weakened when it is over',
  async (mode) => {
    const { store } = open;
    const untilMs = inHours(1);
    const versionId = await put('a', { mode, untilMs });
    const change = (retention: Retention | undefined): Promise<string> =>
      outcomeOf(store.putObjectRetention({ bucket, key: 'a', versionId, retention }));
    expect(await change({ mode, untilMs })).toBe('done');
    expect(await change({ mode, untilMs: untilMs + 1 })).toBe('done');
    expect(await change({ mode, untilMs })).toBe('AccessDenied');
    open.env.manualClock.advance(HOUR_MS + 1);
    expect(await change(undefined)).toBe('done');
  },
);

test('a legal hold keeps a version whatever its retention is, and is bypassed by nobody', async () => {
  const { store } = open;
  const versionId = await put('a', { mode: 'GOVERNANCE', untilMs: inHours(1) });
  const address = { bucket, key: 'a', versionId };
  await store.putObjectLegalHold(address, 'ON');
  const deletion = { ...address, bypassGovernance: true };
  expect(await refusalCode(store.deleteObject(deletion))).toBe('AccessDenied');
  open.env.manualClock.advance(DAY_MS);
  expect(await refusalCode(store.deleteObject(deletion))).toBe('AccessDenied');
  await store.putObjectLegalHold(address, 'OFF');
  await store.deleteObject({ ...deletion, bypassGovernance: false });
});

test('object lock is switched on only where there are versions, and they stay', async () => {
  const { store } = open;
  await store.createBucket('plain', { ownerId: 'me', region: 'us-east-1' });
  expect(await refusalCode(store.putBucketObjectLock('plain', undefined))).toBe(
    'InvalidBucketState',
  );
  expect(await refusalCode(store.putBucketVersioning(bucket, 'Suspended'))).toBe(
    'InvalidBucketState',
  );
});

test('a rule hides a locked version behind a delete marker, and takes it away only when it may go', async () => {
  const { store, env } = open;
  const expires: LifecycleRule = {
    id: 'all',
    enabled: true,
    prefix: '',
    expiration: { days: 1 },
    noncurrentExpiration: { days: 1 },
  };
  const rules = { rules: [expires], transitionMinimumSize: 'all_storage_classes_128K' };
  await store.putBucketSetting(bucket, LIFECYCLE_SETTING, JSON.stringify(rules));
  await put('a', { mode: 'COMPLIANCE', untilMs: env.clock.nowMs() + 30 * DAY_MS });
  env.manualClock.advance(3 * DAY_MS);
  expect(await pass()).toMatchObject({ expired: 1, locked: 0 });
  const listed = async (): Promise<boolean[]> =>
    (await store.listObjectVersions({ bucket, limit: 10 })).versions.map(
      ({ isDeleteMarker }) => isDeleteMarker,
    );
  expect(await listed()).toEqual([true, false]);
  env.manualClock.advance(3 * DAY_MS);
  expect(await pass()).toMatchObject({ noncurrentExpired: 0, locked: 1 });
  expect(await listed()).toEqual([true, false]);
  env.manualClock.advance(30 * DAY_MS);
  expect(await pass()).toMatchObject({ noncurrentExpired: 1, locked: 0 });
});

test.each([
  { days: 2, lockedDays: 2 },
  { years: 1, lockedDays: 365 },
])(
  'what is put gets the retention of the bucket, counted from then, unless it has its own: %o',
  async ({ lockedDays, ...length }) => {
    const { store, env } = open;
    await store.putBucketObjectLock(bucket, { mode: 'COMPLIANCE', ...length });
    const versionId = await put('a');
    const own = await put('b', { mode: 'COMPLIANCE', untilMs: inHours(1) });
    env.manualClock.advance(HOUR_MS);
    await store.deleteObject({ bucket, key: 'b', versionId: own });
    env.manualClock.advance(lockedDays * DAY_MS - HOUR_MS - 1);
    const removed = (): Promise<string> =>
      outcomeOf(store.deleteObject({ bucket, key: 'a', versionId, bypassGovernance: true }));
    expect(await removed()).toBe('AccessDenied');
    env.manualClock.advance(1);
    expect(await removed()).toBe('done');
  },
);

test('a lock is refused where the bucket has none', async () => {
  const { store } = open;
  await store.createBucket('plain', { ownerId: 'me', region: 'us-east-1' });
  for (const lock of [{ retention: `GOVERNANCE ${inHours(1)}` }, { legalHold: 'ON' as const }]) {
    const refused = putBytes(store, 'k', pattern(1), {
      bucket: 'plain',
      metadata: { user: {}, ...lock },
    });
    expect(await refusalCode(refused)).toBe('InvalidRequest');
  }
});
