import { createMemoryEnv } from '@holdfast/env/memory';
import { createMemoryStore } from '@holdfast/kv/testing';
import { createObjectStore } from '@holdfast/objects';
import { expect, test } from 'vitest';
import { KeyRing } from '../../src/keys/key-ring.ts';
import { listUse } from '../../src/keys/key-usage.ts';
import { startRewrap } from '../../src/keys/rewrap-outdated.ts';
import { silentLog } from '../../src/log.ts';
import { createTaskQueueFactory } from '../../src/task-queue.ts';

test('a pass that a stop cut short keeps in mind that the older key is in use', async () => {
  const env = await createMemoryEnv();
  const kv = createMemoryStore({ clock: env.clock });
  const [young, old] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const storeWith = (versions: readonly Uint8Array[]) =>
    createObjectStore({
      kv,
      env,
      tasks: createTaskQueueFactory({ clock: env.clock, log: silentLog }),
      masterKeys: new KeyRing({
        env,
        kv,
        kind: 'master',
        defaultKeyId: 'master',
        load: async () => new Map([['master', versions]]),
      }),
    });
  const before = storeWith([old]);
  await before.createBucket('bucket', { ownerId: 'me', region: 'us-east-1' });
  await before.putObject({
    bucket: 'bucket',
    key: 'k',
    metadata: { user: {} },
    encryption: { kind: 'master' },
    body: {
      pieces: (async function* () {
        yield new Uint8Array(10);
      })(),
    },
  });
  const outdated = await listUse(kv);
  expect(outdated.map(({ kind, keyId }) => [kind, keyId])).toEqual([['master', 'master']]);
  const after = storeWith([young, old]);
  const options = { objects: after, kv, log: silentLog, outdated };
  await startRewrap(options).stop();
  expect(await listUse(kv)).toEqual(outdated);
  // One that ends by itself forgets it, and has noted the present key before.
  expect(await after.rewrapKeys()).toEqual({ rewrapped: 1, failed: 0, whole: true });
  const both = await listUse(kv);
  expect(both.length).toBe(2);
  await before.close();
  await after.close();
});
