/**
 * A message between nodes as one frame: a structured part under its own checksum, then the bodies of its entries, each
 * under the checksum that the log keeps for it. Sender and receiver are not in it: the connection has proven them.
 * `docs/formats/replica.md` has the byte tables.
 */
import {
  ByteReader,
  ByteWriter,
  type Checksums,
  equalBytes,
  invariant,
  type LogIndex,
  logIndex,
  MalformedBytesError,
  putU32,
  term,
} from '@holdfast/bytes';
import type { Lane } from '@holdfast/env';
import type { Slab } from '@holdfast/kv';
import {
  type AppendEntries,
  type Command,
  contentSizeBytes,
  type Entry,
  type EntryContent,
  type ForwardReply,
  type Message,
  type NodeId,
  type ReadIndexReply,
  type SnapshotMetadata,
} from '@holdfast/raft';
import type { StoredCommand } from './entry-format.ts';
import { contentOf, decodeConfiguration, encodeConfiguration, recordOf } from './entry-format.ts';

/** Why of every message, and not of those with bodies alone: a node that heard a leader and could take no entry from it would wait for ever. */
const FORMAT_VERSION = 2;
const FORMAT_WITH_OLD_BODIES = 1;
/** u32 checksum of what follows up to the bodies, u32 length of that. */
const PREFIX_BYTES = 8;
/** Structured parts up to this share buffers. */
const SHARED_PART_BYTES = 4096;
/** An entry takes at least so many bytes in the structured part. */
const ENTRY_LEAST_BYTES = 4;
/** In the kind of an entry: its body is not in the frame, for the receiver keeps it (`kept-bodies.ts`). */
const KEPT_FLAG = 0x80;

/** By their number on the wire, from 1. Append only. */
const TYPES: readonly Message['type'][] = [
  'requestVote',
  'requestPreVote',
  'voteReply',
  'preVoteReply',
  'appendEntries',
  'appendAccepted',
  'appendRejected',
  'heartbeat',
  'heartbeatReply',
  'installSnapshot',
  'timeoutNow',
  'staleTerm',
  'forwardProposal',
  'forwardReply',
  'readIndexRequest',
  'readIndexReply',
];

type Refusal = Extract<ForwardReply['outcome'], { accepted: false }>['code'];
type ReadRefusal = Extract<ReadIndexReply['outcome'], { confirmed: false }>['code'];

const PROPOSAL_REFUSALS: readonly Refusal[] = [
  'NOT_LEADER',
  'UNCOMMITTED_LIMIT',
  'TRANSFERRING',
  'TOO_LARGE',
];
const READ_REFUSALS: readonly ReadRefusal[] = [
  'NOT_LEADER',
  'LEADER_CHANGED',
  'TOO_MANY_READS',
  'TIMED_OUT',
];

/**
 * The connection that a message takes. Why: what carries entries may be large; everything that must not wait, the
 * acknowledgement of entries included, goes beside it.
 */
export function laneOf(message: Message): Lane {
  switch (message.type) {
    case 'forwardProposal':
    case 'appendEntries':
      // An empty one too: it speaks of what was sent before. Where it came first, that was taken for lost and sent again.
      return 'log';
    case 'forwardReply':
      // Arrives with the entry that it speaks of: one write, one arrival and one turn, and not two.
      return message.outcome.accepted ? 'log' : 'control';
    default:
      return 'control';
  }
}

/**
 * The parts of a frame, in order. The bodies are the message's own arrays; a small structured part is a piece of `slab`, where
 * there is one. `keptBy`: the request by which the receiver keeps the body of an entry; asked once for each.
 */
export function encodeMessage(
  message: Message,
  checksums: Checksums,
  keptBy: (command: Command) => number | undefined = () => undefined,
  slab?: Slab,
): Uint8Array[] {
  const bound = sizeBound(message);
  const shares = slab !== undefined && bound <= SHARED_PART_BYTES;
  const writer = new ByteWriter(shares ? slab.take(bound) : bound);
  const bodies: Uint8Array[] = [];
  writer.u32(0).u32(0).u8(FORMAT_VERSION);
  writer.u8(TYPES.indexOf(message.type) + 1).varint(message.term);
  if (message.type === 'appendEntries') writeAppend(writer, bodies, message, checksums, keptBy);
  else writeFields(writer, bodies, message, checksums);
  const bytes = writer.finish();
  putU32(bytes, 4, bytes.length - PREFIX_BYTES);
  putU32(bytes, 0, checksums.crc32c(bytes, 0, 4, bytes.length));
  bodies.unshift(bytes);
  return bodies;
}

/**
 * The message of a frame. Strict: a checksum, version, type or field that is wrong, and bytes left over, are
 * MalformedBytesErrors. Contents share memory with the frame. `kept`: the command of a request whose body this node keeps. An
 * entry whose body is neither in the frame nor kept has no content: Raft drops such a message, as one that was lost.
 */
export function decodeMessage(
  frame: Uint8Array,
  from: NodeId,
  to: NodeId,
  checksums: Checksums,
  kept: (requestId: number) => StoredCommand | undefined = () => undefined,
): Message {
  const prefix = new ByteReader(frame);
  const crc = prefix.u32();
  const length = prefix.u32();
  if (length > prefix.remaining) throw new MalformedBytesError(`a part of ${length} bytes`);
  const end = PREFIX_BYTES + length;
  if (checksums.crc32c(frame, 0, 4, end) !== crc) throw new MalformedBytesError('a wrong checksum');
  const reader = new ByteReader(frame.subarray(PREFIX_BYTES, end));
  const version = reader.u8();
  if (version !== FORMAT_VERSION && version !== FORMAT_WITH_OLD_BODIES) {
    throw new MalformedBytesError(
      `message of format ${version}; this node reads up to ${FORMAT_VERSION}`,
    );
  }
  const type = TYPES[reader.u8() - 1];
  if (type === undefined) throw new MalformedBytesError('a message of no known type');
  const envelope = { from, to, term: term(reader.varint()) };
  const bodies = new ByteReader(frame.subarray(end));
  const fields =
    type === 'appendEntries'
      ? { type, ...readAppend(reader, bodies, checksums, kept) }
      : readFields(reader, bodies, type, checksums);
  const message = { ...envelope, ...fields } as Message;
  if (reader.remaining + bodies.remaining > 0) {
    throw new MalformedBytesError(`${reader.remaining + bodies.remaining} bytes left over`);
  }
  return message;
}

function writeFields(
  writer: ByteWriter,
  bodies: Uint8Array[],
  message: Exclude<Message, AppendEntries>,
  checksums: Checksums,
): void {
  switch (message.type) {
    case 'requestVote':
      writer.varint(message.lastLogIndex).varint(message.lastLogTerm);
      writeFlag(writer, message.isTransfer);
      return;
    case 'requestPreVote':
      writer.varint(message.lastLogIndex).varint(message.lastLogTerm);
      return;
    case 'voteReply':
    case 'preVoteReply':
      writeFlag(writer, message.granted);
      return;
    case 'appendAccepted':
      writer.varint(message.matchIndex);
      return;
    case 'appendRejected':
      writer.varint(message.rejectedIndex).varint(message.hintIndex).varint(message.hintTerm);
      return;
    case 'heartbeat':
      writer.varint(message.leaderCommit).varint(message.readRound);
      return;
    case 'heartbeatReply':
      writer.varint(message.readRound);
      return;
    case 'installSnapshot':
      writeSnapshot(writer, message.snapshot);
      return;
    case 'timeoutNow':
    case 'staleTerm':
      return;
    case 'forwardProposal':
      writer.varint(message.requestId);
      writeContent(writer, bodies, { type: 'command', command: message.command }, checksums);
      return;
    case 'forwardReply':
      writer.varint(message.requestId);
      writeForwardOutcome(writer, message.outcome);
      return;
    case 'readIndexRequest':
      writer.varint(message.readId);
      return;
    case 'readIndexReply':
      writer.varint(message.readId);
      writeReadOutcome(writer, message.outcome);
      return;
  }
}

function readFields(
  reader: ByteReader,
  bodies: ByteReader,
  type: Exclude<Message['type'], 'appendEntries'>,
  checksums: Checksums,
): object {
  const index = (): LogIndex => logIndex(reader.varint());
  switch (type) {
    case 'requestVote':
      return {
        type,
        lastLogIndex: index(),
        lastLogTerm: term(reader.varint()),
        isTransfer: readFlag(reader),
      };
    case 'requestPreVote':
      return { type, lastLogIndex: index(), lastLogTerm: term(reader.varint()) };
    case 'voteReply':
    case 'preVoteReply':
      return { type, granted: readFlag(reader) };
    case 'appendAccepted':
      return { type, matchIndex: index() };
    case 'appendRejected':
      return { type, rejectedIndex: index(), hintIndex: index(), hintTerm: term(reader.varint()) };
    case 'heartbeat':
      return { type, leaderCommit: index(), readRound: reader.varint() };
    case 'heartbeatReply':
      return { type, readRound: reader.varint() };
    case 'installSnapshot':
      return { type, snapshot: readSnapshot(reader) };
    case 'timeoutNow':
    case 'staleTerm':
      return { type };
    case 'forwardProposal':
      return { type, requestId: reader.varint(), command: readCommand(reader, bodies, checksums) };
    case 'forwardReply':
      return { type, requestId: reader.varint(), outcome: readForwardOutcome(reader) };
    case 'readIndexRequest':
      return { type, readId: reader.varint() };
    case 'readIndexReply':
      return { type, readId: reader.varint(), outcome: readReadOutcome(reader) };
  }
}

function writeAppend(
  writer: ByteWriter,
  bodies: Uint8Array[],
  message: AppendEntries,
  checksums: Checksums,
  keptBy: (command: Command) => number | undefined,
): void {
  writer.varint(message.prevLogIndex).varint(message.prevLogTerm);
  writer.varint(message.leaderCommit).varint(message.entries.length);
  for (const { index, term: entryTerm, content } of message.entries) {
    invariant(content !== undefined, `entry ${index} is sent without its content`);
    writer.varint(entryTerm);
    const requestId = content.type === 'command' ? keptBy(content.command) : undefined;
    if (requestId === undefined) writeContent(writer, bodies, content, checksums);
    else writeKept(writer, content, requestId, checksums);
  }
}

function readAppend(
  reader: ByteReader,
  bodies: ByteReader,
  checksums: Checksums,
  kept: (requestId: number) => StoredCommand | undefined,
) {
  const prevLogIndex = logIndex(reader.varint());
  const prevLogTerm = term(reader.varint());
  const leaderCommit = logIndex(reader.varint());
  const count = reader.varint();
  // Safety: a count that cannot be is refused before it costs.
  if (count > reader.remaining / ENTRY_LEAST_BYTES) {
    throw new MalformedBytesError(`${count} entries in ${reader.remaining} bytes`);
  }
  const entries: Entry[] = [];
  for (let at = 1; at <= count; at++) {
    const entryTerm = term(reader.varint());
    const kind = reader.u8();
    const content =
      (kind & KEPT_FLAG) === 0
        ? readContent(kind, reader, bodies, checksums)
        : readKept(kind & ~KEPT_FLAG, reader, checksums, kept);
    const sizeBytes = content === undefined ? 0 : contentSizeBytes(content);
    entries.push({ index: logIndex(prevLogIndex + at), term: entryTerm, sizeBytes, content });
  }
  return { prevLogIndex, prevLogTerm, leaderCommit, entries };
}

function writeContent(
  writer: ByteWriter,
  bodies: Uint8Array[],
  content: EntryContent,
  checksums: Checksums,
): void {
  const { kind, head, body = [], bodyCrc } = recordOf(content, checksums.bodyChecksum);
  const bodyLength = lengthOf(body);
  writer.u8(kind).varint(head.length).varint(bodyLength);
  if (bodyLength > 0) writer.u32(bodyCrc ?? 0);
  writer.bytes(head);
  bodies.push(...body);
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function writeKept(
  writer: ByteWriter,
  content: EntryContent,
  requestId: number,
  checksums: Checksums,
): void {
  const { kind, head, body = [], bodyCrc = 0 } = recordOf(content, checksums.bodyChecksum);
  writer.u8(kind | KEPT_FLAG).varint(requestId);
  writer.varint(head.length).varint(lengthOf(body)).u32(bodyCrc).bytes(head);
}

/**
 * Safety: what the leader has is written here, or nothing. So head, length and checksum must be the same, and the bytes are
 * checked again: since the checksum was computed they belonged to the network too.
 */
function readKept(
  kind: number,
  reader: ByteReader,
  checksums: Checksums,
  kept: (requestId: number) => StoredCommand | undefined,
): EntryContent | undefined {
  const requestId = reader.varint();
  const headLength = reader.varint();
  const bodyLength = reader.varint();
  const bodyCrc = reader.u32();
  const head = reader.bytes(headLength);
  const command = kept(requestId);
  if (command?.kind !== kind || !equalBytes(command.head, head)) return undefined;
  const { body = [] } = command;
  if (lengthOf(body) !== bodyLength) return undefined;
  if (!checksums.bodyChecksum.holds(body, bodyCrc)) return undefined;
  return contentOf({ kind, head: command.head, body, bodyCrc });
}

function readContent(
  kind: number,
  reader: ByteReader,
  bodies: ByteReader,
  checksums: Checksums,
): EntryContent {
  const headLength = reader.varint();
  const bodyLength = reader.varint();
  const bodyCrc = bodyLength > 0 ? reader.u32() : undefined;
  const head = reader.bytes(headLength);
  if (bodyCrc === undefined) return contentOf({ kind, head, body: undefined, bodyCrc });
  const body = bodies.bytes(bodyLength);
  // Safety: what is written under this checksum is what was sent under it; the log trusts it from here on.
  if (!checksums.bodyChecksum.holds([body], bodyCrc)) {
    throw new MalformedBytesError('a body with a wrong checksum');
  }
  return contentOf({ kind, head, body: [body], bodyCrc });
}

function readCommand(reader: ByteReader, bodies: ByteReader, checksums: Checksums): Command {
  const content = readContent(reader.u8(), reader, bodies, checksums);
  if (content.type === 'command') return content.command;
  throw new MalformedBytesError(`a proposal that is a ${content.type}`);
}

function writeSnapshot(writer: ByteWriter, snapshot: SnapshotMetadata): void {
  writer.varint(snapshot.index).varint(snapshot.term);
  writer.sized(encodeConfiguration(snapshot.configuration));
}

function readSnapshot(reader: ByteReader): SnapshotMetadata {
  return {
    index: logIndex(reader.varint()),
    term: term(reader.varint()),
    configuration: decodeConfiguration(reader.sized()),
  };
}

function writeForwardOutcome(writer: ByteWriter, outcome: ForwardReply['outcome']): void {
  if (outcome.accepted) writer.u8(0).varint(outcome.index).varint(outcome.term);
  else writer.u8(PROPOSAL_REFUSALS.indexOf(outcome.code) + 1);
}

function readForwardOutcome(reader: ByteReader): ForwardReply['outcome'] {
  const kind = reader.u8();
  if (kind === 0) {
    return { accepted: true, index: logIndex(reader.varint()), term: term(reader.varint()) };
  }
  return { accepted: false, code: named(PROPOSAL_REFUSALS, kind) };
}

function writeReadOutcome(writer: ByteWriter, outcome: ReadIndexReply['outcome']): void {
  if (outcome.confirmed) writer.u8(0).varint(outcome.index);
  else writer.u8(READ_REFUSALS.indexOf(outcome.code) + 1);
}

function readReadOutcome(reader: ByteReader): ReadIndexReply['outcome'] {
  const kind = reader.u8();
  if (kind === 0) return { confirmed: true, index: logIndex(reader.varint()) };
  return { confirmed: false, code: named(READ_REFUSALS, kind) };
}

function named<Name>(names: readonly Name[], number: number): Name {
  const name = names[number - 1];
  if (name === undefined) throw new MalformedBytesError(`a refusal of no known kind: ${number}`);
  return name;
}

function writeFlag(writer: ByteWriter, flag: boolean): void {
  writer.u8(flag ? 1 : 0);
}

function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new MalformedBytesError(`a flag of ${value}`);
  return value === 1;
}

/** Room for the structured part, or somewhat more. */
function sizeBound(message: Message): number {
  if (message.type === 'forwardProposal') return 64 + message.command.head.length;
  if (message.type !== 'appendEntries') return 64;
  let sizeBytes = 64;
  for (const { content } of message.entries) {
    sizeBytes += 32 + (content?.type === 'command' ? content.command.head.length : 64);
  }
  return sizeBytes;
}
