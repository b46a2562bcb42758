import { refuseTakenPort } from './free-ports.ts';
import { readMasterKeys } from './keys/master-key-file.ts';
import { readNamedKeys } from './keys/named-key-file.ts';
import { refuseBadBucketNames } from './populate.ts';
import { refuseImpossibleClock } from './possible-clock.ts';
import type { ServerConfig } from './server-config.ts';
import { readKeyPair } from './tls/key-pair.ts';

/**
 * Where there is no data folder, rejects with what the start would end by anyway, when it had made one: whoever mistypes a port is not
 * left with a new folder and a key pair in it. It is only a look: the start itself still decides.
 */
export async function refuseVainFirstStart(
  config: Pick<
    ServerConfig,
    | 'env'
    | 'directory'
    | 'host'
    | 'port'
    | 'tls'
    | 'cluster'
    | 'buckets'
    | 'init'
    | 'masterKeyPath'
    | 'namedKeyPath'
  >,
): Promise<void> {
  const {
    env,
    directory,
    host = '127.0.0.1',
    port,
    masterKeyPath: path,
    namedKeyPath,
    tls,
  } = config;
  if ((await env.files.stat(directory)) !== undefined) return;
  refuseImpossibleClock(env.clock);
  refuseBadBucketNames(config);
  if (path !== undefined) await readMasterKeys({ env, directory, path }, false);
  if (namedKeyPath !== undefined) await readNamedKeys(env, namedKeyPath);
  if (tls !== undefined) await readKeyPair(env, tls);
  const { cluster } = config;
  const peers = await cluster?.network.listen(cluster.listen, (early) => void early.close());
  try {
    // Why both at once: they may have been given the same port.
    await refuseTakenPort(host, port);
  } finally {
    await peers?.close();
  }
}
