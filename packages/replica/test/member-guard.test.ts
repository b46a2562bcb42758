import { fromHex, logIndex, term, toHex } from '@holdfast/bytes';
import { type Message, nodeId, type PersistRequest } from '@holdfast/raft';
import { expect, test } from 'vitest';
import { INCARNATION_KIND } from '../src/entry-format.ts';
import {
  decodeIncarnation,
  encodeIncarnation,
  MemberGuard,
  NO_FOLDER,
} from '../src/member-guard.ts';

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
  expect([guard.incarnationOf(peer), guard.isBarred(peer)]).toEqual([undefined, false]);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(1, FIRST), recordOf(2, NO_FOLDER)] });
  expect([guard.incarnationOf(peer), guard.isBarred(peer)]).toEqual([undefined, true]);
  const self = nodeId('n1');
  const configuration = { voters: [self], votersOutgoing: [], learners: [], learnersNext: [] };
  const status = { nodeId: self, role: 'leader', term: term(1), configuration } as const;
  const said = { type: 'appendAccepted', from: peer, to: self, term: term(1) } as Message;
  guard.admit(fromHex(FIRST + OWN), said, status);
  expect(refused).toEqual([]);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(3, undefined)] });
  expect([guard.incarnationOf(peer), guard.isBarred(peer)]).toEqual([undefined, false]);
});

test('what a follower says counts from the folder that the log names, and from no other', () => {
  const refused: string[] = [];
  const onRefused = (member: string) => refused.push(member);
  const guard = new MemberGuard({ own: OWN, records: [], onRefused });
  guard.follow({ truncateFrom: undefined, entries: [recordOf(1, FIRST)] });
  const self = nodeId('n1');
  const none = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };
  const status = { nodeId: self, role: 'leader', term: term(1), configuration: none } as const;
  const accepted = { type: 'appendAccepted', from: peer, to: self, term: term(1) } as const;
  const message = { ...accepted, matchIndex: logIndex(1) };
  const from = (incarnation: string) => guard.admit(fromHex(incarnation + OWN), message, status);
  expect(from(FIRST)).toBe(message);
  expect(refused).toEqual([]);
  // Which differ in the last byte alone, and in the first.
  expect(from(`${FIRST.slice(0, -1)}b`)).toBeUndefined();
  expect(from(`b${FIRST.slice(1)}`)).toBeUndefined();
  expect(refused).toEqual([peer, peer]);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(2, SECOND)] });
  expect(from(FIRST)).toBeUndefined();
  expect(from(SECOND)).toBe(message);
  guard.follow({ truncateFrom: logIndex(2), entries: [] });
  expect(from(FIRST)).toBe(message);
  // Of a name that was removed by hand no folder counts, whatever it says: its answers confirm nothing.
  guard.follow({ truncateFrom: undefined, entries: [recordOf(2, NO_FOLDER)] });
  const reply = { ...message, type: 'heartbeatReply', readRound: 9 } as const;
  const said = guard.admit(fromHex(NO_FOLDER + OWN), reply, status);
  expect(said).toMatchObject({ readRound: 0 });
});

test('a folder is replaced when it is agreed on that another one counts, and none is open or to come', () => {
  const guard = new MemberGuard({ own: OWN, records: [], onRefused: () => undefined });
  const follow = (index: number, incarnation: string | undefined): void =>
    guard.follow({ truncateFrom: undefined, entries: [recordOf(index, incarnation)] });
  const isReplaced = (commitIndex: number): boolean => guard.isReplaced(peer, FIRST, commitIndex);
  expect(isReplaced(9)).toBe(false);
  follow(1, FIRST);
  expect(isReplaced(9)).toBe(false);
  // A name that nobody has is no other folder's.
  follow(2, NO_FOLDER);
  expect(isReplaced(9)).toBe(false);
  follow(3, undefined);
  follow(4, SECOND);
  expect(isReplaced(3)).toBe(false);
  expect(isReplaced(4)).toBe(true);
  follow(5, undefined);
  expect(isReplaced(4)).toBe(false);
  follow(6, FIRST);
  expect(isReplaced(4)).toBe(false);
});

test('a leader that knows this node by another folder stops it, unless its term is over', () => {
  const guard = new MemberGuard({ own: OWN, records: [], onRefused: () => undefined });
  const self = nodeId('n1');
  const none = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };
  const status = { nodeId: self, role: 'follower', term: term(2), configuration: none } as const;
  const heartbeat = { type: 'heartbeat', from: peer, to: self } as const;
  const of = (receiver: string, at: number) => {
    const message = { ...heartbeat, term: term(at), leaderCommit: logIndex(0), readRound: 1 };
    return guard.admit(fromHex(FIRST + receiver), message, status) === message;
  };
  expect(of(OWN, 2)).toBe(true);
  expect(of(UNKNOWN, 2)).toBe(true);
  expect(of(SECOND, 1)).toBe(true);
  expect(() => of(SECOND, 2)).toThrow(/another folder/);
  expect(() => of(`${OWN.slice(0, -1)}2`, 2)).toThrow(/another folder/);
});

test('a vote of a member that the log does not know counts until it knows more than half of the voters', () => {
  const names = ['n1', 'n2', 'n3', 'n4'].map((name) => nodeId(name));
  const vote = { type: 'voteReply', from: nodeId('n4'), to: nodeId('n1'), term: term(1) } as const;
  const message = { ...vote, granted: true };
  const isCounted = (voterCount: number, knownCount: number): boolean => {
    const records = names
      .slice(0, knownCount)
      .map((name, at) => ({ index: at + 1, nodeId: name, incarnation: FIRST }));
    const guard = new MemberGuard({ own: OWN, records, onRefused: () => undefined });
    const voters = [...names.slice(0, voterCount - 1), nodeId('n4')];
    const configuration = { voters, votersOutgoing: [], learners: [], learnersNext: [] };
    const status = {
      nodeId: nodeId('n1'),
      role: 'candidate',
      term: term(1),
      configuration,
    } as const;
    return guard.admit(fromHex(SECOND + OWN), message, status) === message;
  };
  const counted = [2, 3, 4].map((voters) =>
    Array.from({ length: voters }, (_, known) => isCounted(voters, known)),
  );
  // Half of them is no majority: where two nodes begin, the second one's vote is needed, and is known to no log yet.
  expect(counted).toEqual([
    [true, true],
    [true, true, false],
    [true, true, true, false],
  ]);
});

test('a leader proposes the folders that it has heard of from a log that is begun, its own too, and each once', () => {
  const guard = new MemberGuard({ own: OWN, records: [], onRefused: () => undefined });
  const [self, learner, stranger] = [nodeId('n1'), nodeId('n3'), nodeId('n4')];
  const voters = [self, peer];
  const configuration = { voters, votersOutgoing: [], learners: [learner], learnersNext: [] };
  const status = { nodeId: self, role: 'leader', term: term(1), configuration } as const;
  const proposed = (role: 'leader' | 'follower' = 'leader') =>
    guard.unrecorded({ ...status, role }).map(({ head }) => {
      const { nodeId: member, incarnation } = decodeIncarnation(head);
      return `${member} ${incarnation}`;
    });
  const say = (type: Message['type'], from: typeof self, incarnation: string): void => {
    const said = { type, from, to: self, term: term(1) } as Message;
    guard.admit(fromHex(incarnation + OWN), said, status);
  };
  expect(proposed()).toEqual([`n1 ${OWN}`]);
  expect(proposed('follower')).toEqual([]);
  // Who only answers has promised nothing yet, and may begin another folder.
  say('heartbeatReply', peer, FIRST);
  expect(proposed()).toEqual([`n1 ${OWN}`]);
  say('appendAccepted', peer, FIRST);
  say('appendAccepted', learner, SECOND);
  say('appendAccepted', stranger, SECOND);
  expect(proposed()).toEqual([`n1 ${OWN}`, `n2 ${FIRST}`, `n3 ${SECOND}`]);
  guard.follow({ truncateFrom: undefined, entries: [recordOf(1, FIRST)] });
  expect(proposed()).toEqual([`n1 ${OWN}`, `n3 ${SECOND}`]);
  // The name is given to another one: what was heard under it before counts for nothing.
  guard.follow({ truncateFrom: undefined, entries: [recordOf(2, undefined)] });
  expect(proposed()).toEqual([`n1 ${OWN}`, `n3 ${SECOND}`]);
  say('requestVote', peer, SECOND);
  expect(proposed()).toEqual([`n1 ${OWN}`, `n2 ${SECOND}`, `n3 ${SECOND}`]);
});

test('a state that came from elsewhere takes the place of what the log said up to there, and of nothing behind it', () => {
  const guard = new MemberGuard({ own: OWN, records: [], onRefused: () => undefined });
  guard.follow({ truncateFrom: undefined, entries: [recordOf(4, FIRST), recordOf(6, SECOND)] });
  guard.restart([{ index: 0, nodeId: peer, incarnation: OWN }], 5);
  expect(guard.incarnationOf(peer)).toBe(SECOND);
  guard.follow({ truncateFrom: logIndex(6), entries: [] });
  expect(guard.incarnationOf(peer)).toBe(OWN);
});

test('a folder that does not count is spoken of once, however often it speaks', () => {
  const refused: unknown[] = [];
  const onRefused = (_: unknown, error: unknown) => refused.push(error);
  const guard = new MemberGuard({ own: OWN, records: [], onRefused });
  guard.follow({ truncateFrom: undefined, entries: [recordOf(1, FIRST)] });
  const none = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };
  const self = nodeId('n1');
  const status = { nodeId: self, role: 'leader', term: term(1), configuration: none } as const;
  const said = { type: 'heartbeatReply', from: peer, to: self, term: term(1) } as Message;
  for (let at = 0; at < 3; at++) guard.admit(fromHex(SECOND + OWN), said, status);
  expect(refused).toMatchObject([{ code: 'KV_INCOMPATIBLE' }]);
});
