/** The agreement on master keys, step by step: three members on one store, each with its own file of keys. */
import type { Env } from '@holdfast/env';
import { createMemoryEnv } from '@holdfast/env/memory';
import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { createObjectStore, type ObjectStore } from '@holdfast/objects';
import { expect, test } from 'vitest';
import { AgreedKeys } from '../../src/keys/agreed-keys.ts';
import { readAgreement } from '../../src/keys/key-agreement.ts';
import { KeyKeeper } from '../../src/keys/key-keeper.ts';
import { listUse } from '../../src/keys/key-usage.ts';
import { silentLog } from '../../src/log.ts';
import { SettingsError } from '../../src/settings-error.ts';
import { createTaskQueueFactory } from '../../src/task-queue.ts';
import { loadUsers, storeUsers } from '../../src/users/user-store.ts';

const OLD = new Uint8Array(32).fill(1);
const YOUNG = new Uint8Array(32).fill(2);
const MEMBERS = ['n1', 'n2', 'n3'];
const bucket = 'bucket';

/** One process of a member. */
interface Member {
  readonly keys: AgreedKeys;
  readonly keeper: KeyKeeper;
  readonly objects: ObjectStore;
}

/** The store that all members have in common. */
interface Shared {
  readonly env: Env;
  readonly kv: KvStore;
}

async function newStore(): Promise<Shared> {
  const env = await createMemoryEnv();
  return { env, kv: createMemoryStore({ clock: env.clock }) };
}

function startMember(
  { env, kv }: Shared,
  nodeId: string,
  file: readonly Uint8Array[],
  { leads = false, ownKv = kv, stillLeads = () => leads } = {},
): Member {
  const keys = new AgreedKeys(env, '/master.key', file);
  const tasks = createTaskQueueFactory({ clock: env.clock, log: silentLog });
  const objects = createObjectStore({ kv: ownKv, env, tasks, masterKeys: keys });
  const keeper = new KeyKeeper({
    kv: ownKv,
    env,
    log: silentLog,
    objects,
    keys,
    nodeId,
    members: () => MEMBERS,
    leads: stillLeads,
  });
  return { keys, keeper, objects };
}

/** Three members that have the older key only and seal with it; an object and a user. */
async function sealedWithOld(): Promise<Shared> {
  const shared = await newStore();
  const [first] = await startAll(shared, [OLD]);
  const { objects, keys } = first as Member;
  await objects.createBucket(bucket, { ownerId: 'me', region: 'us-east-1' });
  await put(objects, 'before', bytes(10));
  const user = { id: 'u', displayName: 'u', email: undefined, accountId: 'u', policies: undefined };
  const pair = { accessKey: 'U', secretKey: 'a-secret' };
  await storeUsers(shared.kv, keys.secretBox(shared.env.random), [{ ...user, keys: [pair] }]);
  return shared;
}

/** The first one leads. */
async function startAll(shared: Shared, file: readonly Uint8Array[]): Promise<Member[]> {
  const members = MEMBERS.map((name, at) => startMember(shared, name, file, { leads: at === 0 }));
  for (const { keeper } of members) await keeper.follow();
  return members;
}

async function* bytes(size: number): AsyncGenerator<Uint8Array, void, undefined> {
  yield new Uint8Array(size);
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0;
  for await (const piece of pieces) sizeBytes += piece.length;
  return sizeBytes;
}

async function put(
  objects: ObjectStore,
  key: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const encryption = { kind: 'master' } as const;
  await objects.putObject({ bucket, key, metadata: { user: {} }, encryption, body: { pieces } });
}

/** The store of a process that ends after so many transactions. */
function endingAfter(kv: KvStore, transactions: number): KvStore {
  let left = transactions;
  return new Proxy(kv, {
    get: (target, name) => {
      if (name === 'transact' && left-- <= 0) return () => Promise.reject(new Error('it ended'));
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

async function presentOf({ env, kv }: Shared): Promise<'old' | 'young' | undefined> {
  const { present } = (await readAgreement(kv)).agreement;
  const names = new AgreedKeys(env, '', [OLD, YOUNG]).present;
  return (['old', 'young'] as const)[names.indexOf(present ?? '')];
}

/** Which keys the store knows to be in use. */
async function inUse({ env, kv }: Shared): Promise<string[]> {
  const names = new AgreedKeys(env, '', [OLD, YOUNG]).present;
  return (await listUse(kv))
    .map(({ fingerprint }) => ['old', 'young'][names.indexOf(fingerprint)] ?? '')
    .sort();
}

/** Reads everything with the younger key alone. */
async function expectReadable(shared: Shared, ...objectKeys: string[]): Promise<void> {
  const { keeper, objects, keys } = startMember(shared, 'n1', [YOUNG]);
  await keeper.follow();
  for (const key of objectKeys) {
    const reader = await objects.getObject({ bucket, key });
    await expect(whole(reader.body), key).resolves.toBeDefined();
  }
  const users = await loadUsers(shared.kv, keys.secretBox(shared.env.random));
  expect(users.map(({ id }) => id)).toEqual(['u']);
}

test('a key becomes the present one when every member has it, and not before', async () => {
  const shared = await sealedWithOld();
  const leader = startMember(shared, 'n1', [YOUNG, OLD], { leads: true });
  const second = startMember(shared, 'n2', [YOUNG, OLD]);
  for (const { keeper } of [leader, second]) await keeper.look();
  await leader.keeper.look();
  expect(await presentOf(shared)).toBe('old');
  await put(leader.objects, 'meanwhile', bytes(10));
  // The third, which was away, still opens what the others store.
  const third = startMember(shared, 'n3', [OLD]);
  await third.keeper.follow();
  await whole((await third.objects.getObject({ bucket, key: 'meanwhile' })).body);
  await startMember(shared, 'n3', [YOUNG, OLD]).keeper.follow();
  await leader.keeper.look();
  expect(await presentOf(shared)).toBe('young');
});

test('an older key is kept until every member seals with the present one, and then let go', async () => {
  const shared = await sealedWithOld();
  const [leader, second, third] = (await startAll(shared, [YOUNG, OLD])) as [
    Member,
    Member,
    Member,
  ];
  await leader.keeper.look();
  await second.keeper.look();
  // The third has not looked yet, and seals with the older key.
  await leader.keeper.look();
  expect(await inUse(shared)).toEqual(['old', 'young']);
  await put(third.objects, 'late', bytes(10));
  await put(third.objects, 'later', bytes(10));
  await third.keeper.look();
  await leader.keeper.look();
  expect(await inUse(shared)).toEqual(['young']);
  await expectReadable(shared, 'before', 'late', 'later');
});

test('a put that began before an older key was let go, and ends after it, is sealed with the present one', async () => {
  const shared = await sealedWithOld();
  const members = await startAll(shared, [YOUNG, OLD]);
  const [leader, second] = members as [Member, Member];
  const rest = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield new Uint8Array(1000);
    begun.resolve();
    await rest.promise;
    yield new Uint8Array(1000);
  };
  const slow = put(second.objects, 'slow', body());
  await begun.promise;
  for (let round = 0; round < 2; round++) for (const { keeper } of members) await keeper.look();
  await leader.keeper.look();
  expect(await inUse(shared)).toEqual(['young']);
  rest.resolve();
  await slow;
  await expectReadable(shared, 'before', 'slow');
});

test('a member that has only the older key is refused once another is the present one', async () => {
  const shared = await sealedWithOld();
  const [leader] = (await startAll(shared, [YOUNG, OLD])) as [Member];
  await leader.keeper.look();
  const late = startMember(shared, 'n3', [OLD]);
  await expect(late.keeper.follow()).rejects.toBeInstanceOf(SettingsError);
  await expect(late.keeper.follow()).rejects.toThrow(/The master key [0-9a-f]{16} is not in/);
  // It seals with nothing at all.
  await expect(put(late.objects, 'wrong', bytes(10))).rejects.toBeInstanceOf(SettingsError);
});

test('a leader that ends after any step leaves a rotation that the next one ends', async () => {
  for (let steps = 0; ; steps++) {
    const shared = await sealedWithOld();
    const members = await startAll(shared, [YOUNG, OLD]);
    const [, second, third] = members as [Member, Member, Member];
    const ending = endingAfter(shared.kv, steps);
    const leader = startMember(shared, 'n1', [YOUNG, OLD], { leads: true, ownKv: ending });
    const work = async (): Promise<boolean> => {
      await leader.keeper.look();
      for (const { keeper } of [second, third]) await keeper.look();
      await leader.keeper.look();
      return true;
    };
    const isWhole = await work().catch(() => false);
    const next = startMember(shared, 'n2', [YOUNG, OLD], { leads: true });
    const again = startMember(shared, 'n1', [YOUNG, OLD]);
    for (let round = 0; round < 2; round++) {
      for (const { keeper } of [next, again, third]) await keeper.look();
    }
    expect(await presentOf(shared), `${steps} steps`).toBe('young');
    expect(await inUse(shared), `${steps} steps`).toEqual(['young']);
    await expectReadable(shared, 'before');
    if (isWhole) break;
    expect(steps).toBeLessThan(20);
  }
});

test('a leader that leads no more in the middle of a pass does not let go of a key', async () => {
  const shared = await sealedWithOld();
  await startAll(shared, [YOUNG, OLD]);
  // It is asked once before the pass, and then for each record.
  let asked = 0;
  const options = { stillLeads: () => ++asked === 1 };
  await startMember(shared, 'n2', [YOUNG, OLD], { leads: true }).keeper.look();
  const former = startMember(shared, 'n1', [YOUNG, OLD], options);
  for (const name of MEMBERS) await startMember(shared, name, [YOUNG, OLD]).keeper.follow();
  await former.keeper.look();
  expect(asked).toBeGreaterThan(1);
  expect(await inUse(shared)).toEqual(['old', 'young']);
  await startMember(shared, 'n2', [YOUNG, OLD], { leads: true }).keeper.look();
  expect(await inUse(shared)).toEqual(['young']);
  await expectReadable(shared, 'before');
});

test('one that led before can no longer let go of a key that was made the present one again', async () => {
  const shared = await sealedWithOld();
  await startAll(shared, [YOUNG, OLD]);
  const { promise: passRuns, resolve: begin } = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const former = startMember(shared, 'n1', [YOUNG, OLD], { leads: true });
  await former.keeper.look();
  const others = ['n2', 'n3'].map((name) => startMember(shared, name, [YOUNG, OLD]));
  for (const { keeper } of others) await keeper.follow();
  const rewrapKeys = former.objects.rewrapKeys.bind(former.objects);
  former.objects.rewrapKeys = async (shouldStop) => {
    const report = await rewrapKeys(shouldStop);
    begin();
    await goOn.promise;
    return report;
  };
  const pass = former.keeper.look();
  await passRuns;
  // Meanwhile the operator goes back: all files have the older key first.
  const back = MEMBERS.map((name, at) =>
    startMember(shared, name, [OLD, YOUNG], { leads: at === 1 }),
  );
  for (const { keeper } of back) await keeper.follow();
  await back[1]?.keeper.look();
  expect(await presentOf(shared)).toBe('old');
  await put((back[1] as Member).objects, 'again', bytes(10));
  goOn.resolve();
  await pass;
  expect(await inUse(shared)).toContain('old');
});
