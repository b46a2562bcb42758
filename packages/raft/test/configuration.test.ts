import { describe, expect, it } from 'vitest';
import { applyChanges, leaveJoint, votersOf } from '../src/configuration.ts';
import {
  configurationOf,
  isJoint,
  isVoter,
  MEMBER_LIMIT,
  type MembershipChange,
  membersOf,
  nodeId,
} from '../src/index.ts';

const ids = (names: string) => names.split('').map(nodeId);
const types = { '+': 'addLearner', '^': 'promote', v: 'demote', '-': 'remove' } as const;
const changes = (text: string): MembershipChange[] =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => ({
      type: types[word.charAt(0) as keyof typeof types],
      nodeId: nodeId(word.slice(1)),
    }));

describe('a change makes the configuration to append', () => {
  // voters/learners, changes: voters & outgoing / learners / learners next
  const cases: readonly (readonly [string, string, string])[] = [
    ['abc/', '+d', 'abc&/d/'],
    ['abc/d', '^d', 'abcd&abc//'],
    ['abc/', '-c', 'ab&abc//'],
    ['abc/d', '-d', 'abc&//'],
    ['abc/d', '^d -a', 'bcd&abc//'],
    ['abc/', 'vc', 'ab&abc//c'],
    ['abc/d', '^d vc', 'abd&abc//c'],
    ['abc/de', '^d ^e -b -c', 'ade&abc//'],
    ['abc/', '+d +e', 'abc&/de/'],
    ['abc/', '+d ^d', 'abcd&abc//'],
    ['abc/', 'vc -c', 'ab&abc//'],
    ['abc/d', '-d +d', 'abc&/d/'],
    ['abc/', 'vc ^c', 'abc&//'],
    ['abc/', '', 'abc&//'],
  ];
  it.each(cases)('%s with "%s" is %s', (before, text, wanted) => {
    const [voters = '', learners = ''] = before.split('/');
    const after = applyChanges(configurationOf(ids(voters), ids(learners)), changes(text));
    if (typeof after === 'string') throw new Error(after);
    const { votersOutgoing, learnersNext } = after;
    expect(
      `${after.voters.join('')}&${votersOutgoing.join('')}/${after.learners.join('')}/${learnersNext.join('')}`,
    ).toBe(wanted);
  });
});

describe('a change that does not fit is refused', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['abc/', '+a', 'ALREADY_MEMBER'],
    ['abc/d', '+d', 'ALREADY_MEMBER'],
    ['abc/', '^d', 'NOT_LEARNER'],
    ['abc/', '^a', 'NOT_LEARNER'],
    ['abc/d', 'vd', 'NOT_VOTER'],
    ['abc/', 'vz', 'NOT_VOTER'],
    ['abc/', '-z', 'NOT_MEMBER'],
    ['a/', '-a', 'NO_VOTERS'],
    ['a/', 'va', 'NO_VOTERS'],
    ['abc/', '-a -b -c', 'NO_VOTERS'],
  ];
  it.each(cases)('%s with "%s": %s', (before, text, wanted) => {
    const [voters = '', learners = ''] = before.split('/');
    expect(applyChanges(configurationOf(ids(voters), ids(learners)), changes(text))).toBe(wanted);
  });
});

describe('members beyond the limit', () => {
  const many = Array.from({ length: MEMBER_LIMIT - 2 }, (_, at) => nodeId(`m${at}`));
  const add = (name: string) => ({ type: 'addLearner', nodeId: nodeId(name) }) as const;

  it('are refused, whether voters or learners, and however many come together', () => {
    const configuration = configurationOf(ids('ab'), many.slice(1));
    expect(applyChanges(configuration, [add('c'), add('d')])).toBe('TOO_MANY_MEMBERS');
    expect(applyChanges(configurationOf(many, ids('ab')), [add('c')])).toBe('TOO_MANY_MEMBERS');
  });
  it('but for one that goes another may come', () => {
    const remove = { type: 'remove', nodeId: nodeId('a') } as const;
    const before = configurationOf(many, ids('ab'));
    expect(applyChanges(before, [remove, add('c')])).toEqual(configurationOf(many, ids('bc')));
  });
});

describe('a joint configuration', () => {
  const joint = {
    voters: ids('abd'),
    votersOutgoing: ids('abc'),
    learners: ids('e'),
    learnersNext: ids('c'),
  };
  it('is joint, and the one after it is not', () => {
    expect(isJoint(joint)).toBe(true);
    expect(isJoint(leaveJoint(joint))).toBe(false);
  });
  it('has the voters of both sets', () => expect(votersOf(joint).join('')).toBe('abcd'));
  it('has every member once', () => expect(membersOf(joint).join('')).toBe('abcde'));
  it('keeps an outgoing voter as a learner if that was asked', () => {
    expect(leaveJoint(joint)).toEqual(configurationOf(ids('abd'), ids('ce')));
  });
  it('counts an outgoing voter as a voter, and a learner not', () => {
    expect(isVoter(joint, nodeId('c'))).toBe(true);
    expect(isVoter(joint, nodeId('e'))).toBe(false);
  });
});
