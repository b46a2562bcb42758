import type { ClusterStatus } from '@holdfast/replica';
import type { StorageMetric } from '../storage-sample.ts';

/** What of a status is exported. */
export type SampledStatus = Pick<
  ClusterStatus,
  'role' | 'leaderId' | 'term' | 'commitIndex' | 'appliedIndex' | 'lastIndex' | 'waitingBytes'
> & { readonly members: readonly Pick<ClusterStatus['members'][number], Sampled>[] };

type Sampled = 'role' | 'isConnected' | 'matchIndex';

/** A node of a cluster, in numbers. The list of names never changes. */
export function sampleCluster(status: SampledStatus): readonly StorageMetric[] {
  const { members } = status;
  const leads = status.role === 'leader';
  const behind = members.map(({ matchIndex }) => status.lastIndex - (matchIndex ?? 0));
  const voters = members.filter(({ role }) => role === 'voter');
  const gauge = (name: string, value: number, help: string): StorageMetric => ({
    name: `cluster_${name}`,
    kind: 'gauge',
    help,
    value,
  });
  return [
    gauge('is_leader', leads ? 1 : 0, 'Whether this node leads.'),
    gauge('has_leader', status.leaderId === undefined ? 0 : 1, 'Whether a leader is known.'),
    gauge('term', status.term, 'Elections so far, won or not.'),
    gauge('voters', voters.length, 'Members whose votes count.'),
    gauge('learners', members.length - voters.length, 'Members that only get everything.'),
    gauge(
      'connected_members',
      members.filter(({ isConnected }) => isConnected).length,
      'Members that this node has a way to, itself among them.',
    ),
    gauge('last_index', status.lastIndex, 'Last entry of the log, agreed on or not.'),
    gauge('commit_index', status.commitIndex, 'Last entry known to be agreed on.'),
    gauge('applied_index', status.appliedIndex, 'Last entry that reads see.'),
    gauge(
      'lag_entries',
      leads ? Math.max(0, ...behind) : 0,
      'On the leader: entries that the member furthest behind lacks.',
    ),
    gauge('waiting_bytes', status.waitingBytes, 'Transactions of this node not yet agreed on.'),
  ];
}
