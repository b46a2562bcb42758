import type { Env } from '../env.ts';
import { loadCrc32c } from './crc32c.ts';
import { NodeCiphers } from './node-ciphers.ts';
import { NodeClock } from './node-clock.ts';
import { NodeDigests, type NodeDigestsOptions } from './node-digests.ts';
import { NodeFiles, type NodeFilesOptions } from './node-files.ts';
import { NodeRandom } from './node-random.ts';
import { loadXxHashes } from './xx-hashes.ts';

export interface NodeEnvOptions {
  readonly files?: NodeFilesOptions;
  readonly digests?: NodeDigestsOptions;
}

/** The environment of the machine. Its owner closes `digests` at the end. */
export async function createNodeEnv(options: NodeEnvOptions = {}): Promise<Env> {
  const [loaded, xxHashes] = await Promise.all([loadCrc32c(), loadXxHashes()]);
  const digests = new NodeDigests(loaded, xxHashes, options.digests);
  return {
    files: new NodeFiles(options.files),
    clock: new NodeClock(),
    random: new NodeRandom(),
    digests,
    ciphers: new NodeCiphers(digests),
    crc32c: loaded.crc32c,
    bodyChecksum: loaded.bodyChecksum,
  };
}
