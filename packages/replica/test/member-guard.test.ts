import { fromHex, logIndex, term, toHex } from '@holdfast/bytes';
import { type Message, nodeId, type PersistRequest } from '@holdfast/raft';
import { expect, test } from 'vitest';
import { INCARNATION_KIND } from '../src/entry-format.ts';
import { encodeIncarnation, MemberGuard, NO_FOLDER } from '../src/member-guard.ts';

const OWN = '1'.repeat(16);
const FIRST = 'a'.repeat(16);
const SECOND = 'b'.repeat(16);
const UNKNOWN = '0'.repeat(16);
const peer = nodeId('n2');

function recordOf(
  index: number,
  incarnation: string | undefined,
): PersistRequest['entries'][number] {
  const head = encodeIncarnation(peer, incarnation);
  const command = { kind: INCARNATION_KIND, head };
  const content = { type: 'command', command } as const;
  return { index: logIndex(index), term: term(1), sizeBytes: head.length, content };
}

test('an envelope names the folder of the peer that the log names, as soon as it does', () => {
  const guard = new MemberGuard({ own: OWN, records: [], onRefused: () => undefined });
  const envelope = (): string => toHex(guard.envelopeFor(peer));
  expect(envelope()).toBe(OWN + UNKNOWN);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(1, FIRST)] });
  expect(envelope()).toBe(OWN + FIRST);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(2, SECOND)] });
  expect(envelope()).toBe(OWN + SECOND);
  guard.follow({ truncateFrom: logIndex(2), entries: [] });
  expect(envelope()).toBe(OWN + FIRST);
  guard.restart([{ index: 3, nodeId: peer, incarnation: SECOND }], 3);
  expect(envelope()).toBe(OWN + SECOND);
});

test('an envelope belongs to who asked for it', () => {
  const guard = new MemberGuard({ own: OWN, records: [], onRefused: () => undefined });
  guard.envelopeFor(peer).fill(9);
  expect(toHex(guard.envelopeFor(peer))).toBe(OWN + UNKNOWN);
});

test('a name that was removed by hand is barred until it is added, and what comes under it is no fault', () => {
  const refused: unknown[] = [];
  const guard = new MemberGuard({
    own: OWN,
    records: [],
    onRefused: (_peer, error) => refused.push(error),
  });
  expect([guard.hasMet(peer), guard.isBarred(peer)]).toEqual([false, false]);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(1, FIRST), recordOf(2, NO_FOLDER)] });
  expect([guard.hasMet(peer), guard.isBarred(peer)]).toEqual([true, true]);
  expect(guard.incarnationOf(peer)).toBeUndefined();
  const self = nodeId('n1');
  const configuration = { voters: [self], votersOutgoing: [], learners: [], learnersNext: [] };
  const status = { nodeId: self, role: 'leader', term: term(1), configuration } as const;
  const said = { type: 'appendAccepted', from: peer, to: self, term: term(1) } as Message;
  guard.admit(fromHex(FIRST + OWN), said, status);
  expect(refused).toEqual([]);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(3, undefined)] });
  expect([guard.hasMet(peer), guard.isBarred(peer)]).toEqual([false, false]);
});
