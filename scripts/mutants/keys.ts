/** Rules of the master keys of a cluster. */
import { type Hunt, type Mutant, test } from './mutant.ts';

const file = 'packages/server/test/keys/key-keeper.test.ts';
const hunts: readonly Hunt[] = [
  { module: 'packages/server/test/trials.ts', trial: 'keys', seeds: 400 },
];

export const keyMutants: readonly Mutant[] = [
  {
    name: 'a master key seals before every member has it',
    rule: 'What one node seals, every member can open.',
    broken: {
      file: 'packages/server/src/keys/key-agreement.ts',
      from: 'members.every((member) => nodes[member]?.keys[0] === wanted)',
      to: 'members.some((member) => nodes[member]?.keys[0] === wanted)',
    },
    pinned: test(file, 'a key becomes the present one when every member has it, and not before'),
    hunts,
  },
  {
    name: 'an older master key is let go while a member seals with it',
    rule: 'A key is let go when every member seals with another.',
    broken: {
      file: 'packages/server/src/keys/key-keeper.ts',
      from: 'if (older.length === 0 || waitingFor.length > 0) return;\n    const versions',
      to: 'if (older.length === 0) return;\n    const versions',
    },
    pinned: test(
      file,
      'an older key is kept until every member seals with the present one, and then let go',
    ),
    hunts,
  },
  {
    name: 'a put does not ask whether its key still seals',
    rule: 'Nothing is stored that a key sealed which was let go.',
    broken: {
      file: 'packages/objects/src/staged-body.ts',
      from: 'return stillSeals === undefined ? conditions : [...conditions, stillSeals];',
      to: 'return stillSeals === undefined ? conditions : [...conditions];',
    },
    pinned: test(
      file,
      'a put that began before an older key was let go, and ends after it, is sealed with the present one',
    ),
    hunts,
  },
  {
    name: 'an older master key is let go before all is sealed anew',
    rule: 'A key is let go when nothing needs it.',
    broken: {
      file: 'packages/server/src/keys/key-keeper.ts',
      from: 'if (rewrapped === undefined) return;',
      to: '',
    },
    pinned: test(
      file,
      'a leader that leads no more in the middle of a pass does not let go of a key',
    ),
    hunts,
  },
  {
    name: 'a master key that was taken up again is let go by who began before',
    rule: 'Whether a key may be let go is decided in apply.',
    broken: {
      file: 'packages/server/src/keys/key-keeper.ts',
      from: 'await forgetUse(kv, one, versions[at]);',
      to: 'await forgetUse(kv, one);',
    },
    pinned: test(
      file,
      'one that led before can no longer let go of a key that was made the present one again',
    ),
    hunts,
  },
  {
    name: 'a data key is given out before the store remembers what it is sealed with',
    rule: 'A start without a key that is needed is noticed.',
    broken: {
      file: 'packages/server/src/keys/key-ring.ts',
      from: '    await recorded;',
      to: '    void recorded;',
    },
    pinned: test(
      'packages/server/test/keys/key-ring.test.ts',
      'a new data key is given out when the store remembers what it is sealed with, and not before',
    ),
    hunts,
  },
];
