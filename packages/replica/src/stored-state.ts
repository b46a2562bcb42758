/** What a start finds on disk, as Raft wants to be told. */
import { invariant, logIndex, term, toHex, utf8 } from '@holdfast/bytes';
import type { Address, Digests } from '@holdfast/env';
import type { OpenedFolder, StoreSeam } from '@holdfast/kv';
import type { Configuration, StoredEntry, StoredState } from '@holdfast/raft';
import { configurationOf, contentSizeBytes, nodeId } from '@holdfast/raft';
import type { Wal, WalIdentity } from '@holdfast/wal';
import type { ClusterNotes } from './cluster-notes.ts';
import { applyNote, followAddress } from './cluster-notes.ts';
import {
  CLUSTER_KIND,
  decodeClusterId,
  decodeConfiguration,
  encodeConfiguration,
  INCARNATION_KIND,
  MEMBERSHIP_KIND,
} from './entry-format.ts';
import type { IncarnationRecord } from './member-guard.ts';
import { decodeIncarnation } from './member-guard.ts';

/** Of the first entry of every cluster, which says who belongs to it. */
const FIRST_TERM = term(1);
const ID_BYTES = 16;

/** What of a member's log a start may apply, and what its records mean that are no transactions. */
export const MEMBER_LOG: Pick<StoreSeam, 'hashesState' | 'committedIndex' | 'applyForeign'> = {
  hashesState: true,
  committedIndex: (wal) => logIndex(Math.min(wal.hardState.commitIndex, wal.lastIndex)),
  applyForeign: applyNote,
};

/** What a member's folder says. */
export interface FoundMember {
  readonly stored: StoredState;
  /** As `ClusterNotes.clusterId`, or what an entry says that is not applied yet. */
  readonly clusterId: string | undefined;
  /** Which folder of each member counts, and what entries say of it that are not applied yet. */
  readonly incarnations: readonly IncarnationRecord[];
  /** Where members are reached, with what entries say of it that are not applied yet. */
  readonly addresses: ReadonlyMap<string, Address>;
}

/**
 * Who a node is to its own files: the same name in the same cluster is the same node. Why a digest: a folder's ids have a
 * fixed form, and names do not.
 */
export function identityOf(digests: Digests, clusterId: string, name: string): WalIdentity {
  return { clusterId, nodeId: idOf(digests, `node/${clusterId}/${name}`) };
}

/** The id of a cluster that begins with these members: the same on each of them, and for no other cluster. */
export function clusterIdOf(
  digests: Digests,
  clusterName: string,
  members: readonly string[],
): string {
  return idOf(digests, `cluster/${clusterName}/${members.toSorted().join(',')}`);
}

function idOf(digests: Digests, text: string): string {
  const digest = digests.compute(['sha256'], utf8(text)).get('sha256');
  invariant(digest !== undefined, 'sha256 was asked for');
  return toHex(digest.subarray(0, ID_BYTES));
}

/**
 * Writes the first entry of a new cluster's log: who belongs to it. The same on every first member, so that their logs
 * agree. Nothing in a folder that has a log, or of a node that is to join: it gets its log from the others.
 */
export async function beginLog(
  { wal, engine }: OpenedFolder,
  members: readonly string[],
): Promise<void> {
  if (wal.lastIndex > 0 || engine.appliedIndex > 0 || members.length === 0) return;
  // Durability: the term first, so that the log never holds an entry of a term that the state does not know.
  await wal.saveHardState({ term: FIRST_TERM, votedFor: undefined, commitIndex: logIndex(0) });
  const head = encodeConfiguration(configurationOf(members.map((member) => nodeId(member))));
  const { index } = wal.append({
    term: FIRST_TERM,
    kind: MEMBERSHIP_KIND,
    head,
    index: logIndex(1),
  });
  await wal.whenDurable(index);
}

export async function readStoredState(
  { wal, engine }: OpenedFolder,
  notes: ClusterNotes,
): Promise<FoundMember> {
  const baseIndex = logIndex(wal.firstIndex - 1);
  const entries: StoredEntry[] = [];
  const memberships: { index: typeof baseIndex; configuration: Configuration }[] = [];
  let { clusterId } = notes;
  const incarnations = [...notes.incarnations];
  const addresses = new Map(notes.addresses);
  if (wal.lastIndex >= wal.firstIndex) {
    for await (const record of wal.replay(wal.firstIndex)) {
      const { index, kind, head, body } = record;
      const command = { kind, head };
      const sizeBytes = contentSizeBytes({ type: 'command', command }) + (body?.length ?? 0);
      entries.push({ term: record.term, sizeBytes });
      if (kind === MEMBERSHIP_KIND) {
        memberships.push({ index, configuration: decodeConfiguration(head) });
      }
      if (kind === CLUSTER_KIND) clusterId = decodeClusterId(head);
      if (index <= engine.appliedIndex) continue;
      if (kind === INCARNATION_KIND) incarnations.push({ index, ...decodeIncarnation(head) });
      followAddress(addresses, record);
    }
  }
  const known = notes.configurations.findLast(({ index }) => index <= baseIndex);
  const { hardState } = wal;
  const stored = {
    hardState: {
      term: hardState.term,
      votedFor: hardState.votedFor === undefined ? undefined : nodeId(hardState.votedFor),
      commitIndex: hardState.commitIndex,
    },
    base: { index: baseIndex, term: termBefore(wal) },
    ...(baseIndex === 0 ? {} : { snapshotIndex: logIndex(engine.flushedIndex) }),
    // Before the first entry nobody belongs to the cluster.
    configuration: known?.configuration ?? configurationOf([]),
    entries,
    memberships,
    appliedIndex: logIndex(engine.appliedIndex),
  };
  return { stored, clusterId, incarnations, addresses };
}

function termBefore(wal: Wal): typeof FIRST_TERM {
  const before = wal.termAt(logIndex(wal.firstIndex - 1));
  invariant(before !== undefined, 'a log knows the term before its first entry');
  return before;
}
