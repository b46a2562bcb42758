/** What a leader does for a node whose files are damaged: it takes it out, and in again with another folder (ADR 0027). */
import type { ClusterControl } from './cluster-control.ts';
import { ReplicaError } from './errors.ts';
import type { MemberGuard } from './member-guard.ts';
import type { MemberRole, Question } from './transfer/transfer-codec.ts';

/**
 * One step of it, and what the node is then; asked again until it is a voter. REPLICA_NOT_LEADER, and REPLICA_REMOVED
 * of a node that was removed by hand: nobody but who did that takes it in again. Safety: as done by hand. A folder that is not the
 * one that the log names is taken out, with all that is known of it, before another one is taken in as a learner;
 * and a learner is promoted when it has nearly everything.
 */
export async function changeMember(
  cluster: ClusterControl,
  guard: MemberGuard,
  peerId: string,
  question: Extract<Question, { type: 'leave' | 'enter' }>,
): Promise<MemberRole> {
  const { role, members } = cluster.status();
  if (role !== 'leader') {
    throw new ReplicaError('REPLICA_NOT_LEADER', 'members are changed by the leader alone');
  }
  const member = members.find(({ nodeId }) => nodeId === peerId);
  if (member === undefined) {
    // Safety: who hears that it is none sets its files aside, and a leader that was paused has missed who was taken in since.
    if (question.type === 'leave') await cluster.confirm();
    if (guard.isBarred(peerId)) {
      throw new ReplicaError(
        'REPLICA_REMOVED',
        `${peerId} was removed by hand: on the leader, "holdfast cluster add ${peerId}=HOST:PORT" lets it in again`,
      );
    }
    if (question.type === 'leave') return 'none';
    await cluster.add(peerId, question.address);
    return 'learner';
  }
  if (question.type === 'leave') {
    await cluster.takeOut(peerId);
    return 'none';
  }
  const counted = guard.incarnationOf(peerId);
  // Of a learner it is open which folder counts until it has acknowledged something.
  if (counted === undefined && member.role === 'learner') return 'learner';
  if (counted !== question.incarnation) {
    await cluster.takeOut(peerId);
    return 'none';
  }
  if (member.role === 'learner') await cluster.promote(peerId);
  else await cluster.confirm();
  return 'voter';
}
