import { logIndex, term, utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import type { Command, Message } from '@holdfast/raft';
import { configurationOf, nodeId, Raft } from '@holdfast/raft';
import { expect, test } from 'vitest';
import { KEEPING, KeptBodies } from '../src/kept-bodies.ts';
import { Proposals } from '../src/proposals.ts';
import { SessionSlots } from '../src/session-slots.ts';

const ENVELOPE = { from: nodeId('n2'), to: nodeId('n1'), term: term(3) };

function handedOver(requestId: number, command: Command): Message {
  return { ...ENVELOPE, type: 'forwardProposal', requestId, command };
}

function commandWith(body: Uint8Array | undefined): Command {
  return { kind: 1, head: utf8('head'), ...(body !== undefined && { body: [body] }) };
}

test('a body is named once, to the node that keeps it and to no other', () => {
  const kept = new KeptBodies();
  const command = commandWith(utf8('body'));
  const message = handedOver(KEEPING + 7, command);
  expect(kept.noted(message)).toBe(message);
  expect(kept.take(nodeId('n3'), command)).toBeUndefined();
  expect(kept.take(nodeId('n2'), command)).toBe(KEEPING + 7);
  expect(kept.take(nodeId('n2'), command)).toBeUndefined();
});

test('a node of an earlier version is sent what it handed over, and so is one that has no body to keep', () => {
  const kept = new KeptBodies();
  const earlier = commandWith(utf8('body'));
  kept.noted(handedOver(KEEPING - 1, earlier));
  expect(kept.take(nodeId('n2'), earlier)).toBeUndefined();
  const bare = commandWith(undefined);
  kept.noted(handedOver(KEEPING + 8, bare));
  expect(kept.take(nodeId('n2'), bare)).toBeUndefined();
});

test('Raft is answered by the id that it drew, whether the leader knows of keeping or not', () => {
  const outcome = { accepted: true, index: logIndex(4), term: term(3) } as const;
  const reply: Message = { ...ENVELOPE, type: 'forwardReply', requestId: 7, outcome };
  const kept = new KeptBodies();
  expect(kept.noted({ ...reply, requestId: KEEPING + 7 })).toEqual(reply);
  expect(kept.noted(reply)).toEqual(reply);
});

/** A node that follows n1. */
function follower(): Raft {
  const raft = new Raft(
    { nodeId: nodeId('n2'), random: () => 0.5 },
    {
      hardState: { term: term(3), votedFor: undefined, commitIndex: logIndex(0) },
      base: { index: logIndex(0), term: term(0) },
      configuration: configurationOf([nodeId('n1'), nodeId('n2'), nodeId('n3')]),
      entries: [],
      memberships: [],
      appliedIndex: logIndex(0),
    },
  );
  const leader = { from: nodeId('n1'), to: nodeId('n2'), term: term(3) };
  raft.step({ ...leader, type: 'heartbeat', leaderCommit: logIndex(0), readRound: 1 });
  return raft;
}

test('a body is kept by no request that was refused, and by each that may have been taken, until it is answered', async () => {
  const { clock, bodyChecksum, random } = await createMemoryEnv();
  const proposals = new Proposals({
    clock,
    bodyChecksum,
    slots: new SessionSlots(random, 10),
    sizeLimitBytes: 1e6,
    waitLimitMs: 1000,
    waitTotalMs: 1000,
    onWaiting: () => undefined,
  });
  const raft = follower();
  const operations = [{ kind: 'put' as const, key: utf8('k'), value: new Uint8Array(5000) }];
  const answer = proposals.submit({ operations });
  answer.catch(() => undefined);
  const handOver = (): number => {
    proposals.propose(raft);
    const [message] = raft.ready()?.messages.filter(isHandedOver) ?? [];
    return message?.requestId ?? 0;
  };
  const refused = handOver();
  expect(proposals.kept(refused)?.body).toHaveLength(1);
  proposals.noteForward({ requestId: refused, accepted: false, code: 'UNCOMMITTED_LIMIT' });
  expect(proposals.kept(refused)).toBeUndefined();
  // A tick: until then a leader that has no room is sent nothing.
  proposals.expire(clock.monotonicMs());
  const open = handOver();
  proposals.noteForward({ requestId: open, accepted: false, code: 'TIMED_OUT' });
  expect(proposals.kept(open)?.body).toHaveLength(1);
  const last = handOver();
  proposals.failAll(new Error('the end'));
  await expect(answer).rejects.toThrow('the end');
  expect([proposals.kept(open), proposals.kept(last)]).toEqual([undefined, undefined]);
});

function isHandedOver(message: Message): message is Message & { type: 'forwardProposal' } {
  return message.type === 'forwardProposal';
}
