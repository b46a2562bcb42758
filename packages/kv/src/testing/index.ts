/**
 * `@holdfast/kv/testing`: a `KvStore` in memory and the contract that every `KvStore` must pass.
 *
 * @example
 * kvStoreContract('my store', async () => ({ store: await openMyStore() }));
 *
 * Source: packages/kv/src/testing
 */

export type { KvStoreHarness, OpenStore } from './contract/harness.ts';
export { kvStoreContract } from './contract.ts';
export type { LaggingStore } from './lagging-store.ts';
export { createLaggingStore } from './lagging-store.ts';
export type { ManualClock } from './manual-clock.ts';
export { createManualClock } from './manual-clock.ts';
export type { MemoryStoreOptions } from './memory-store.ts';
export { createMemoryStore } from './memory-store.ts';
