import { logIndex, term, utf8 } from '@holdfast/bytes';
import type { Command, Message } from '@holdfast/raft';
import { nodeId } from '@holdfast/raft';
import { expect, test } from 'vitest';
import { KEEPING, KeptBodies } from '../src/kept-bodies.ts';

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
