import { utf8 } from '@holdfast/bytes';
import { KvError } from './errors.ts';
import { INLINE_VALUE_LIMIT_BYTES } from './index-record.ts';
import type { Condition, Operation, ScanOptions, Transaction } from './kv-store.ts';
import {
  CLIENT_ID_SIZE_LIMIT_BYTES,
  KEY_SIZE_LIMIT_BYTES,
  TRANSACTION_PARTS_LIMIT,
  TRANSACTION_SIZE_LIMIT_BYTES,
  VALUE_SIZE_LIMIT_BYTES,
} from './limits.ts';
import { STAMP_SIZE_BYTES } from './stamped-key.ts';

// Why an overhead per part: an upper bound of what the entry codec adds, so that a transaction within
// the limit always fits into one record.
const PART_OVERHEAD_BYTES = 40;

/** A transaction's size for the limit: its keys, values and client id, and 40 bytes for each part. */
function transactionSizeBytes(transaction: Transaction): number {
  let sizeBytes = PART_OVERHEAD_BYTES;
  for (const condition of transaction.conditions ?? []) {
    sizeBytes += PART_OVERHEAD_BYTES + condition.key.length;
  }
  for (const operation of transaction.operations) {
    sizeBytes += PART_OVERHEAD_BYTES + operation.key.length;
    if (operation.kind !== 'delete') sizeBytes += operation.value.length;
    if (operation.kind === 'append') sizeBytes += operation.suffix.length;
  }
  return sizeBytes + (transaction.session?.clientId.length ?? 0) * 3;
}

/** Refuses a transaction that no implementation takes. Throws a KvError. Gives `transactionSizeBytes`. */
export function checkTransaction(transaction: Transaction): number {
  const partCount = (transaction.conditions?.length ?? 0) + transaction.operations.length;
  if (partCount > TRANSACTION_PARTS_LIMIT) {
    throw new KvError(
      'KV_TRANSACTION_TOO_LARGE',
      `a transaction of ${partCount} conditions and operations is over the limit of ${TRANSACTION_PARTS_LIMIT}; split it`,
    );
  }
  for (const condition of transaction.conditions ?? []) checkCondition(condition);
  for (const operation of transaction.operations) checkOperation(operation);
  checkAppends(transaction.operations);
  if (transaction.session !== undefined) checkSession(transaction.session);
  const sizeBytes = transactionSizeBytes(transaction);
  if (sizeBytes > TRANSACTION_SIZE_LIMIT_BYTES) {
    throw new KvError(
      'KV_TRANSACTION_TOO_LARGE',
      `a transaction of ${sizeBytes} bytes is over the limit of ${TRANSACTION_SIZE_LIMIT_BYTES}; split it`,
    );
  }
  return sizeBytes;
}

/** Refuses a key that is empty or too long. Throws a KvError. */
export function checkKey(key: Uint8Array): void {
  if (!(key instanceof Uint8Array)) throw invalid('a key must be a Uint8Array');
  if (key.length === 0) throw invalid('a key must have at least one byte');
  if (key.length > KEY_SIZE_LIMIT_BYTES) {
    throw new KvError(
      'KV_KEY_TOO_LARGE',
      `a key of ${key.length} bytes is over the limit of ${KEY_SIZE_LIMIT_BYTES}`,
    );
  }
}

/** Refuses scan options that mean nothing. Throws a KvError. */
export function checkScan(options: ScanOptions): void {
  if (!Number.isSafeInteger(options.limit) || options.limit < 1) {
    throw invalid(`a scan's limit must be an integer of at least 1, not ${options.limit}`);
  }
  checkRange(options);
}

/** Refuses bounds that are not bytes. Throws a KvError. */
export function checkRange(options: Omit<ScanOptions, 'limit'>): void {
  for (const bound of [options.from, options.to]) {
    if (bound !== undefined && !(bound instanceof Uint8Array)) {
      throw invalid("a range's bounds must be Uint8Arrays");
    }
  }
}

/** The view's age limit, or `fallback`; a KvError where it is not a positive number. */
export function checkMaxAgeMs(maxAgeMs: number | undefined, fallback: number): number {
  if (maxAgeMs === undefined) return fallback;
  if (!Number.isFinite(maxAgeMs) || maxAgeMs <= 0) {
    throw invalid(`maxAgeMs must be a positive number, not ${maxAgeMs}`);
  }
  return maxAgeMs;
}

/** Refuses a target shorter than the value. Throws a KvError. */
export function checkTarget(target: Uint8Array, valueSizeBytes: number): void {
  if (target.length < valueSizeBytes) {
    throw new KvError(
      'KV_BUFFER_TOO_SMALL',
      `the value has ${valueSizeBytes} bytes and the buffer ${target.length}`,
    );
  }
}

function checkCondition(condition: Condition): void {
  checkKey(condition.key);
  if (condition.kind === 'versionEquals' && !isCount(condition.version)) {
    throw invalid(`a condition's version must be a whole number, not ${condition.version}`);
  }
  if (!['exists', 'absent', 'versionEquals'].includes(condition.kind)) {
    throw invalid(`there is no condition of kind ${String((condition as Condition).kind)}`);
  }
}

function checkOperation(operation: Operation): void {
  checkKey(operation.key);
  if (operation.kind === 'delete') return;
  if (operation.kind === 'append') checkAppend(operation);
  else if (operation.kind !== 'put') {
    throw invalid(`there is no operation of kind ${String((operation as Operation).kind)}`);
  }
  if (!(operation.value instanceof Uint8Array)) throw invalid('a value must be a Uint8Array');
  if (operation.value.length > VALUE_SIZE_LIMIT_BYTES) {
    throw new KvError(
      'KV_VALUE_TOO_LARGE',
      `a value of ${operation.value.length} bytes is over the limit of ${VALUE_SIZE_LIMIT_BYTES}`,
    );
  }
  if (operation.kind === 'put' && operation.crc !== undefined) checkCrc(operation.crc);
}

function checkCrc(crc: number): void {
  if (crc >>> 0 !== crc) throw invalid(`a CRC-32 must be a number of 32 bits, not ${crc}`);
}

function checkAppend({ key, suffix, value }: Extract<Operation, { kind: 'append' }>): void {
  if (!(suffix instanceof Uint8Array)) throw invalid('a suffix must be a Uint8Array');
  const sizeBytes = key.length + STAMP_SIZE_BYTES + suffix.length;
  if (sizeBytes > KEY_SIZE_LIMIT_BYTES) {
    throw new KvError(
      'KV_KEY_TOO_LARGE',
      `an appended key of ${sizeBytes} bytes is over the limit of ${KEY_SIZE_LIMIT_BYTES}`,
    );
  }
  if (value.length <= INLINE_VALUE_LIMIT_BYTES) return;
  throw new KvError(
    'KV_VALUE_TOO_LARGE',
    `an appended value of ${value.length} bytes is over the limit of ${INLINE_VALUE_LIMIT_BYTES}`,
  );
}

/** The position among them has two bytes. */
function checkAppends(operations: readonly Operation[]): void {
  let count = 0;
  for (const { kind } of operations) if (kind === 'append') count++;
  if (count > 0xffff) throw invalid(`${count} appends in one transaction`);
}

function checkSession(session: NonNullable<Transaction['session']>): void {
  const sizeBytes = utf8(session.clientId).length;
  if (sizeBytes === 0 || sizeBytes > CLIENT_ID_SIZE_LIMIT_BYTES) {
    throw invalid(
      `a client id must have 1 to ${CLIENT_ID_SIZE_LIMIT_BYTES} bytes, not ${sizeBytes}`,
    );
  }
  if (!isCount(session.sequence)) {
    throw invalid(`a session's sequence must be a whole number, not ${session.sequence}`);
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function invalid(message: string): KvError {
  return new KvError('KV_INVALID_ARGUMENT', message);
}
