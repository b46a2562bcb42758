/** What a node makes of it that a peer, which it does not answer, says where it is (ADR 0040). */
import type { Address } from '@holdfast/env';
import { isVoter, membersOf, nodeId } from '@holdfast/raft';
import type { ReplicaDriver } from './driver.ts';
import { ReplicaError } from './errors.ts';
import type { MemberGuard } from './member-guard.ts';
import type { PeerLinks } from './peer-links.ts';
import type { MemberRole } from './transfer/transfer-codec.ts';

export interface ToldAddressParts {
  readonly driver: ReplicaDriver;
  readonly guard: MemberGuard;
  readonly links: PeerLinks;
  readonly addresses: Map<string, Address>;
}

/**
 * Answers with what the peer is as far as is known here; REPLICA_REMOVED of one that was removed by hand: nobody here is to speak
 * to it. Durability: until the next start, then it is told again.
 */
export function noteToldAddress(
  { driver, guard, links, addresses }: ToldAddressParts,
  peerId: string,
  address: Address,
): MemberRole {
  if (guard.isBarred(peerId)) {
    throw new ReplicaError('REPLICA_REMOVED', `${peerId} was removed by hand`);
  }
  if (addresses.has(peerId)) {
    links.noteTold(peerId, address);
  } else {
    addresses.set(peerId, address);
    driver.followMembers();
  }
  const { configuration } = driver.status;
  const member = nodeId(peerId);
  if (!membersOf(configuration).includes(member)) return 'none';
  return isVoter(configuration, member) ? 'voter' : 'learner';
}
