import { utf8 } from '@holdfast/bytes';
import { expect } from 'vitest';
import type { KvErrorCode } from '../../errors.ts';
import { KvError } from '../../errors.ts';
import type {
  KvEntryWithValue,
  KvReader,
  KvStore,
  Operation,
  ScanOptions,
  TransactResult,
} from '../../kv-store.ts';

/** An empty store under test, and what the contract may do with it from outside. */
export interface KvStoreHarness {
  readonly store: KvStore;
  /** Closes the store and opens it again with what it kept. Absent where nothing is durable. */
  readonly reopen?: () => Promise<KvStore>;
  /** Lets time pass for the store. Absent where views do not age. */
  readonly passTime?: (elapsedMs: number) => void | Promise<void>;
  /** Removes what the store left behind, after the store is closed. */
  readonly cleanUp?: () => Promise<void>;
}

/** Opens an empty store; called once for each test. */
export type OpenStore = () => Promise<KvStoreHarness>;

/** Runs a body on a fresh store and closes it whatever happens. */
export type WithStore = (
  body: (store: KvStore, harness: KvStoreHarness) => Promise<void>,
) => () => Promise<void>;

/** Gives each test its own store. */
export function withStore(openStore: OpenStore): WithStore {
  return (body) => async () => {
    const harness = await openStore();
    try {
      await body(harness.store, harness);
    } finally {
      await harness.store.close();
      await harness.cleanUp?.();
    }
  };
}

/** A put of text. */
export function put(key: string, value: string): Operation {
  return { kind: 'put', key: utf8(key), value: utf8(value) };
}

/** A delete of a text key. */
export function del(key: string): Operation {
  return { kind: 'delete', key: utf8(key) };
}

/** Commits the operations and gives the revision. */
export async function commit(store: KvStore, ...operations: Operation[]): Promise<number> {
  const result = await store.transact({ operations });
  expect(result.committed).toBe(true);
  return result.revision;
}

/** The value as text, or undefined where the key is absent. */
export async function textAt(reader: KvReader, key: string): Promise<string | undefined> {
  const entry = await reader.get(utf8(key));
  return entry === undefined ? undefined : textOf(entry.value);
}

/** Keys of a scan as text. */
export async function keysOf(
  reader: KvReader,
  options: Partial<ScanOptions> = {},
): Promise<string[]> {
  const page = await reader.scan({ limit: 1000, ...options });
  return page.entries.map((entry) => textOf(entry.key));
}

/** Every key and value of the reader as `key=value` text. */
export async function contentsOf(reader: KvReader): Promise<string[]> {
  const page = await reader.scan({ limit: 100_000 });
  expect(page.more).toBe(false);
  return page.entries.map((entry) => `${textOf(entry.key)}=${textOf(entry.value)}`);
}

/** Bytes as text, one character a byte. */
export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/** Bytes that differ from place to place, so that a shifted read shows. */
export function patterned(sizeBytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  let state = (seed * 2654435761) >>> 0;
  for (let position = 0; position < sizeBytes; position++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[position] = state >>> 24;
  }
  return bytes;
}

/** Expects a KvError of the code. */
export async function expectCode(promise: Promise<unknown>, code: KvErrorCode): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KvError);
  expect((error as KvError).code).toBe(code);
}

/** Expects entries to be the same, values included. */
export function expectEntry(
  entry: KvEntryWithValue | undefined,
  key: Uint8Array,
  value: Uint8Array,
  version: number,
): void {
  expect(entry).toBeDefined();
  const { key: gotKey, value: gotValue, ...rest } = entry as KvEntryWithValue;
  expect(Array.from(gotKey)).toEqual(Array.from(key));
  expect(rest).toEqual({ version, valueSizeBytes: value.length });
  expect(gotValue.length).toBe(value.length);
  expect(gotValue.every((byte, position) => byte === value[position])).toBe(true);
}

/** Narrows a result to a failed one. */
export function failedConditionOf(result: TransactResult): number | undefined {
  return result.committed ? undefined : result.failedCondition;
}
