/** What becomes of a transaction that is handed to the leader, until it is answered. */
import { logIndex, term } from '@holdfast/bytes';
import { ManualClock, SeededRandom } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import type { Transaction, TransactResult } from '@holdfast/kv';
import { encodeEntry } from '@holdfast/kv';
import type { ForwardOutcome, Raft } from '@holdfast/raft';
import { afterAll, expect, test } from 'vitest';
import { Proposals } from '../src/proposals.ts';
import { SessionSlots, sessionOf } from '../src/session-slots.ts';
import { followerOf, leaderAlone } from './fixtures/lone-raft.ts';

const { bodyChecksum, digests } = await createNodeEnv();

afterAll(() => digests.close());

const LIMITS = { waitLimitMs: 100, waitTotalMs: 1000 };
const MIB = 1024 * 1024;
type Session = NonNullable<Transaction['session']>;

class Sent {
  readonly clock = new ManualClock();
  readonly raft: Raft;
  readonly proposals: Proposals;
  readonly outcomes = new Map<number, string>();

  constructor(raft: Raft = followerOf(5), sizeLimitBytes: number = 1e9) {
    this.raft = raft;
    this.proposals = new Proposals({
      ...LIMITS,
      clock: this.clock,
      bodyChecksum,
      slots: new SessionSlots(new SeededRandom(1), 2),
      sizeLimitBytes,
      onWaiting: () => undefined,
    });
  }

  /** Whose number is its session's. */
  submit(sequence: number, sizeBytes: number = 0): void {
    const operations =
      sizeBytes === 0
        ? [{ kind: 'delete' as const, key: Uint8Array.of(1) }]
        : Array.from({ length: sizeBytes / MIB }, (_, at) => {
            const value = new Uint8Array(MIB);
            return { kind: 'put' as const, key: Uint8Array.of(at + 1), value };
          });
    this.proposals.submit({ operations, session: sessionAt(sequence) }).then(
      () => this.outcomes.set(sequence, 'done'),
      (error: { code: string }) => this.outcomes.set(sequence, error.code),
    );
  }

  /** Those that are handed to the leader now, and by which request. */
  forward(): [sequence: number, requestId: number][] {
    this.proposals.propose(this.raft);
    const messages = this.raft.ready()?.messages ?? [];
    return messages.flatMap((message) => {
      if (message.type !== 'forwardProposal') return [];
      return [[sessionOf(message.command.head)?.sequence ?? 0, message.requestId] as const];
    }) as [number, number][];
  }

  sequences(): number[] {
    return this.forward().map(([sequence]) => sequence);
  }

  requests(): number[] {
    return this.forward().map(([, requestId]) => requestId);
  }

  refused(
    requestId: number,
    code: Extract<ForwardOutcome, { accepted: false }>['code'] = 'UNCOMMITTED_LIMIT',
  ): void {
    this.proposals.noteForward({ requestId, accepted: false, code });
  }

  accepted(requestId: number, ofTerm: number): void {
    const index = logIndex(9);
    this.proposals.noteForward({ requestId, accepted: true, index, term: term(ofTerm) });
  }

  answer(sequence: number): void {
    const operations = [{ kind: 'delete', key: Uint8Array.of(1) }] as const;
    const { head } = encodeEntry({ operations, session: sessionAt(sequence) }, bodyChecksum);
    this.proposals.answer(head, { committed: true, revision: sequence });
  }
}

function sessionAt(sequence: number): Session {
  return { clientId: 'a client', sequence };
}

function only(forwarded: readonly [number, number][]): number {
  expect(forwarded).toHaveLength(1);
  return forwarded[0]?.[1] ?? 0;
}

test('what the leader has no room for is in no log, and is handed to it again when something has changed', () => {
  const changes: ((sent: Sent) => void)[] = [
    (sent) => sent.proposals.expire(0),
    (sent) => sent.proposals.noteTerm(term(5)),
    (sent) => sent.answer(2),
  ];
  for (const change of changes) {
    const sent = new Sent();
    sent.submit(1);
    sent.submit(2);
    const [first = 0, second = 0] = sent.requests();
    sent.refused(first);
    expect(sent.proposals.kept(first)).toBeUndefined();
    sent.submit(3);
    expect(sent.sequences()).toEqual([]);
    change(sent);
    expect(sent.sequences()).toEqual([1, 3]);
    // The request before it speaks of nothing any more.
    sent.refused(first);
    expect(sent.sequences()).toEqual([]);
    sent.accepted(second, 5);
    expect(sent.sequences()).toEqual([]);
  }
});

test('what may be in a log is handed on again at once, and each request that may speak of it is known until it is answered', () => {
  for (const code of ['TIMED_OUT', 'LEADER_CHANGED'] as const) {
    const sent = new Sent();
    sent.submit(1);
    const first = only(sent.forward());
    sent.refused(first, code);
    const second = only(sent.forward());
    expect(second).not.toBe(first);
    for (const requestId of [first, second]) expect(sent.proposals.kept(requestId)).toBeDefined();
    sent.answer(1);
    for (const requestId of [first, second]) {
      expect(sent.proposals.kept(requestId)).toBeUndefined();
    }
    // Late, and about nothing.
    sent.refused(second, code);
    expect([sent.sequences(), sent.proposals.count]).toEqual([[], 0]);
  }
});

test('what was refused is forgotten, and not what other requests said of it', () => {
  const sent = new Sent();
  sent.submit(1);
  const first = only(sent.forward());
  sent.refused(first, 'TIMED_OUT');
  const second = only(sent.forward());
  sent.refused(second);
  expect(sent.proposals.kept(first)).toBeDefined();
  expect(sent.proposals.kept(second)).toBeUndefined();
  sent.answer(1);
  expect(sent.proposals.kept(first)).toBeUndefined();
});

test('what a leader took is handed to a later one when that has committed, and not before', () => {
  const sent = new Sent();
  for (const sequence of [1, 2, 3]) sent.submit(sequence);
  const requests = sent.requests();
  for (const [at, requestId] of requests.entries()) sent.accepted(requestId, 5 + (at % 2));
  expect(sent.sequences()).toEqual([]);
  sent.proposals.noteTerm(term(5));
  expect(sent.sequences()).toEqual([]);
  sent.proposals.noteTerm(term(6));
  const [first = 0, third = 0] = sent.requests();
  sent.proposals.noteTerm(term(6));
  expect(sent.sequences()).toEqual([]);
  // One that a leader took which is known to be an earlier one is in no log that counts; one of now is.
  sent.accepted(first, 5);
  sent.accepted(third, 6);
  expect(sent.sequences()).toEqual([1]);
});

test('what this node took into its own log is proposed again only in a later term', () => {
  const raft = leaderAlone();
  const ofTerm = raft.status().term;
  const sent = new Sent(raft);
  const { lastIndex } = raft.status();
  sent.submit(1);
  sent.proposals.propose(raft);
  expect(raft.status().lastIndex).toBe(lastIndex + 1);
  sent.proposals.noteTerm(ofTerm);
  sent.proposals.propose(raft);
  expect(raft.status().lastIndex).toBe(lastIndex + 1);
  sent.proposals.noteTerm(term(ofTerm + 1));
  sent.proposals.propose(raft);
  expect(raft.status().lastIndex).toBe(lastIndex + 2);
});

test('what is handed on again stands where it was in the order of calls', () => {
  const sent = new Sent();
  for (const sequence of [1, 2, 3]) sent.submit(sequence);
  const [first = 0, second = 0, third = 0] = sent.requests();
  sent.submit(4);
  for (const requestId of [first, third]) sent.refused(requestId, 'LEADER_CHANGED');
  expect(sent.sequences()).toEqual([1, 3, 4]);
  sent.refused(second, 'LEADER_CHANGED');
  // Its answer came from the leader before it.
  sent.answer(2);
  expect(sent.sequences()).toEqual([]);
});

test('what was answered while it waited to be handed on is not handed on', () => {
  const sent = new Sent();
  sent.submit(1);
  sent.submit(2);
  sent.answer(1);
  expect(sent.sequences()).toEqual([2]);
});

test('only so many bytes are on their way to the leader, and one that is larger goes alone', () => {
  const sent = new Sent();
  for (const [at, sizeBytes] of [9, 9, 17, 1].entries()) sent.submit(at + 1, sizeBytes * MIB);
  const first = only(sent.forward());
  expect(sent.sequences()).toEqual([]);
  // Counted once, though it is taken first and answered then.
  sent.accepted(first, 5);
  sent.answer(1);
  const afterFirst = sent.forward();
  expect(afterFirst.map(([each]) => each)).toEqual([2]);
  // One that is answered, or given up, on its way is on its way no more.
  sent.answer(2);
  const third = sent.forward();
  expect(third.map(([each]) => each)).toEqual([3]);
  sent.accepted(only(afterFirst), 5);
  expect(sent.sequences()).toEqual([]);
  sent.accepted(only(third), 5);
  expect(sent.sequences()).toEqual([4]);
});

test('each is given up when nothing was applied for a while, or when it has waited long in all', async () => {
  const sent = new Sent();
  sent.submit(1);
  sent.clock.advance(60);
  sent.submit(2);
  sent.clock.advance(39);
  sent.proposals.expire(0);
  expect(sent.proposals.count).toBe(2);
  sent.clock.advance(1);
  sent.proposals.expire(0);
  await Promise.resolve();
  expect([...sent.outcomes]).toEqual([[1, 'KV_UNAVAILABLE']]);
  // The others go on, so this one is not given up.
  for (let nowMs = 100; nowMs < 1059; nowMs += 50) {
    sent.proposals.expire(nowMs);
    expect(sent.proposals.count).toBe(1);
    sent.clock.advance(50);
  }
  sent.proposals.expire(sent.clock.monotonicMs());
  await Promise.resolve();
  expect([...sent.outcomes.values()]).toEqual(['KV_UNAVAILABLE', 'KV_UNAVAILABLE']);
  expect(sent.proposals.waitingBytes).toBe(0);
});

test('one that is given up leaves the others of its name to be answered', async () => {
  const sent = new Sent();
  sent.submit(1);
  sent.clock.advance(60);
  const later = sent.proposals.submit({
    operations: [{ kind: 'delete', key: Uint8Array.of(1) }],
    session: sessionAt(1),
  });
  sent.clock.advance(40);
  sent.proposals.expire(0);
  expect(sent.proposals.count).toBe(1);
  sent.answer(1);
  let answer: TransactResult | undefined;
  void later.then((result) => {
    answer = result;
  });
  await Promise.resolve();
  await Promise.resolve();
  expect(answer).toEqual({ committed: true, revision: 1 });
  expect([...sent.outcomes]).toEqual([[1, 'KV_UNAVAILABLE']]);
});

test('who waits until all is answered hears of the last one, however it ends', async () => {
  const sent = new Sent();
  sent.submit(1);
  sent.submit(2);
  let isDrained = false;
  const drained = sent.proposals.drain().then(() => {
    isDrained = true;
  });
  sent.answer(1);
  await Promise.resolve();
  await Promise.resolve();
  expect(isDrained).toBe(false);
  sent.proposals.failAll({ code: 'KV_CLOSED' });
  await drained;
  expect([...sent.outcomes.values()]).toEqual(['done', 'KV_CLOSED']);
  await sent.proposals.drain();
});

test('what is beyond a number, or a number of bytes, is refused at once, and not when they are answered', async () => {
  const sent = new Sent(followerOf(5), 2000);
  const operations = [{ kind: 'delete' as const, key: Uint8Array.of(1) }];
  const waiting = [0, 1].map(() => sent.proposals.submit({ operations }));
  await expect(sent.proposals.submit({ operations })).rejects.toMatchObject({ code: 'KV_BUSY' });
  for (const sequence of [1, 2, 3]) sent.submit(sequence);
  await Promise.resolve();
  await Promise.resolve();
  expect([...sent.outcomes]).toEqual([[3, 'KV_BUSY']]);
  sent.proposals.failAll({ code: 'KV_CLOSED' });
  await Promise.allSettled(waiting);
  expect(sent.proposals.waitingBytes).toBe(0);
  sent.submit(4);
  expect(sent.sequences()).toEqual([4]);
});
