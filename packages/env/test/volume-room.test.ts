import { expect, test } from 'vitest';
import { freeBytesOf } from '../src/node/volume-room.ts';

const MIB = 1024 * 1024;

test('what is free is counted in the blocks of the file system, not in what it likes to be given at once', () => {
  // As a folder of the host says in a virtual machine: 250 MiB are free.
  expect(freeBytesOf({ bavail: 64_000, bsize: MIB, frsize: 4096 })).toBe(250 * MIB);
  expect(freeBytesOf({ bavail: 64_000, bsize: 4096 })).toBe(250 * MIB);
});
