import { logIndex } from '@holdfast/bytes';
import { ManualClock } from '@holdfast/env/memory';
import type { Raft } from '@holdfast/raft';
import { expect, test } from 'vitest';
import { ReadRounds } from '../src/read-rounds.ts';
import { leaderAlone, memberOf } from './fixtures/lone-raft.ts';

const LIMITS = { waitLimitMs: 100, waitTotalMs: 1000 };

class Reads {
  readonly clock = new ManualClock();
  readonly raft = leaderAlone();
  readonly rounds: ReadRounds;
  appliedIndex = 0;
  wakes = 0;

  constructor() {
    this.rounds = new ReadRounds({
      ...LIMITS,
      clock: this.clock,
      appliedIndex: () => this.appliedIndex,
      onWaiting: () => this.wakes++,
    });
  }

  /** A read, and how it ended. */
  begin(): { outcome: string | undefined; readonly promise: Promise<void> } {
    const promise = this.rounds.join();
    const read = { outcome: undefined as string | undefined, promise };
    promise.then(
      () => {
        read.outcome = 'served';
      },
      (error: { code: string }) => {
        read.outcome = error.code;
      },
    );
    return read;
  }

  /** Asks what waits; the ids of the questions. What Raft says to them is kept back: a test says it. */
  ask(raft: Raft = this.raft): number[] {
    this.rounds.ask(raft);
    return (raft.ready()?.readResults ?? []).map(({ readId }) => readId);
  }

  confirm(readId: number | undefined, index: number): void {
    this.rounds.note({ readId: readId ?? 0, confirmed: true, index: logIndex(index) });
  }

  refuse(readId: number | undefined): void {
    this.rounds.note({ readId: readId ?? 0, confirmed: false, code: 'NOT_LEADER' });
  }
}

/** Lets promises be settled. */
async function settle(): Promise<void> {
  for (let at = 0; at < 5; at++) await Promise.resolve();
}

test('reads that come before a question is asked share it, and none joins one that was asked', async () => {
  const reads = new Reads();
  const [first, second] = [reads.begin(), reads.begin()];
  expect(second.promise).toBe(first.promise);
  expect(reads.wakes).toBe(1);
  const asked = reads.ask();
  expect(asked).toHaveLength(1);
  const later = reads.begin();
  expect([later.promise === first.promise, reads.wakes]).toEqual([false, 2]);
  reads.confirm(asked[0], 0);
  await settle();
  expect([first.outcome, second.outcome, later.outcome]).toEqual(['served', 'served', undefined]);
});

test('a question that is not confirmed is asked again as a new one, before later ones, and none joins it', async () => {
  const reads = new Reads();
  const first = reads.begin();
  const [asked] = reads.ask();
  const second = reads.begin();
  reads.refuse(asked);
  expect(reads.wakes).toBe(3);
  const third = reads.begin();
  expect(third.promise).toBe(second.promise);
  const again = reads.ask();
  expect(again).toHaveLength(2);
  expect(again).not.toContain(asked);
  // What comes late to the question that was given up says nothing.
  reads.confirm(asked, 0);
  await settle();
  expect([first.outcome, second.outcome]).toEqual([undefined, undefined]);
  reads.confirm(again[0], 0);
  await settle();
  expect([first.outcome, second.outcome]).toEqual(['served', undefined]);
  reads.confirm(again[1], 0);
  await settle();
  expect(third.outcome).toBe('served');
});

test('a read is served when its index is applied here, and not before', async () => {
  const reads = new Reads();
  const read = reads.begin();
  const [asked] = reads.ask();
  reads.appliedIndex = 4;
  reads.confirm(asked, 5);
  reads.rounds.applied();
  await settle();
  expect(read.outcome).toBeUndefined();
  reads.appliedIndex = 5;
  reads.rounds.applied();
  await settle();
  expect(read.outcome).toBe('served');
  const next = reads.begin();
  reads.confirm(reads.ask()[0], 5);
  await settle();
  expect(next.outcome).toBe('served');
});

test('four questions are under way at once; what comes meanwhile shares the next, which is asked when one is answered', async () => {
  const reads = new Reads();
  const asked = Array.from({ length: 4 }, () => {
    reads.begin();
    return reads.ask()[0];
  });
  expect(new Set(asked).size).toBe(4);
  const more = [reads.begin(), reads.begin()];
  expect(reads.ask()).toEqual([]);
  const { wakes } = reads;
  reads.confirm(asked[1], 0);
  expect(reads.wakes).toBe(wakes + 1);
  const next = reads.ask();
  expect(next).toHaveLength(1);
  reads.confirm(next[0], 0);
  await settle();
  expect(more.map(({ outcome }) => outcome)).toEqual(['served', 'served']);
});

test('what cannot be asked yet waits, and may be joined until it is', async () => {
  const reads = new Reads();
  const read = reads.begin();
  expect(reads.ask(memberOf(['n1', 'n2', 'n3']))).toEqual([]);
  expect(reads.begin().promise).toBe(read.promise);
  reads.confirm(reads.ask()[0], 0);
  await settle();
  expect(read.outcome).toBe('served');
});

test('what is not asked, or not answered, is given up after its limit, whatever else goes on here', async () => {
  const reads = new Reads();
  const asked = reads.begin();
  const [readId] = reads.ask();
  const waiting = reads.begin();
  reads.clock.advance(99);
  reads.rounds.expire(99);
  await settle();
  expect([asked.outcome, waiting.outcome]).toEqual([undefined, undefined]);
  reads.clock.advance(1);
  reads.rounds.expire(100);
  await settle();
  expect([asked.outcome, waiting.outcome]).toEqual(['KV_UNAVAILABLE', 'KV_UNAVAILABLE']);
  // Who comes now has a question of its own, and as many are under way as may be.
  const next = reads.begin();
  expect(next.promise).not.toBe(waiting.promise);
  const ids = [reads.ask()[0]];
  for (let at = 0; at < 3; at++) {
    reads.begin();
    ids.push(reads.ask()[0]);
  }
  expect(ids).not.toContain(undefined);
  reads.confirm(readId, 0);
  reads.confirm(ids[0], 0);
  await settle();
  expect(next.outcome).toBe('served');
});

test('what is confirmed waits as long as this node makes progress, and in all no longer than another limit', async () => {
  const reads = new Reads();
  const [stuck, slow] = [reads, new Reads()];
  for (const each of [stuck, slow]) {
    const read = each.begin();
    each.confirm(each.ask()[0], 9);
    for (let nowMs = 0; nowMs < 990; nowMs += 90) {
      each.clock.advance(90);
      each.rounds.expire(each === slow ? nowMs + 90 : 0);
      await settle();
      const isStuck = each === stuck && nowMs + 90 >= 100;
      expect(read.outcome).toBe(isStuck ? 'KV_UNAVAILABLE' : undefined);
    }
    each.clock.advance(10);
    each.rounds.expire(1000);
    await settle();
    expect(read.outcome).toBe('KV_UNAVAILABLE');
  }
});

test('a read that nobody listens to any more is refused without harm', async () => {
  const reads = new Reads();
  void reads.rounds.join();
  reads.rounds.failAll({ code: 'KV_CLOSED' });
  await settle();
  reads.begin();
  expect(reads.ask()).toHaveLength(1);
});

test('a node that stops answers all that wait for it', async () => {
  const reads = new Reads();
  const confirmed = reads.begin();
  reads.confirm(reads.ask()[0], 9);
  const asked = reads.begin();
  const [readId] = reads.ask();
  const waiting = reads.begin();
  reads.rounds.failAll({ code: 'KV_CLOSED' });
  await settle();
  for (const { outcome } of [confirmed, asked, waiting]) expect(outcome).toBe('KV_CLOSED');
  reads.confirm(readId, 9);
  reads.appliedIndex = 9;
  reads.rounds.applied();
});
