/**
 * What the cluster knows about itself, as part of the state that every node has: who belongs to it, and where members
 * are reached that were added later. Entries become notes of the store when they are applied, so that a copy of the
 * tables brings them along.
 */
import {
  ByteReader,
  ByteWriter,
  type LogIndex,
  logIndex,
  MalformedBytesError,
  NewerBytesError,
} from '@holdfast/bytes';
import type { Address } from '@holdfast/env';
import type { KvEngine } from '@holdfast/kv';
import { KvError, newerRecord } from '@holdfast/kv';
import type { Configuration } from '@holdfast/raft';
import {
  ADDRESS_KIND,
  CLUSTER_KIND,
  contentOf,
  decodeClusterId,
  decodeConfiguration,
  INCARNATION_KIND,
  MEMBERSHIP_KIND,
} from './entry-format.ts';
import type { IncarnationRecord } from './member-guard.ts';
import { decodeIncarnation } from './member-guard.ts';

const CONFIGURATION_PREFIX = 'configuration/';
const ADDRESS_PREFIX = 'address/';
const INCARNATION_PREFIX = 'incarnation/';
const CLUSTER_NOTE = 'cluster';
/** Digits of an index in a note's name, so that names sort as indexes do. */
const INDEX_DIGITS = 16;

export interface ClusterNotes {
  /** Committed configurations by the index of their entry, in order. */
  readonly configurations: readonly {
    readonly index: LogIndex;
    readonly configuration: Configuration;
  }[];
  readonly addresses: ReadonlyMap<string, Address>;
  /** What the cluster has been called since its last recovery from the loss of a quorum, or since it began from a backup; undefined where there was neither. */
  readonly clusterId: string | undefined;
  /** Which folder of each member counts; their `index` is 0. */
  readonly incarnations: readonly IncarnationRecord[];
}

/** Applies an entry that is no transaction. KV_CORRUPTION where it cannot be read, KV_INCOMPATIBLE where a newer Holdfast wrote it. */
export function applyNote(
  engine: KvEngine,
  record: { readonly index: number; readonly kind: number; readonly head: Uint8Array },
): void {
  const { index, kind, head } = record;
  try {
    if (kind === MEMBERSHIP_KIND) {
      decodeConfiguration(head);
      const name = `${CONFIGURATION_PREFIX}${index.toString().padStart(INDEX_DIGITS, '0')}`;
      engine.note(index, name, head);
    } else if (kind === ADDRESS_KIND) {
      const { nodeId, address } = decodeAddress(head);
      const isGone = address === undefined;
      engine.note(index, `${ADDRESS_PREFIX}${nodeId}`, isGone ? undefined : head);
    } else if (kind === INCARNATION_KIND) {
      const { nodeId, incarnation } = decodeIncarnation(head);
      const isOpen = incarnation === undefined;
      engine.note(index, `${INCARNATION_PREFIX}${nodeId}`, isOpen ? undefined : head);
    } else if (kind === CLUSTER_KIND) {
      decodeClusterId(head);
      engine.note(index, CLUSTER_NOTE, head);
    } else {
      // Safety: what nobody here knows may not be passed over; the others have applied it.
      contentOf({ kind, head });
      engine.skip(index);
    }
  } catch (cause) {
    if (!(cause instanceof MalformedBytesError)) throw cause;
    if (cause instanceof NewerBytesError) throw newerRecord(index, cause);
    throw new KvError('KV_CORRUPTION', `entry ${index} cannot be read: ${cause.message}`, {
      cause,
    });
  }
}

export async function readClusterNotes(engine: KvEngine): Promise<ClusterNotes> {
  return clusterNotesOf(await engine.readNotes());
}

/** What notes say of the cluster: of this node's own state, or of another one's. */
export function clusterNotesOf(notes: ReadonlyMap<string, Uint8Array>): ClusterNotes {
  const configurations: { index: LogIndex; configuration: Configuration }[] = [];
  const addresses = new Map<string, Address>();
  const incarnations: IncarnationRecord[] = [];
  for (const [name, value] of notes) {
    if (name.startsWith(CONFIGURATION_PREFIX)) {
      const index = logIndex(Number(name.slice(CONFIGURATION_PREFIX.length)));
      configurations.push({ index, configuration: decodeConfiguration(value) });
    } else if (name.startsWith(ADDRESS_PREFIX)) {
      const { nodeId, address } = decodeAddress(value);
      if (address !== undefined) addresses.set(nodeId, address);
    } else if (name.startsWith(INCARNATION_PREFIX)) {
      incarnations.push({ index: 0, ...decodeIncarnation(value) });
    }
  }
  configurations.sort((left, right) => left.index - right.index);
  const cluster = notes.get(CLUSTER_NOTE);
  const clusterId = cluster === undefined ? undefined : decodeClusterId(cluster);
  return { configurations, addresses, clusterId, incarnations };
}

/**
 * Follows an entry of the log, committed or not; whether it was one of an address. Why not only committed ones: a member counts
 * from the moment its configuration is in the log, and where nobody reaches it nothing may be committed ever again.
 */
export function followAddress(
  addresses: Map<string, Address>,
  { kind, head }: { readonly kind: number; readonly head: Uint8Array },
): boolean {
  if (kind !== ADDRESS_KIND) return false;
  const { nodeId, address } = decodeAddress(head);
  if (address === undefined) addresses.delete(nodeId);
  else addresses.set(nodeId, address);
  return true;
}

/** The head of an address entry; without an address it is forgotten. */
export function encodeAddress(nodeId: string, address: Address | undefined): Uint8Array {
  const writer = new ByteWriter(64)
    .u8(1)
    .text(nodeId)
    .text(address?.host ?? '');
  return writer.varint(address?.port ?? 0).finish();
}

export function decodeAddress(bytes: Uint8Array): {
  readonly nodeId: string;
  readonly address: Address | undefined;
} {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version > 1) throw new NewerBytesError('an address of format', version, 1);
  if (version < 1) throw new MalformedBytesError(`an address of format ${version}`);
  const nodeId = reader.text();
  const host = reader.text();
  const port = reader.varint();
  if (reader.remaining > 0) throw new MalformedBytesError('bytes left over in an address');
  return { nodeId, address: host === '' ? undefined : { host, port } };
}
