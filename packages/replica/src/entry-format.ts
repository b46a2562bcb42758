/**
 * What an entry of Raft's log is as a record of the wal: a kind, a head and a body. A transaction is what it is on one
 * node (`docs/formats/kv-entry.md`); the other kinds are in `docs/formats/replica.md`.
 */
import {
  type BodyChecksum,
  ByteReader,
  ByteWriter,
  logIndex,
  MalformedBytesError,
  NewerBytesError,
} from '@holdfast/bytes';
import { KV_ENTRY_KIND, NEWEST_ENTRY_KIND } from '@holdfast/kv';
import type { Command, Configuration, EntryContent, NodeId } from '@holdfast/raft';
import { MEMBER_LIMIT, nodeId } from '@holdfast/raft';

const NOOP_KIND = 2;
export const MEMBERSHIP_KIND = 3;
export const CHECKPOINT_KIND = 4;
/** A command: where a member is reached. */
export const ADDRESS_KIND = 5;
/** A command: what the cluster is called from here on. Only a recovery from the loss of a quorum, or from a backup, writes one. */
export const CLUSTER_KIND = 6;
/** A command: which folder of a member counts. */
export const INCARNATION_KIND = 7;

const FORMAT_VERSION = 1;
const EMPTY = new Uint8Array(0);

/** A command that knows the checksum of its body, so that no node computes it twice. */
export interface StoredCommand extends Command {
  /** Checksum of the whole body; undefined where there is none. */
  readonly bodyCrc: number | undefined;
}

/** The parts of a record. A command that knows the checksum of its body is them itself. */
export interface RecordParts {
  readonly kind: number;
  readonly head: Uint8Array;
  readonly body?: readonly Uint8Array[] | undefined;
  readonly bodyCrc?: number | undefined;
}

export function recordOf(content: EntryContent, bodyChecksum: BodyChecksum): RecordParts {
  switch (content.type) {
    case 'command':
      return commandRecord(content.command, bodyChecksum);
    case 'noop':
      return { kind: NOOP_KIND, head: EMPTY, body: undefined, bodyCrc: undefined };
    case 'membership': {
      const head = encodeConfiguration(content.configuration);
      return { kind: MEMBERSHIP_KIND, head, body: undefined, bodyCrc: undefined };
    }
    case 'checkpoint': {
      const { checkedIndex, stateHash } = content.checkpoint;
      const head = new ByteWriter(48).u8(FORMAT_VERSION).varint(checkedIndex).text(stateHash);
      return { kind: CHECKPOINT_KIND, head: head.finish(), body: undefined, bodyCrc: undefined };
    }
  }
}

/** Throws MalformedBytesError. The content shares memory with the parts. */
export function contentOf({ kind, head, body, bodyCrc }: RecordParts): EntryContent {
  switch (kind) {
    case KV_ENTRY_KIND:
    case ADDRESS_KIND:
    case CLUSTER_KIND:
    case INCARNATION_KIND: {
      const command: StoredCommand =
        body === undefined ? { kind, head, bodyCrc } : { kind, head, bodyCrc, body };
      return { type: 'command', command };
    }
    case NOOP_KIND:
      return { type: 'noop' };
    case MEMBERSHIP_KIND:
      return { type: 'membership', configuration: decodeConfiguration(head) };
    case CHECKPOINT_KIND: {
      const reader = versioned(head);
      const checkedIndex = logIndex(reader.varint());
      const stateHash = reader.text();
      end(reader);
      return { type: 'checkpoint', checkpoint: { checkedIndex, stateHash } };
    }
    default:
      if (kind > NEWEST_ENTRY_KIND) {
        throw new NewerBytesError('an entry of kind', kind, NEWEST_ENTRY_KIND);
      }
      throw new MalformedBytesError(`no entry has the kind ${kind}`);
  }
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  const writer = new ByteWriter(128).u8(FORMAT_VERSION);
  for (const list of [voters, votersOutgoing, learners, learnersNext]) {
    writer.varint(list.length);
    for (const member of list) writer.text(member);
  }
  return writer.finish();
}

export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = versioned(bytes);
  const list = () => {
    const count = reader.varint();
    if (count > MEMBER_LIMIT) throw new MalformedBytesError(`a list of ${count} members`);
    return Array.from({ length: count }, () => memberOf(reader.text()));
  };
  const configuration = {
    voters: list(),
    votersOutgoing: list(),
    learners: list(),
    learnersNext: list(),
  };
  end(reader);
  return configuration;
}

export function encodeClusterId(clusterId: string): Uint8Array {
  return new ByteWriter(48).u8(FORMAT_VERSION).text(clusterId).finish();
}

export function decodeClusterId(bytes: Uint8Array): string {
  const reader = versioned(bytes);
  const clusterId = reader.text();
  end(reader);
  return clusterId;
}

function commandRecord(command: Command | StoredCommand, bodyChecksum: BodyChecksum): RecordParts {
  const { kind, head, body } = command;
  if (body === undefined || body.length === 0) return { kind, head };
  if ('bodyCrc' in command && command.bodyCrc !== undefined) return command;
  return { kind, head, body, bodyCrc: bodyChecksum.of(body) };
}

function memberOf(name: string): NodeId {
  // A character has at most three bytes here; what is longer is no name that a node may have.
  if (name.length === 0 || name.length > 64) throw new MalformedBytesError('not a node id');
  return nodeId(name);
}

function versioned(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version === FORMAT_VERSION) return reader;
  if (version > FORMAT_VERSION) throw new NewerBytesError('format', version, FORMAT_VERSION);
  throw new MalformedBytesError(`format ${version}`);
}

function end(reader: ByteReader): void {
  if (reader.remaining > 0) throw new MalformedBytesError(`${reader.remaining} bytes left over`);
}
