import type { KvError, LocalStore } from '@holdfast/kv';
import type { Cluster } from '@holdfast/replica';
import { openReplica } from '@holdfast/replica';
import type { Log } from './log.ts';
import { openLoneStore } from './lone-store.ts';
import { refuseImpossibleClock } from './possible-clock.ts';
import { RepeatedFaults } from './repeated-faults.ts';
import type { ServerConfig } from './server-config.ts';

/** The store of a server: its own, or its replica of a cluster's. */
export interface OpenedStore {
  readonly store: LocalStore;
  /** Who belongs to the cluster, and who leads it; undefined where the server is alone. */
  readonly cluster: Cluster | undefined;
}

/** Opens the data folder. Errors as of `openLoneStore` and `openReplica`. */
export async function openStore(
  { env, directory, cluster }: ServerConfig,
  log: Log,
  onFailure: (error: KvError) => void,
): Promise<OpenedStore> {
  if (cluster === undefined) {
    return { store: await openLoneStore({ env, directory, onFailure }), cluster: undefined };
  }
  refuseImpossibleClock(env.clock);
  const { nodeId, members, listen, join, network, clusterId, repairsFromPeers = false } = cluster;
  // A node that joins begins with the members that are there, and learns from them that it is one.
  const first = members.filter((member) => !join || member.nodeId !== nodeId);
  const own = members.find((member) => member.nodeId === nodeId);
  const faults = new RepeatedFaults();
  return openReplica({
    env,
    network,
    directory,
    clusterId,
    listen,
    members: Object.fromEntries(first.map((member) => [member.nodeId, member.address])),
    ...(own && { address: own.address }),
    settings: { repairsFromPeers },
    afterTurn: (run) => void setImmediate(run),
    onFailure,
    onLeadership: (isLeader) => {
      log.info({ nodeId }, isLeader ? 'this node leads' : 'this node leads no more');
    },
    onDamage: (error) => {
      log.error({ nodeId, error }, 'files are damaged, a leader is asked to take this node out');
    },
    onSetAside: (error, aside) => {
      log.error(
        { nodeId, error, aside },
        'damaged files were set aside, this node is taken in anew',
      );
    },
    onPeerFault: (peerId, error) => {
      const repeated = faults.note(peerId, error, env.clock.monotonicMs());
      if (repeated === undefined) return;
      log.warn({ peerId, error, ...(repeated > 0 && { repeated }) }, 'a peer was cut off');
    },
  });
}
