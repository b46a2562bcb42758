/**
 * `@holdfast/env/testing`: what every implementation of the ports must do, as vitest tests.
 *
 * @example
 * filesContract('files on my disk', async () => ({ files, directory: await emptyFolder() }));
 *
 * Source: packages/env/src/testing
 */

export type { CiphersFixture } from './ciphers-contract.ts';
export { ciphersContract } from './ciphers-contract.ts';
export type { ClockFixture } from './clock-contract.ts';
export { clockContract } from './clock-contract.ts';
export { DIGEST_ALGORITHMS, DIGEST_VECTORS, EMPTY_DIGEST_VECTORS } from './digest-vectors.ts';
export { digestsContract } from './digests-contract.ts';
export type { FilesFixture } from './files-contract.ts';
export { filesContract } from './files-contract.ts';
export type { NetworkFixture } from './network-contract.ts';
export { CONTRACT_LIMITS, networkContract } from './network-contract.ts';
export { randomContract } from './random-contract.ts';
