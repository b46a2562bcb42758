/**
 * `@holdfast/env`: the ports to the outside. Above it nothing touches a file, a clock, a random source
 * or a peer in any other way, so that a test can be in charge of all of them.
 *
 * `@holdfast/env/node` is the real implementation, `@holdfast/env/memory` the seeded one that loses,
 * tears and garbles, `@holdfast/env/testing` the contract that both meet.
 *
 * @example
 * const env = await createNodeEnv();
 * const file = await env.files.open('/tmp/a', 'create');
 * await file.writeSynced(bytes, 0); // durable now
 *
 * Source: packages/env/src
 */
export type { CipherSeal, Ciphers } from './ciphers.ts';
export { CIPHER_KEY_BYTES, CIPHER_NONCE_BYTES, CIPHER_TAG_BYTES } from './ciphers.ts';
export type { Clock, Timer } from './clock.ts';
export type {
  DigestAlgorithm,
  DigestErrorCode,
  DigestResults,
  DigestStream,
  Digests,
} from './digests.ts';
export { DigestError } from './digests.ts';
export { keepNames, makeDurableDirectory } from './durable-directory.ts';
export type { Env } from './env.ts';
export type { FileErrorCode, FileHandle, FileLock, FileStat, Files, OpenOptions } from './files.ts';
export { FileError, findFileError } from './files.ts';
export { InPlaceTurns } from './in-place-turns.ts';
export type {
  Address,
  Connection,
  ConnectTarget,
  Lane,
  LaneLimits,
  Listener,
  Network,
  NetworkErrorCode,
} from './network.ts';
export { DEFAULT_LANE_LIMITS, LANES, NetworkError } from './network.ts';
export type { Random } from './random.ts';
export type { RunningTask, ThreadErrorCode, Threads, ThreadTask } from './threads.ts';
export { ThreadError } from './threads.ts';
