import { MalformedBytesError, NewerBytesError } from '@holdfast/bytes';
import type { Extent } from '@holdfast/wal';
import { hashKey } from './bloom-filter.ts';
import type { EntryOperation, KvEntryRecord } from './entry-codec.ts';
import { decodeEntry } from './entry-codec.ts';
import { KvError, newerRecord } from './errors.ts';
import { stampedKey } from './stamped-key.ts';

/** A transaction that is committed: durable where a crash cannot take it back. */
export interface CommittedRecord {
  readonly index: number;
  readonly head: Uint8Array;
  readonly body: Extent | undefined;
}

/** Keys that are looked up together, with `hashKey` of each. */
export interface HashedKeys {
  readonly keys: readonly Uint8Array[];
  readonly hashes: readonly number[];
}

/** A decoded record. Its keys are those of its conditions, then those of its operations. */
export interface PreparedRecord extends HashedKeys {
  readonly index: number;
  readonly body: Extent | undefined;
  readonly entry: Omit<KvEntryRecord, 'operations'> & {
    readonly operations: readonly PlacedOperation[];
  };
}

/** An operation whose key is known. */
export type PlacedOperation = Exclude<EntryOperation, { kind: 'append' }>;

/** Decodes a record. It shares memory with the head. KV_CORRUPTION where that cannot be, KV_INCOMPATIBLE where a newer Holdfast wrote it. */
export function prepare(record: CommittedRecord): PreparedRecord {
  const { index, body } = record;
  try {
    const { session, conditions, operations } = decodeEntry(record.head, body?.length ?? 0);
    const placed = stamped(operations, index);
    const keys: Uint8Array[] = [];
    const hashes: number[] = [];
    for (const { key } of conditions) {
      keys.push(key);
      hashes.push(hashKey(key));
    }
    for (const { key } of placed) {
      keys.push(key);
      hashes.push(hashKey(key));
    }
    const entry = { session, conditions, operations: placed };
    return { index, body, entry, keys, hashes };
  } catch (cause) {
    if (!(cause instanceof MalformedBytesError)) throw cause;
    if (cause instanceof NewerBytesError) throw newerRecord(index, cause);
    throw new KvError(
      'KV_CORRUPTION',
      `record ${index} of the log is no transaction that this Holdfast reads: ${cause.message}`,
      { cause },
    );
  }
}

/** The operations with the keys that the revision gives to what is appended. */
function stamped(
  operations: readonly EntryOperation[],
  revision: number,
): readonly PlacedOperation[] {
  if (operations.every(isPlaced)) return operations;
  let position = 0;
  return operations.map((operation) => {
    if (operation.kind !== 'append') return operation;
    const { key, suffix, value } = operation;
    return { kind: 'putInline', key: stampedKey(key, revision, position++, suffix), value };
  });
}

function isPlaced(operation: EntryOperation): operation is PlacedOperation {
  return operation.kind !== 'append';
}
