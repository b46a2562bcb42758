/** What a member says to a node that has heard from nobody for a while, and asks what it is (ADR 0039). */
import { logIndex, term } from '@holdfast/bytes';
import { KvError } from '@holdfast/kv';
import { nodeId } from '@holdfast/raft';
import type { ReplicaDriver } from './driver.ts';
import { ReplicaError } from './errors.ts';
import type { MemberGuard } from './member-guard.ts';
import type { MemberRole, Question } from './transfer/transfer-codec.ts';

/**
 * REPLICA_REMOVED of one that is no member, and KV_UNAVAILABLE where that cannot be known here now. Safety: asked of the leader
 * first, so that nobody was taken in meanwhile of whom this node has not heard; and what is answered is committed.
 */
export async function standingFor(
  driver: ReplicaDriver,
  guard: MemberGuard,
  peerId: string,
  { incarnation, lastIndex, lastTerm }: Extract<Question, { type: 'standing' }>,
): Promise<MemberRole> {
  await driver.whenCurrent();
  const member = nodeId(peerId);
  const end = { index: logIndex(lastIndex), term: term(lastTerm) };
  const standing = driver.act((raft) => raft.standingOf(member, end));
  if (standing === undefined) {
    throw new KvError('KV_UNAVAILABLE', `${peerId} may know more than this node`);
  }
  // The name may be another folder's by now.
  if (standing === 'none' || guard.isReplaced(peerId, incarnation, driver.status.commitIndex)) {
    throw new ReplicaError('REPLICA_REMOVED', `${peerId} is no member any more`);
  }
  return standing;
}
