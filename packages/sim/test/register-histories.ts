/** Histories of one register, by what they are about. `versioned`: the check of version chains takes it too. */
export interface NamedHistory {
  readonly name: string;
  readonly text: string;
  readonly versioned?: true;
}

export const rightHistories: readonly NamedHistory[] = [
  { name: 'nothing happens', text: '', versioned: true },
  { name: 'a key that was never written is absent', text: 'a 1-2 get -> absent', versioned: true },
  {
    name: 'a read after a write finds it',
    text: `a 1-2 put v1 if absent -> written
           b 3-4 get -> v1`,
    versioned: true,
  },
  {
    name: 'a read beside a write finds the old value or the new one',
    text: `a 1-2 put v1 if absent -> written
           a 3-8 put v2 if v1 -> written
           b 4-5 get -> v1
           b 6-7 get -> v2`,
    versioned: true,
  },
  {
    name: 'two writes at once may be seen in either order',
    text: `a 1-4 put v1 -> written
           b 2-3 put v2 -> written
           c 5-6 get -> v1`,
  },
  {
    name: 'a write whose answer is lost may have happened',
    text: `a 1- put v1 if absent -> ?
           b 2-3 get -> v1`,
    versioned: true,
  },
  {
    name: 'a write whose answer is lost may not have happened',
    text: `a 1- put v1 if absent -> ?
           b 2-3 get -> absent
           c 4-5 get -> absent`,
    versioned: true,
  },
  {
    name: 'a write whose answer is lost may happen long after',
    text: `a 1- put v1 if absent -> ?
           b 2-3 get -> absent
           b 4-5 put v2 -> written
           b 6-7 get -> v2
           b 8-9 delete -> deleted
           b 10-11 get -> absent
           c 12-13 get -> v1`,
  },
  {
    name: 'a delete whose answer is lost explains an absent key',
    text: `a 1-2 put v1 -> written
           a 3- delete -> ?
           b 4-5 get -> v1
           b 6-7 get -> absent`,
  },
  {
    name: 'one of two creations wins',
    text: `a 1-4 put v1 if absent -> written
           b 2-3 put v2 if absent -> refused
           c 5-6 get -> v1`,
    versioned: true,
  },
  {
    name: 'a creation is refused because of one whose answer was lost, and nobody sees that one',
    text: `a 1- put v1 if absent -> ?
           b 2-3 put v2 if absent -> refused`,
    versioned: true,
  },
  {
    name: 'an update is refused while the value that it names is replaced',
    text: `a 1-2 put v1 if absent -> written
           a 3-6 put v2 if v1 -> written
           b 4-5 put v3 if v1 -> refused`,
    versioned: true,
  },
  {
    name: 'an update is refused because its value is not there yet',
    text: `a 1-4 put v1 if absent -> written
           b 2-3 put v2 if v1 -> refused`,
    versioned: true,
  },
  {
    name: 'an update is refused because its value is not there yet, and reads follow',
    text: `a 1-10 put v1 if absent -> written
           b 2-5 put v2 if v1 -> refused
           c 3-4 get -> absent
           c 6-7 get -> v1`,
    versioned: true,
  },
  {
    name: 'a chain of updates, one of them without an answer',
    text: `a 1-2 put v1 if absent -> written
           a 3- put v2 if v1 -> ?
           b 4-5 get -> v2
           b 6-7 put v3 if v2 -> written
           c 8-9 get -> v3`,
    versioned: true,
  },
  {
    name: 'a chain of lost answers that one read proves',
    text: `a 1- put v1 if absent -> ?
           b 2- put v2 if v1 -> ?
           c 3- put v3 if v2 -> ?
           d 4-5 get -> v3`,
    versioned: true,
  },
  {
    name: 'an update of an absent key is answered with 404',
    text: `a 1-2 put v1 if v0 -> absent
           a 3-4 put v1 if v0 -> refused`,
  },
  {
    name: 'a key is deleted and created again',
    text: `a 1-2 put v1 if absent -> written
           a 3-4 delete if v1 -> deleted
           b 5-6 put v2 if absent -> written
           b 7-8 get -> v2`,
  },
  {
    name: 'deleting what is not there is fine',
    text: `a 1-2 delete -> deleted
           a 3-4 delete if v9 -> absent`,
  },
  {
    name: 'conditional reads',
    text: `a 1-2 put v1 -> written
           a 3-4 get if v1 -> v1
           a 5-6 get if v2 -> refused
           a 7-8 get if not v1 -> unchanged
           a 9-10 get if not v2 -> v1`,
  },
];

export const wrongHistories: readonly NamedHistory[] = [
  {
    name: 'a stale read after an acknowledgement',
    text: `a 1-2 put v1 if absent -> written
           a 3-4 put v2 if v1 -> written
           b 5-6 get -> v1`,
    versioned: true,
  },
  {
    name: 'an acknowledged write is lost',
    text: `a 1-2 put v1 if absent -> written
           b 3-4 get -> absent`,
    versioned: true,
  },
  {
    name: 'a lost update: two replace the same version',
    text: `a 1-2 put v1 if absent -> written
           a 3-6 put v2 if v1 -> written
           b 4-5 put v3 if v1 -> written`,
    versioned: true,
  },
  {
    name: 'two winners of If-None-Match',
    text: `a 1-4 put v1 if absent -> written
           b 2-3 put v2 if absent -> written`,
    versioned: true,
  },
  {
    name: 'three racers, none of them wins',
    text: `a 1-6 put v1 if absent -> refused
           b 2-5 put v2 if absent -> refused
           c 3-4 put v3 if absent -> refused`,
    versioned: true,
  },
  {
    name: 'a value that was never written',
    text: `a 1-2 put v1 if absent -> written
           b 3-4 get -> v9`,
    versioned: true,
  },
  {
    name: 'a value of a write that was refused',
    text: `a 1-2 put v1 if absent -> written
           b 3-4 put v2 if absent -> refused
           b 5-6 get -> v2`,
    versioned: true,
  },
  {
    name: 'a value is read before its write is sent',
    text: `b 1-2 get -> v1
           a 3-4 put v1 if absent -> written`,
    versioned: true,
  },
  {
    name: 'two reads see a write and then not',
    text: `a 1-2 put v1 if absent -> written
           a 3-8 put v2 if v1 -> written
           b 4-5 get -> v2
           c 6-7 get -> v1`,
    versioned: true,
  },
  {
    name: 'a write without an answer is seen and then not',
    text: `a 1- put v1 if absent -> ?
           b 2-3 get -> v1
           b 4-5 get -> absent`,
    versioned: true,
  },
  {
    name: 'a resurrected value',
    text: `a 1-2 put v1 if absent -> written
           a 3-4 put v2 if v1 -> written
           b 5-6 put v3 if v2 -> written
           c 7-8 get -> v1`,
    versioned: true,
  },
  {
    name: 'a deleted value comes back',
    text: `a 1-2 put v1 -> written
           a 3-4 delete -> deleted
           b 5-6 get -> absent
           b 7-8 get -> v1`,
  },
  {
    name: 'a delete whose answer was lost is undone',
    text: `a 1-2 put v1 -> written
           a 3- delete -> ?
           b 4-5 get -> absent
           b 6-7 get -> v1`,
  },
  {
    name: 'a condition that held is refused',
    text: `a 1-2 put v1 if absent -> written
           b 3-4 put v2 if v1 -> refused
           c 5-6 get -> v1`,
    versioned: true,
  },
  {
    name: 'a creation is refused though the key stayed absent',
    text: `a 1-2 put v1 if absent -> refused
           b 3-4 get -> absent`,
    versioned: true,
  },
  {
    name: 'a creation is refused because of one that was sent later',
    text: `a 1-2 put v1 if absent -> refused
           b 3-4 put v2 if absent -> written`,
    versioned: true,
  },
  {
    name: 'an update is refused, and what would explain it is seen to happen later',
    text: `a 1-2 put v1 if absent -> written
           b 3- put v2 if v1 -> ?
           c 4-5 put v3 if v1 -> refused
           c 6-7 get -> v1
           c 8-9 get -> v2`,
    versioned: true,
  },
  {
    name: 'a condition names a version that was replaced, and holds',
    text: `a 1-2 put v1 if absent -> written
           a 3-4 put v2 if v1 -> written
           b 5-6 put v3 if v1 -> written
           b 7-8 get -> v3`,
    versioned: true,
  },
  {
    name: 'versions that replaced each other',
    text: `a 1-4 put v1 if v2 -> written
           b 2-3 put v2 if v1 -> written`,
    versioned: true,
  },
  {
    name: 'two clients see two writes in different orders',
    text: `a 1-10 put v1 -> written
           b 2-11 put v2 -> written
           c 3-4 get -> v1
           c 5-6 get -> v2
           d 7-8 get -> v1`,
  },
  {
    name: 'an unconditional delete of a present key leaves it there',
    text: `a 1-2 put v1 -> written
           a 3-4 delete -> deleted
           a 5-6 put v2 if absent -> refused`,
  },
  {
    name: 'a delete under a condition that did not hold',
    text: `a 1-2 put v1 -> written
           a 3-4 put v2 -> written
           b 5-6 delete if v1 -> deleted`,
  },
  {
    name: '304 for a value that was replaced',
    text: `a 1-2 put v1 -> written
           a 3-4 put v2 -> written
           b 5-6 get if not v1 -> unchanged`,
  },
  {
    name: '404 for a key that is there',
    text: `a 1-2 put v1 -> written
           b 3-4 put v2 if v1 -> absent`,
  },
  {
    name: 'a conditional read finds what its condition excludes',
    text: `a 1-2 put v1 -> written
           b 3-4 get if v2 -> v1`,
  },
];
