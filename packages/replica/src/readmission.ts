/** What a leader does for a node whose files are damaged: it takes it out, and in again with another folder (ADR 0027). */
import { ReplicaError } from './errors.ts';
import type { MemberGuard } from './member-guard.ts';
import type { Cluster } from './replica.ts';
import type { MemberQuestion } from './transfer/image-server.ts';
import type { MemberRole } from './transfer/transfer-codec.ts';

/**
 * One step of it, and what the node is then; asked again until it is a voter. Safety: as done by hand. A folder that is not the
 * one that the log names is taken out, with all that is known of it, before another one is taken in as a learner;
 * and a learner is promoted when it has nearly everything.
 */
export async function changeMember(
  cluster: Cluster,
  guard: MemberGuard,
  peerId: string,
  question: MemberQuestion,
): Promise<MemberRole> {
  const { role, members } = cluster.status();
  if (role !== 'leader') {
    throw new ReplicaError('REPLICA_NOT_LEADER', 'members are changed by the leader alone');
  }
  const member = members.find(({ nodeId }) => nodeId === peerId);
  if (question.type === 'leave') {
    if (member !== undefined) await cluster.remove(peerId);
    return 'none';
  }
  if (member === undefined) {
    await cluster.add(peerId, question.address);
    return 'learner';
  }
  const counted = guard.incarnationOf(peerId);
  // Of a learner it is open which folder counts until it has acknowledged something.
  if (counted === undefined && member.role === 'learner') return 'learner';
  if (counted !== question.incarnation) {
    await cluster.remove(peerId);
    return 'none';
  }
  if (member.role === 'learner') await cluster.promote(peerId);
  return 'voter';
}
