/** Largest key, in bytes; the smallest is 1. */
export const KEY_SIZE_LIMIT_BYTES = 4096;

/** Largest value, in bytes. The smallest is empty. */
export const VALUE_SIZE_LIMIT_BYTES: number = 1024 * 1024;

/**
 * Largest transaction as `transactionSizeBytes` measures it. Why: with its encoding it must fit into one
 * record of the wal, 2 MiB by default.
 */
export const TRANSACTION_SIZE_LIMIT_BYTES: number = 2 * 1024 * 1024 - 4096;

/** Most conditions and operations of a transaction, together. Why: they are applied in one turn of the event loop. */
export const TRANSACTION_PARTS_LIMIT = 16_384;

/** Longest session client id, in bytes of UTF-8; the shortest is 1. */
export const CLIENT_ID_SIZE_LIMIT_BYTES = 256;

/** A scan page with values ends once its values pass this, whatever its limit: it bounds memory. */
export const PAGE_VALUES_LIMIT_BYTES: number = 16 * 1024 * 1024;

/** How long a read view lives when its caller does not say. */
export const VIEW_MAX_AGE_MS = 60_000;
