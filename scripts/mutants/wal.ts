/** Rules of the write-ahead log. */
import { type Hunt, type Mutant, test } from './mutant.ts';

const log = 'packages/wal/test/crash/trials.ts';
const hunts: readonly Hunt[] = [
  { module: log, trial: 'random', seeds: 60 },
  { module: log, trial: 'rot', seeds: 1000 },
  { module: 'packages/kv/test/crash/trials.ts', trial: 'failed', seeds: 2 },
  { module: 'packages/kv/test/crash/trials.ts', trial: 'rot', seeds: 30 },
  { module: 'packages/server/test/trials.ts', trial: 'simulation', seeds: 8, more: ['30'] },
];

export const walMutants: readonly Mutant[] = [
  {
    name: 'an extent is read without its checksum',
    rule: 'Every read of a payload is checked.',
    broken: {
      file: 'packages/wal/src/record-reader.ts',
      from: 'if (!this.#settings.env.bodyChecksum.holds([bytes], extent.crc)) {',
      to: 'if (bytes.length !== extent.length) {',
    },
    pinned: test(
      'packages/wal/test/recovery.test.ts',
      'notices a changed bit of an extent and of a record on every read from the disk',
    ),
    hunts,
  },
  {
    name: 'a record is read without the checksum of its body',
    rule: 'Every read of a payload is checked.',
    broken: {
      file: 'packages/wal/src/record-reader.ts',
      from: 'this.#settings.env.bodyChecksum.holds([bodyBytes], decoded.bodyCrc)',
      to: 'true',
    },
    pinned: test(
      'packages/wal/test/recovery.test.ts',
      'notices a changed bit of an extent and of a record on every read from the disk',
    ),
    hunts,
  },
  {
    name: 'a log goes on after a failed sync',
    rule: 'A failed sync poisons the log; it is never repeated.',
    broken: {
      file: 'packages/wal/src/log-writer.ts',
      from: "    if (!isFileError(cause, 'NO_SPACE')) {\n      this.#poison(cause, item);\n      return;\n    }\n    try {\n      await this.#cleanEnd",
      to: '    try {\n      await this.#cleanEnd',
    },
    pinned: test(
      'packages/wal/test/group-commit.test.ts',
      'a failed write > poisons the log: every waiter and every later call, and the write is not repeated',
    ),
    hunts,
  },
  {
    name: 'a damaged batch that was acknowledged is cut off as a torn tail',
    rule: 'Only a torn tail is cut, never what was acknowledged.',
    broken: {
      file: 'packages/wal/src/recovery.ts',
      from: 'if (proof === undefined) return;',
      to: 'if (proof !== null) return;',
    },
    pinned: test(
      'packages/wal/test/recovery.test.ts',
      'refuses damage of a batch header before the last, says where, and changes nothing',
    ),
    hunts: [{ module: log, trial: 'rot', seeds: 1000 }, ...hunts],
  },
  {
    name: 'both saves of a hard state go to one slot',
    rule: 'One damaged slot loses no vote.',
    broken: {
      file: 'packages/wal/src/state-slots.ts',
      from: 'const slot = this.#versions[0] <= this.#versions[1] ? 0 : 1;',
      to: 'const slot = 0;',
    },
    pinned: { module: log, words: ['rot', '22'] },
    hunts,
  },
  {
    name: 'what a killed process has left in a cache is built upon',
    rule: 'What is built upon is on the disk.',
    broken: {
      file: 'packages/wal/src/last-file.ts',
      from: 'this.#syncing = this.handle.sync();',
      to: 'this.#syncing = Promise.resolve();',
    },
    pinned: test(
      'packages/wal/test/recovery.test.ts',
      'puts on the disk what a killed process had left in a cache, before anything is built on it',
    ),
    hunts,
  },
  {
    name: 'what the disk failed to write, and a cache shows as written, is only synced',
    rule: 'A sync that failed is never repeated.',
    broken: {
      file: 'packages/wal/src/repair.ts',
      from: 'if (handle.direct) return await handle.sync();',
      to: 'if (handle.path !== undefined) return await handle.sync();',
    },
    pinned: test(
      'packages/kv/test/killed.test.ts',
      'what the disk failed to write, and a cache shows as written, is not built on > compaction, where no write is direct',
    ),
    hunts: [
      { module: 'packages/kv/test/crash/trials.ts', trial: 'failed', seeds: 2, more: ['cached'] },
    ],
  },
  {
    name: 'a slot is written over while the other may be in a cache only',
    rule: 'The newest state is durable in one slot before the other is written.',
    broken: {
      file: 'packages/wal/src/state-slots.ts',
      from: 'if (!this.#isSafe && this.#versions[kept] > 0) await this.#handles[kept].sync();',
      to: 'if (!this.#isSafe && this.#versions[kept] < 0) await this.#handles[kept].sync();',
    },
    pinned: test(
      'packages/wal/test/state-slots.test.ts',
      'where writes are direct > what a save that failed has left in state-b is no state to build on, wherever a power cut comes',
    ),
    hunts,
  },
  {
    name: 'a slot that a cache shows is relied on, where no write is direct',
    rule: 'A sync that failed is never repeated.',
    broken: {
      file: 'packages/wal/src/state-recovery.ts',
      from: 'if (version === 1 || there.every((slot) => slot?.direct !== false)) return undefined;',
      to: 'if (version > 0 || there.every((slot) => slot?.direct !== false)) return undefined;',
    },
    pinned: test(
      'packages/wal/test/state-slots.test.ts',
      'where writes are cached > what a save that failed has left in state-b is no state to build on, wherever a power cut comes',
    ),
    hunts,
  },
  {
    name: 'a record is acknowledged before the state names its segment',
    rule: 'A missing segment is noticed.',
    broken: {
      file: 'packages/wal/src/log-writer.ts',
      from: '    await this.#state.saveOnce({ newest });\n',
      to: '',
    },
    pinned: test(
      'packages/wal/test/recovery.test.ts',
      'refuses a log whose newest segment is gone, just acknowledged, and names it',
    ),
    hunts,
  },
  {
    name: 'a record is acknowledged though it was cut off',
    rule: 'An acknowledgement is void after a truncation.',
    broken: {
      file: 'packages/wal/src/log-writer.ts',
      from: 'if (batch.awaitsTruncated) batch.reject(truncated(batch.truncatedFrom));\n    else batch.resolve();',
      to: 'batch.resolve();',
    },
    pinned: test(
      'packages/wal/test/truncation.test.ts',
      'rejects the waiters of records that it takes away, and resolves those that stay',
    ),
    hunts,
  },
  {
    name: 'footer and trailer of a segment are one write',
    rule: 'A trailer says that the footer before it is whole.',
    broken: {
      file: 'packages/wal/src/segment-files.ts',
      from: '      await own.writeSynced(seal.subarray(0, footerSizeBytes), segment.endPosition);\n      await own.writeSynced(seal.subarray(footerSizeBytes), trailerPosition);',
      to: '      await own.writeSynced(seal, segment.endPosition + 0 * trailerPosition);',
    },
    pinned: test(
      'packages/wal/test/crash-enumeration.test.ts',
      'leaves no trailer without its footer, wherever the sealing of a segment was cut off',
    ),
    hunts,
  },
  {
    name: 'the second batch is not undone when the first found no room',
    rule: 'What was withdrawn is never found again.',
    broken: {
      file: 'packages/wal/src/log-writer.ts',
      from: 'for (const { batch } of this.#inFlight.toReversed()) {',
      to: 'for (const { batch } of this.#inFlight.slice(0, 1)) {',
    },
    pinned: test(
      'packages/wal/test/two-in-flight.test.ts',
      'are both withdrawn where the first finds no space, though the second was written',
    ),
    hunts,
  },
  {
    name: 'a batch says that what is still in flight is durable',
    rule: 'durableSeq is what was synced.',
    broken: {
      file: 'packages/wal/src/log-writer.ts',
      from: 'durableSeq: end.sequence, previousChain',
      to: 'durableSeq: sequence - 1, previousChain',
    },
    pinned: { module: log, words: ['crash', 'two batches in flight'] },
    hunts,
  },
  {
    name: 'a log that lost records at its end is opened',
    rule: 'Recovery vouches for what was acknowledged.',
    broken: {
      file: 'packages/wal/src/recovery.ts',
      from: 'if (end.index < needed) {',
      to: 'if (end.index < 0) {',
    },
    pinned: test(
      'packages/wal/test/recovery.test.ts',
      'refuses a log that was closed in order and is cut off behind the header',
    ),
    hunts: [{ module: log, trial: 'rot', seeds: 1000 }, ...hunts],
  },
  {
    name: 'a log is truncated where it is committed',
    rule: 'What is committed is never truncated.',
    broken: {
      file: 'packages/wal/src/segmented-wal.ts',
      from: 'if (from <= commitIndex) {',
      to: 'if (from < 0 * commitIndex) {',
    },
    pinned: test(
      'packages/wal/test/errors.test.ts',
      'WAL_TRUNCATES_COMMITTED at and below the committed index',
    ),
    hunts,
  },
];
