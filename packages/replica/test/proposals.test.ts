import { createNodeEnv } from '@holdfast/env/node';
import type { Transaction, TransactResult } from '@holdfast/kv';
import { encodeEntry } from '@holdfast/kv';
import { afterAll, expect, test } from 'vitest';
import { Proposals } from '../src/proposals.ts';
import type { SlotSession } from '../src/session-slots.ts';
import { SessionSlots } from '../src/session-slots.ts';
import { leaderAlone } from './fixtures/lone-raft.ts';

const { bodyChecksum, clock, digests, random } = await createNodeEnv();

afterAll(() => digests.close());

const operations = [{ kind: 'delete', key: Uint8Array.of(1) }] as const;

function headOf(session: Transaction['session']): Uint8Array {
  return encodeEntry({ operations, ...(session && { session }) }, bodyChecksum).head;
}

function committedAt(revision: number): TransactResult {
  return { committed: true, revision };
}

function open(): { readonly proposals: Proposals; readonly slots: SessionSlots } {
  const slots = new SessionSlots(random, 100);
  const limits = { sizeLimitBytes: 1e6, waitLimitMs: 1e6, waitTotalMs: 1e6 };
  const onWaiting = () => undefined;
  return { proposals: new Proposals({ clock, bodyChecksum, slots, ...limits, onWaiting }), slots };
}

test('what was applied of an earlier transaction of a slot is no answer to its next one', async () => {
  const { proposals, slots } = open();
  const earlier = slots.take() as SlotSession;
  slots.giveBack(earlier);
  const waiting = proposals.submit({ operations });
  proposals.answer(headOf(earlier), committedAt(7));
  expect(proposals.count).toBe(1);
  proposals.answer(headOf({ ...earlier, sequence: earlier.sequence + 1 }), committedAt(8));
  expect(await waiting).toEqual(committedAt(8));
  expect([proposals.count, proposals.waitingBytes]).toEqual([0, 0]);
  // The slot is free again, and its next sequence is a later one.
  expect(slots.take()).toEqual({ ...earlier, sequence: earlier.sequence + 2 });
});

test('a copy that is applied after the answer ends nothing twice: no two transactions get one name', async () => {
  const { proposals, slots } = open();
  const first = slots.take() as SlotSession;
  slots.giveBack(first);
  const waiting = proposals.submit({ operations });
  const head = headOf({ ...first, sequence: first.sequence + 1 });
  for (let copy = 0; copy < 2; copy++) proposals.answer(head, committedAt(7));
  expect(await waiting).toEqual(committedAt(7));
  expect([proposals.count, proposals.waitingBytes]).toEqual([0, 0]);
  const [one, other] = [slots.take(), slots.take()];
  expect(one?.clientId).not.toBe(other?.clientId);
});

test('each transaction gets the answer of its own slot', async () => {
  const { proposals, slots } = open();
  const first = slots.take() as SlotSession;
  slots.giveBack(first);
  const instance = first.clientId.slice(0, -1);
  const waiting = [0, 1, 2].map(() => proposals.submit({ operations }));
  for (const slot of [2, 1]) {
    const session = { clientId: `${instance}${slot}`, sequence: 1 };
    proposals.answer(headOf(session), committedAt(100 + slot));
  }
  proposals.answer(headOf({ ...first, sequence: 2 }), committedAt(100));
  expect(await Promise.all(waiting)).toEqual([100, 101, 102].map(committedAt));
});

test('all that a client asks under one name get its answer, and nobody else', async () => {
  const { proposals } = open();
  const session = { clientId: 'a client', sequence: 5 };
  const same = [0, 1].map(() => proposals.submit({ operations, session }));
  const other = proposals.submit({ operations, session: { ...session, sequence: 6 } });
  proposals.answer(headOf(undefined), committedAt(1));
  proposals.answer(headOf({ ...session, clientId: 'another' }), committedAt(2));
  expect(proposals.count).toBe(3);
  proposals.answer(headOf(session), committedAt(3));
  expect(await Promise.all(same)).toEqual([committedAt(3), committedAt(3)]);
  expect(proposals.count).toBe(1);
  proposals.answer(headOf({ ...session, sequence: 6 }), { stale: true, lastSequence: 9 });
  await expect(other).rejects.toMatchObject({ code: 'KV_SESSION_STALE' });
});

test('bodies are copied when they are submitted, small ones too, and none is another', () => {
  const { proposals } = open();
  const sizes = [5000, 16_384, 16_385, 20_000, 5000, 9000];
  const bodies = sizes.map((size, at) => new Uint8Array(size).fill(at + 1));
  for (const value of bodies) {
    void proposals.submit({ operations: [{ kind: 'put', key: Uint8Array.of(1), value }] });
  }
  for (const body of bodies) body.fill(99);
  const raft = leaderAlone();
  proposals.propose(raft);
  const commands = raft
    .ready()
    ?.persist?.entries.flatMap(({ content }) =>
      content?.type === 'command' ? [content.command] : [],
    );
  const proposed = commands?.map(({ body = [] }) => body.map((part) => new Set(part)));
  expect(proposed).toEqual(sizes.map((_, at) => [new Set([at + 1])]));
  expect(commands?.map(({ body = [] }) => body[0]?.length)).toEqual(sizes);
});
