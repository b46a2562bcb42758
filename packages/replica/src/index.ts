/**
 * `@holdfast/replica`: one node of a cluster. Drives `raft` with the real log and network and is a `KvStore`: what it
 * acknowledges is on the disks of a majority, and what it reads is the newest there is. Stands on `kv`, `raft`, `wal`,
 * `env` and `bytes`, and knows neither objects nor HTTP.
 *
 * @example
 * const { store, cluster } = await openReplica({ env, network, directory, clusterId, listen, members });
 * await store.transact({ operations: [{ kind: 'put', key, value }] }); // on any node
 * cluster.status().leaderId;
 *
 * Source: packages/replica/src, formats in docs/formats/replica.md
 */

export type { ReplicaErrorCode } from './errors.ts';
export { ReplicaError } from './errors.ts';
export { readClusterId, refuseMember } from './member-file.ts';
export { openReplica } from './open-replica.ts';
export type { RecoveredQuorum, RecoverQuorumRequest, Survivor } from './recover-quorum.ts';
export { examineSurvivor, recoverQuorum } from './recover-quorum.ts';
export type { Cluster, ClusterStatus, MemberInfo, Replica, ReplicaOptions } from './replica.ts';
export type { RestoredMember, RestoreMemberRequest } from './restore-member.ts';
export { restoreMember } from './restore-member.ts';
export type { ReplicaSettings } from './settings.ts';
export { clusterIdOf } from './stored-state.ts';
