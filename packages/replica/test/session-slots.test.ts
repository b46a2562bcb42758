import { createNodeEnv } from '@holdfast/env/node';
import { encodeEntry } from '@holdfast/kv';
import { afterAll, expect, test } from 'vitest';
import type { Session } from '../src/session-slots.ts';
import { SessionSlots, sessionOf } from '../src/session-slots.ts';

const { bodyChecksum, digests, random } = await createNodeEnv();

afterAll(() => digests.close());

function headOf(session?: Session): Uint8Array {
  const operations = [{ kind: 'delete', key: Uint8Array.of(1) }] as const;
  return encodeEntry({ operations, ...(session && { session }) }, bodyChecksum).head;
}

/** Takes so many, of which each is the next one's neighbour. */
function taken(slots: SessionSlots, count: number) {
  return Array.from(
    { length: count },
    () => slots.take() as NonNullable<ReturnType<typeof slots.take>>,
  );
}

test('a slot finds its own transaction by the head, and every node its session', () => {
  const slots = new SessionSlots(random, 2000);
  for (const session of taken(slots, 1200)) {
    const { slot, sequence, clientId } = session;
    expect(slots.ownOf(headOf(session))).toEqual({ slot, sequence });
    expect(sessionOf(headOf(session))).toEqual({ clientId, sequence });
  }
});

test('a slot that is free again gives a later sequence, however long that is', () => {
  const slots = new SessionSlots(random, 1);
  const [first] = taken(slots, 1);
  expect(slots.take()).toBeUndefined();
  slots.giveBack({ ...(first as NonNullable<typeof first>), sequence: 2 ** 40 });
  const next = slots.take();
  expect(next).toEqual({ ...first, sequence: 2 ** 40 + 1 });
  expect(slots.ownOf(headOf(next))).toEqual({ slot: 0, sequence: 2 ** 40 + 1 });
});

test('the slot that was free last is taken next: few are used as long as little is under way', () => {
  const slots = new SessionSlots(random, 100);
  for (const session of taken(slots, 50)) slots.giveBack(session);
  const used = new Set<number>();
  for (let round = 0; round < 100; round++) {
    const [first, second] = taken(slots, 2);
    for (const session of [first, second]) {
      used.add(session?.slot ?? -1);
      slots.giveBack(session as NonNullable<typeof session>);
    }
  }
  expect(used.size).toBe(2);
});

test('what other nodes, earlier starts and clients name is none of the own', () => {
  const slots = new SessionSlots(random, 1);
  const [own] = taken(slots, 1);
  const { clientId } = own as NonNullable<typeof own>;
  const [other] = taken(new SessionSlots(random, 1), 1);
  expect(slots.ownOf(headOf(other))).toBeUndefined();
  for (const name of [
    'a',
    clientId.slice(0, 17),
    clientId.slice(1),
    `x${clientId}`,
    'é'.repeat(100),
  ]) {
    expect(slots.ownOf(headOf({ clientId: name, sequence: 1 })), name).toBeUndefined();
  }
  expect(slots.ownOf(headOf())).toBeUndefined();
  // The second byte says whether there is a name.
  const unnamed = headOf(own);
  unnamed[1] = (unnamed[1] ?? 0) & ~1;
  expect([slots.ownOf(unnamed), sessionOf(unnamed)]).toEqual([undefined, undefined]);
});
