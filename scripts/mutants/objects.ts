/** Rules of buckets, objects, uploads and garbage. */
import { type Hunt, type Mutant, test } from './mutant.ts';

const hunts: readonly Hunt[] = [
  { module: 'packages/objects/test/trials.ts', trial: 'random', seeds: 150 },
];

export const objectsMutants: readonly Mutant[] = [
  {
    name: 'If-Match is not compared',
    rule: 'A conditional write replaces what it names.',
    broken: {
      file: 'packages/objects/src/conditions.ts',
      from: "if (current === undefined) throw noSuchKey(key);\n    if (!matches(ifMatch, current)) throw preconditionFailed('If-Match');",
      to: 'if (current === undefined) throw noSuchKey(key);',
    },
    pinned: test(
      'packages/objects/test/conditions.test.ts',
      'a write judges its conditions on the object that it would replace',
    ),
    hunts,
  },
  {
    name: 'If-None-Match lets a second writer in',
    rule: 'One of many creators wins.',
    broken: {
      file: 'packages/objects/src/conditions.ts',
      from: 'if (ifNoneMatch !== undefined && current !== undefined && matches(ifNoneMatch, current)) {',
      to: "if (ifNoneMatch !== undefined && current !== undefined && ifNoneMatch !== '*' && matches(ifNoneMatch, current)) {",
    },
    pinned: test(
      'packages/objects/test/conditions.test.ts',
      'of 32 racing creators of a key, in two processes, exactly one wins',
    ),
    hunts,
  },
  {
    name: 'a write does not ask whether its conditions still hold',
    rule: 'Conditions are decided by the transaction.',
    broken: {
      file: 'packages/objects/src/commit-object.ts',
      from: 'conditions: [pinBucket(bucket), ...succession.conditions, ...write.conditions],',
      to: 'conditions: [pinBucket(bucket), ...write.conditions],',
    },
    pinned: test(
      'packages/objects/test/conditions.test.ts',
      'of 32 racing creators of a key, in two processes, exactly one wins',
    ),
    hunts,
  },
  {
    name: 'a write does not ask whether its bucket is still there',
    rule: 'A bucket that is deleted takes no object.',
    broken: {
      file: 'packages/objects/src/commit-object.ts',
      from: 'conditions: [pinBucket(bucket), ...succession.conditions',
      to: 'conditions: [...succession.conditions',
    },
    pinned: test(
      'packages/objects/test/races.test.ts',
      'a put of 100 bytes and a delete of its bucket: one of them fails, and nothing is orphaned',
    ),
    hunts,
  },
  {
    name: 'a retention is ignored',
    rule: 'A locked version is not deleted.',
    broken: {
      file: 'packages/objects/src/object-lock.ts',
      from: 'retention.untilMs > nowMs &&\n',
      to: 'retention.untilMs > Number.POSITIVE_INFINITY &&\n',
    },
    pinned: test(
      'packages/s3/test/versions.test.ts',
      'a governance retention keeps a version, but not from who bypasses it',
    ),
    hunts,
  },
  {
    name: 'a legal hold is ignored',
    rule: 'A version that is held is not deleted.',
    broken: {
      file: 'packages/objects/src/object-lock.ts',
      from: "return legalHold === 'ON' || retained;",
      to: "return legalHold === 'OFF' || retained;",
    },
    pinned: test(
      'packages/s3/test/versions.test.ts',
      'a legal hold keeps a version until it is taken off',
    ),
    hunts,
  },
  {
    name: 'a lock of mode COMPLIANCE can be bypassed',
    rule: 'COMPLIANCE is bypassed by nobody.',
    broken: {
      file: 'packages/objects/src/object-lock.ts',
      from: "!(bypass && retention.mode === 'GOVERNANCE')",
      to: '!bypass',
    },
    pinned: test(
      'packages/s3/test/versions.test.ts',
      'a compliance retention yields to nobody before its time',
    ),
    hunts,
  },
  {
    name: 'a retention can be shortened',
    rule: 'A retention is only prolonged.',
    broken: {
      file: 'packages/objects/src/object-lock.ts',
      from: 'wanted !== undefined && wanted.mode === current.mode && wanted.untilMs >= current.untilMs',
      to: 'wanted !== undefined',
    },
    pinned: test(
      'packages/s3/test/versions.test.ts',
      'a compliance retention yields to nobody before its time',
    ),
    hunts,
  },
  {
    name: 'a version is deleted though it is locked',
    rule: 'A locked version is not deleted.',
    broken: {
      file: 'packages/objects/src/delete-version.ts',
      from: 'checkRemovable(found.record, nowMs, request.bypassGovernance ?? false);',
      to: 'void checkRemovable;',
    },
    pinned: test(
      'packages/s3/test/versions.test.ts',
      'a compliance retention yields to nobody before its time',
    ),
    hunts,
  },
  {
    name: 'a chunk is written without its intent',
    rule: 'Chunks without a keeper are swept.',
    broken: {
      file: 'packages/objects/src/chunk-writer.ts',
      from: "conditions.push({ kind: 'exists', key: this.#intent });",
      to: '',
    },
    pinned: test(
      'packages/objects/test/garbage.test.ts',
      'a slow upload that another process takes for crashed fails cleanly',
    ),
    hunts,
  },
  {
    name: 'an upload is undone though it was committed',
    rule: 'A commit whose answer was lost is not undone.',
    broken: {
      file: 'packages/objects/src/chunk-writer.ts',
      from: '        [condition],\n        [remove(this.#intent), ...operations],',
      to: '        condition.key.length > 0 ? [] : [condition],\n        [remove(this.#intent), ...operations],',
    },
    pinned: test(
      'packages/objects/test/crash.test.ts',
      'a put whose answers are lost is done or not done, and never half undone',
    ),
    hunts,
  },
  {
    name: 'garbage collection does not ask whether an upload lives after all',
    rule: 'The intent goes before a chunk does, in the state that was judged.',
    broken: {
      file: 'packages/objects/src/collect-garbage.ts',
      from: 'const failed = await commit(context, conditions, [remove(key), ...operations]);',
      to: 'const failed = await commit(context, conditions.slice(1), [remove(key), ...operations]);',
    },
    pinned: test(
      'packages/objects/test/races.test.ts',
      'what commits in the middle of a garbage collection is not collected',
    ),
    hunts,
  },
  {
    name: 'garbage collection does not see what is referenced',
    rule: 'A live blob is kept.',
    broken: {
      file: 'packages/objects/src/collect-garbage.ts',
      from: 'if (!kept) yield blobId;',
      to: 'if (!kept || position.from !== undefined) yield blobId;',
    },
    pinned: test(
      'packages/objects/test/garbage.test.ts',
      'blobs that nothing refers to are found and swept, and no other',
    ),
    hunts,
  },
  {
    name: 'a Complete does not ask for its seal',
    rule: 'An object has exactly the parts that were read.',
    broken: {
      file: 'packages/objects/src/complete-multipart-upload.ts',
      from: 'conditions: [unchanged(upload.kvKey, upload.version)],\n    operations: (known',
      to: 'conditions: [],\n    operations: (known',
    },
    pinned: test(
      'packages/objects/test/upload-races.test.ts',
      'a part that commits while a Complete reads the parts is counted whole or refused',
    ),
    hunts,
  },
  {
    name: 'a part does not take the seal away',
    rule: 'A part that comes after the seal is seen.',
    broken: {
      file: 'packages/objects/src/upload-part.ts',
      from: '...(upload.record.sealed ? [put(upload.kvKey, unsealed)] : []),',
      to: '',
    },
    pinned: test(
      'packages/objects/test/upload-races.test.ts',
      'a part that commits while a Complete reads the parts is counted whole or refused',
    ),
    hunts,
  },
  {
    name: 'the ETag of a part is not compared',
    rule: 'An object is made of the parts that the client names.',
    broken: {
      file: 'packages/objects/src/complete-multipart-upload.ts',
      from: 'toHex(part.md5) !== wanted.etag ||',
      to: 'wanted.etag.length < 0 ||',
    },
    pinned: test(
      'packages/objects/test/multipart.test.ts',
      'Complete refuses what AWS refuses, and the upload goes on',
    ),
    hunts,
  },
  {
    name: 'a bypass goes past every retention',
    rule: 'A COMPLIANCE retention yields to nobody.',
    broken: {
      file: 'packages/objects/src/object-lock.ts',
      from: "!(bypass && retention.mode === 'GOVERNANCE')",
      to: '!bypass',
    },
    pinned: test(
      'packages/objects/test/object-lock.test.ts',
      'to delete a version under COMPLIANCE, or to weaken its retention, with a bypass: true is AccessDenied',
    ),
    hunts,
  },
];
