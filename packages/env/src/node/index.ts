/**
 * `@holdfast/env/node`: the environment of the machine, on Node.js.
 *
 * @example
 * const env = await createNodeEnv();
 * const file = await env.files.open('/tmp/a', 'create');
 * await file.writeSynced(bytes, 0); // durable now
 * await env.digests.close();
 *
 * Source: packages/env/src/node
 */

export type { LoadCrc32cOptions, LoadedCrc32c } from './crc32c.ts';
export { loadCrc32c } from './crc32c.ts';
export { NodeCiphers } from './node-ciphers.ts';
export { keepProcessAlive, NodeClock } from './node-clock.ts';
export type { NodeDigestsOptions } from './node-digests.ts';
export { NodeDigests } from './node-digests.ts';
export type { NodeEnvOptions } from './node-env.ts';
export { createNodeEnv } from './node-env.ts';
export type { NodeFilesOptions } from './node-files.ts';
export { NodeFiles } from './node-files.ts';
export type { PeerRefusal } from './node-listener.ts';
export type { NodeNetworkOptions } from './node-network.ts';
export { NodeNetwork } from './node-network.ts';
export { NodeRandom } from './node-random.ts';
export { NodeThreads } from './node-threads.ts';
export type { CertificateTexts, PeerSecurity, SecurityFiles } from './peer-security.ts';
export { certificateSecurity, loadPeerSecurity, secretSecurity } from './peer-security.ts';
export { SharedSecret } from './shared-secret.ts';
export { ThreadCiphers } from './thread-ciphers.ts';
export { ThreadDigests } from './thread-digests.ts';
export { loadXxHashes } from './xx-hashes.ts';
