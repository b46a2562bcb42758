import { ManualClock } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { silentLog } from '../../src/log.ts';
import { SecretBox } from '../../src/users/secret-box.ts';
import type { UserRecord } from '../../src/users/user-record.ts';
import { addUsers, loadUsers, usersVersion } from '../../src/users/user-store.ts';
import { UserWatch } from '../../src/users/user-watch.ts';
import { turn } from '../gate.ts';

const INTERVAL_MS = 1000;
/** More than are read in one step. */
const MANY = 450;

const { random } = await createNodeEnv();
const box = new SecretBox([new Uint8Array(32)], random);

function userOf(number: number): UserRecord {
  const id = `user-${String(number).padStart(4, '0')}`;
  const keys = [{ accessKey: `KEY${number}`, secretKey: `secret ${number}` }];
  const policies = number % 2 === 0 ? ['{}'] : undefined;
  return {
    id,
    displayName: `No. ${number}`,
    email: `${id}@a.example`,
    accountId: id,
    keys,
    policies,
  };
}

test('users of more than one step are read as they were stored, their e-mail and policies too', async () => {
  const kv = createMemoryStore();
  const users = Array.from({ length: MANY }, (_, number) => userOf(number));
  expect(await addUsers(kv, box, users, undefined, undefined)).toEqual({ stored: MANY });
  expect(await loadUsers(kv, box)).toEqual(users);
});

test('users are read anew where another node has stored any, and again where that has failed', async () => {
  const kv = createMemoryStore();
  const clock = new ManualClock();
  const users = Array.from({ length: MANY }, (_, number) => userOf(number));
  await addUsers(kv, box, users, undefined, undefined);
  let reloads = 0;
  let isFailing = true;
  const watch = new UserWatch({
    kv,
    clock,
    log: silentLog,
    intervalMs: INTERVAL_MS,
    reload: async () => {
      reloads++;
      if (isFailing) throw new Error('there is no leader');
    },
  });
  const look = async (): Promise<number> => {
    clock.advance(INTERVAL_MS);
    for (let turns = 0; turns < 10; turns++) await turn();
    return reloads;
  };
  watch.start();
  expect(await look()).toBe(1);
  expect(await look()).toBe(2);
  isFailing = false;
  expect(await look()).toBe(3);
  expect(await look()).toBe(3);
  // The last of them all, in the order in which they are read.
  await addUsers(kv, box, [userOf(MANY)], await usersVersion(kv), undefined);
  expect(await look()).toBe(4);
  expect(await look()).toBe(4);
  await watch.stop();
  expect(clock.pendingTimers).toBe(0);
});
