import type { Network } from '@holdfast/env';
import type { ClusterSettings } from './cluster-settings.ts';

/** What makes a server a node of a cluster. */
export interface ClusterConfig
  extends Pick<ClusterSettings, 'nodeId' | 'members' | 'listen' | 'join'> {
  /** In hexadecimal, 32 digits. */
  readonly clusterId: string;
  /** How the nodes reach each other. Stays the caller's. */
  readonly network: Network;
  /** Values that are damaged here are had from other nodes, and damaged files written anew. Default false. */
  readonly repairsFromPeers?: boolean;
  /** The credentials are new, and take the place of those that the cluster knows. Default false. */
  readonly replaceRootKeys?: boolean;
  /** How often a node looks what the others have agreed on about master keys. Default 5 s. */
  readonly keyIntervalMs?: number;
}
