/** Rules of the key-value store. */
import { type Hunt, type Mutant, test } from './mutant.ts';

const store = 'packages/kv/test/crash/trials.ts';
const node = 'packages/replica/test/trials.ts';
const hunts: readonly Hunt[] = [
  { module: store, trial: 'random', seeds: 12 },
  { module: store, trial: 'model', seeds: 12 },
  { module: store, trial: 'rot', seeds: 30 },
  { module: store, trial: 'full', seeds: 40 },
  { module: store, trial: 'killed', seeds: 3 },
  { module: store, trial: 'failed', seeds: 2 },
  { module: store, trial: 'sampled', seeds: 4, more: ['state of another node'] },
  { module: store, trial: 'sampled', seeds: 4, more: ['backup'] },
  { module: node, trial: 'short log', seeds: 8 },
  { module: 'packages/server/test/trials.ts', trial: 'simulation', seeds: 4, more: ['30'] },
];

export const kvMutants: readonly Mutant[] = [
  {
    name: 'conditions are decided on the state before the batch',
    rule: 'Conditions are decided in apply, in the order of the log.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: '!holds(condition, active ?? older?.[at])',
      to: '!holds(condition, older?.[at] ?? active)',
    },
    pinned: { module: store, words: ['model', '6'] },
    hunts,
  },
  {
    name: 'conditions are not decided',
    rule: 'Conditions are decided in apply.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: 'if (failedCondition < 0) return { committed: true, revision: index };',
      to: 'if (failedCondition < 1e9) return { committed: true, revision: index };',
    },
    pinned: { module: store, words: ['model', '6'] },
    hunts,
  },
  {
    name: 'the answer of a session is forgotten',
    rule: 'A retry gets the first answer, not a second effect.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: 'if (entry.session.sequence === answered.sequence) return answered.result;',
      to: '',
    },
    pinned: test(
      'packages/kv/test/local-store.test.ts',
      'engine over env/memory > sessions > two concurrent calls with one name have one effect and one answer',
    ),
    hunts,
  },
  {
    name: 'the answers of sessions are not part of the state',
    rule: 'A retry gets the first answer, also after a restart.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: "    this.index.set(key, { kind: 'inline', version, value }, keyHash);\n",
      to: '    void [key, keyHash, value];\n',
    },
    pinned: test(
      'packages/kv/test/waiting.test.ts',
      'forgotten and remembered sessions are the same after a restart, flushed or not',
    ),
    hunts,
  },
  {
    name: 'a transaction is applied before it is durable',
    rule: 'Nothing is applied before it is durable.',
    broken: {
      file: 'packages/kv/src/commit-pipeline.ts',
      from: 'if (await durable) await this.#applySlice(wal.durableIndex, foresight);',
      to: 'await this.#applySlice(wal.lastIndex, foresight);',
    },
    pinned: test('packages/kv/test/waiting.test.ts', 'no reader sees it before it is durable'),
    hunts,
  },
  {
    name: 'an extent file is unlinked before the MANIFEST says so',
    rule: 'Persist, then truncate.',
    broken: {
      file: 'packages/kv/src/maintenance.ts',
      from: '    await index.commitExtents({ removed });\n    await extents.remove(removed);',
      to: '    await extents.remove(removed);\n    await index.commitExtents({ removed });',
    },
    pinned: { module: store, words: ['crash', 'compaction'] },
    hunts,
  },
  {
    name: 'a file of values is removed though the MANIFEST may list it',
    rule: 'After a failed sync nobody knows what is on disk.',
    broken: {
      file: 'packages/kv/src/segment-healing.ts',
      from: "if (error instanceof FileError && error.code === 'NO_SPACE') this.#mayBeListed = false;",
      to: 'if (error instanceof FileError) this.#mayBeListed = false;',
    },
    pinned: test(
      'packages/kv/test/segment-healing.test.ts',
      'a healing whose list could not be synced leaves its file, which may be listed all the same',
    ),
    hunts,
  },
  {
    name: 'a live extent is collected that only tables refer to',
    rule: 'A segment is removed when nothing refers to it, here or after a restart.',
    broken: {
      file: 'packages/kv/src/maintenance.ts',
      from: 'return !index.liveBytes.has(segmentId) && space.isRemovable(segmentId, oldestReader);',
      to: 'return index !== null && space.isRemovable(segmentId, oldestReader);',
    },
    pinned: { module: node, words: ['short log', '36'] },
    hunts: [
      { module: store, trial: 'random', seeds: 24 },
      { module: node, trial: 'short log', seeds: 8 },
    ],
  },
  {
    name: 'a live extent is collected',
    rule: 'A segment with live bytes stays.',
    broken: {
      file: 'packages/kv/src/maintenance.ts',
      from: 'return !index.liveBytes.has(segmentId) && space.isRemovable(segmentId, oldestReader);',
      to: 'return index !== null && oldestReader >= 0 && space.liveBytes(segmentId) < 5000;',
    },
    pinned: { module: store, words: ['crash', 'compaction'] },
    hunts,
  },
  {
    name: 'an extent is collected that a reader still sees',
    rule: 'Readers pin what they see.',
    broken: {
      file: 'packages/kv/src/segment-space.ts',
      from: 'return (this.#emptiedAt.get(segmentId) ?? 0) <= oldestReader;',
      to: 'return oldestReader >= 0;',
    },
    pinned: test(
      'packages/kv/test/segments.test.ts',
      'one that a view needs stays until the view is closed',
    ),
    hunts,
  },
  {
    name: 'a value that was replaced while it was copied comes back',
    rule: 'A value that is replaced while it is copied stays so.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: 'if (!isAt(current, from)) return false;',
      to: "if (current?.kind !== 'extent') return false;",
    },
    pinned: test(
      'packages/kv/test/compaction.test.ts',
      'a value that is replaced or deleted while it is copied stays so',
    ),
    hunts,
  },
  {
    name: 'a slice is applied on what was looked up before a flush',
    rule: 'What was looked up is looked up again after a flush.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: 'if (epoch === this.index.epoch) return action(older);',
      to: 'if (epoch >= 0) return action(older);',
    },
    pinned: { module: store, words: ['model', '2'] },
    hunts,
  },
  {
    name: 'what was found out about a record counts for another one with its index',
    rule: 'What is applied is what the log holds.',
    broken: {
      file: 'packages/kv/src/kv-engine.ts',
      from: 'batch[count] === this.#records[count]) count++;',
      to: 'batch[count]?.index === this.#records[count]?.index) count++;',
    },
    pinned: test(
      'packages/kv/test/foresight.test.ts',
      'what is found out about records before they are durable > is not used for another record with the same index',
    ),
    hunts,
  },
  {
    name: 'what a log without room took back counts as a failure of the log',
    rule: 'A full volume costs no restart.',
    broken: {
      file: 'packages/kv/src/commit-pipeline.ts',
      from: 'if (first.index > wal.lastIndex) {',
      to: 'if (first.index < 0) {',
    },
    pinned: { module: store, words: ['full', '1'] },
    hunts,
  },
  {
    name: 'a section of an image is skipped',
    rule: 'An image is whole or not installed.',
    broken: {
      file: 'packages/kv/src/image/receive-image.ts',
      from: 'for (const entry of await this.#resolve(section, request)) await this.#take(entry);',
      to: 'const all = await this.#resolve(section, request);\n        for (const entry of all.slice(0, all.length - (section.end === undefined ? 1 : 0))) await this.#take(entry);',
    },
    pinned: test(
      'packages/kv/test/image.test.ts',
      'is taken over by an empty one, which goes on behind it',
    ),
    hunts,
  },
  {
    name: 'a section of an image is not held against its digest',
    rule: 'What another node sends is checked.',
    broken: {
      file: 'packages/kv/src/image/receive-image.ts',
      from: 'if (equalBytes(this.#digestOf(merged), section.digest)) return merged;',
      to: 'return merged;',
    },
    pinned: test(
      'packages/kv/test/image.test.ts',
      'takes away what was deleted, and asks again for no value that is there',
    ),
    hunts,
  },
  {
    name: 'a block of a table is used without its checksum',
    rule: 'Every read of a payload is checked.',
    broken: {
      file: 'packages/kv/src/table-block.ts',
      from: 'return end >= 0 && crc32c(bytes.subarray(0, end)) === readU32(bytes, end);',
      to: 'return end >= 0 && crc32c(bytes.subarray(0, end)) >= 0 * readU32(bytes, end);',
    },
    pinned: test(
      'packages/kv/test/healing.test.ts',
      'of a block without sessions does not keep the store from starting, and only what it holds is refused',
    ),
    hunts: [{ module: store, trial: 'rot', seeds: 60, more: ['.table'] }],
  },
  {
    name: 'an edit of the MANIFEST that a killed process has left in a cache is built upon',
    rule: 'What is built upon is on the disk.',
    broken: {
      file: 'packages/kv/src/manifest.ts',
      from: 'if (this.#isProven || this.#stagedOver !== undefined) return;',
      to: 'if (this.#file !== undefined || this.#stagedOver !== undefined) return;',
    },
    pinned: test(
      'packages/kv/test/killed.test.ts',
      'what a killed process had left in a cache is not lost with the power later > compaction',
    ),
    hunts,
  },
  {
    name: 'an edit of the MANIFEST that the disk failed to write is only synced',
    rule: 'A sync that failed is never repeated.',
    broken: {
      file: 'packages/kv/src/manifest.ts',
      from: 'if (this.#isProven || this.#stagedOver !== undefined) return;',
      to: 'if (this.#stagedOver !== undefined) return; if (this.#file !== undefined) return this.#file.sync();',
    },
    pinned: test(
      'packages/kv/test/killed.test.ts',
      'what the disk failed to write, and a cache shows as written, is not built on > compaction',
    ),
    hunts,
  },
  {
    name: 'the name of a folder that a killed process has made is not synced',
    rule: 'What is built upon is on the disk.',
    broken: {
      file: 'packages/env/src/durable-directory.ts',
      from: 'if (parentOf(there) !== there) await keepNames(files, parentOf(there));',
      to: '',
    },
    pinned: test(
      'packages/kv/test/killed.test.ts',
      'what a killed process had left in a cache is not lost with the power later > compaction',
    ),
    hunts,
  },
  {
    name: 'tables without a MANIFEST are an empty store',
    rule: 'A lost MANIFEST is noticed.',
    broken: {
      file: 'packages/kv/src/manifest.ts',
      from: 'if (bytes === undefined) await refuseOrphanTables(env, directory);',
      to: 'if (bytes === undefined) void refuseOrphanTables;',
    },
    pinned: test(
      'packages/kv/test/failures.test.ts',
      'a missing MANIFEST beside tables, and a missing node.json beside a log, are refused',
    ),
    hunts: [{ module: store, trial: 'rot', seeds: 30 }, ...hunts],
  },
  {
    name: 'a backup links a segment before it is sealed',
    rule: 'What is linked never changes.',
    broken: {
      file: 'packages/kv/src/backup/take-backup.ts',
      from: 'const file = sealed\n',
      to: 'const file = sealed || lastIndex > 0\n',
    },
    pinned: test(
      'packages/kv/test/backup.test.ts',
      'holds one moment while writes, flushes, merges and removal go on',
    ),
    hunts,
  },
  {
    name: 'a store whose flush failed goes on',
    rule: 'Nothing goes on after a failed sync.',
    broken: {
      file: 'packages/kv/src/maintenance.ts',
      from: '    this.#options.onFailure(cause);\n',
      to: '',
    },
    pinned: test(
      'packages/kv/test/failures.test.ts',
      'a sync of the index that fails stops the store, and nothing acknowledged is lost',
    ),
    hunts: [{ module: store, trial: 'failed', seeds: 2 }, ...hunts],
  },
];
