/**
 * Keeps a member whose folder was lost from counting under its old name (ADR 0025): it has forgotten how it voted and what
 * it acknowledged. Each frame says which folder it comes from; which one counts is in the log, from the first contact on.
 *
 * Safety: what counts towards a majority (votes asked for and given, acknowledgements, answers to heartbeats) is taken only
 * from the folder that the log names. What a leader says is taken from whoever leads: who could be elected is no such node.
 */
import {
  ByteReader,
  ByteWriter,
  fromHex,
  MalformedBytesError,
  NewerBytesError,
  startsWithBytes,
  toHex,
} from '@holdfast/bytes';
import { KvError } from '@holdfast/kv';
import type { Command, Message, NodeId, PersistRequest, RaftStatus } from '@holdfast/raft';
import { membersOf, nodeId } from '@holdfast/raft';
import { INCARNATION_KIND } from './entry-format.ts';

const INCARNATION_BYTES = 8;
/** Before each message: the sender's incarnation, and the receiver's as the sender knows it, or zeros. */
export const ENVELOPE_BYTES: number = 2 * INCARNATION_BYTES;
const UNKNOWN = '0'.repeat(2 * INCARNATION_BYTES);
/** Stands for the folder of a name that was removed by hand: none counts, and none is taken in until the name is added. */
export const NO_FOLDER: string = UNKNOWN;

/** An entry of the log: which folder of a member counts from here on; undefined where that is open. */
export interface IncarnationRecord {
  readonly index: number;
  readonly nodeId: string;
  readonly incarnation: string | undefined;
}

type GuardStatus = Pick<RaftStatus, 'nodeId' | 'role' | 'term' | 'configuration'>;

/** Says something that only a leader says. */
const OF_A_LEADER: ReadonlySet<Message['type']> = new Set([
  'appendEntries',
  'heartbeat',
  'installSnapshot',
  'timeoutNow',
  'forwardReply',
  'readIndexReply',
]);
/** Sent by a node that has begun its log: its folder stays what it is. */
const OF_A_BEGUN_LOG: ReadonlySet<Message['type']> = new Set([
  'appendAccepted',
  'requestVote',
  'requestPreVote',
  'voteReply',
  'preVoteReply',
]);

export interface MemberGuardOptions {
  /** This folder's. */
  readonly own: string;
  readonly records: readonly IncarnationRecord[];
  /** A member came back with another folder, once for each. */
  readonly onRefused: (peer: NodeId, error: KvError) => void;
}

export class MemberGuard {
  readonly #options: MemberGuardOptions;
  /** In the order of the log. */
  #records: IncarnationRecord[];
  /** What the last record of each member says. */
  #counts!: ReadonlyMap<string, string | undefined>;
  /** `incarnationOf` each member, as bytes. */
  #countsBytes!: ReadonlyMap<string, Uint8Array>;
  readonly #ownBytes: Uint8Array;
  /** By peer; never changed. */
  readonly #envelopes = new Map<NodeId, Uint8Array>();
  readonly #seen = new Map<string, string>();
  readonly #refused = new Set<string>();

  constructor(options: MemberGuardOptions) {
    this.#options = options;
    this.#ownBytes = fromHex(options.own);
    this.#records = [...options.records];
    this.#noteRecords();
  }

  /** Follows what is about to be written: a record counts from the moment it is in the log, as a configuration does. */
  follow({ truncateFrom, entries }: Pick<PersistRequest, 'truncateFrom' | 'entries'>): void {
    let isChanged = truncateFrom !== undefined;
    if (truncateFrom !== undefined) {
      this.#records = this.#records.filter(({ index }) => index < truncateFrom);
    }
    for (const { index, content } of entries) {
      if (content?.type !== 'command' || content.command.kind !== INCARNATION_KIND) continue;
      const record = { index, ...decodeIncarnation(content.command.head) };
      this.#records.push(record);
      // Who comes under the name from now on is another one than who came before.
      if (record.incarnation === undefined) this.#seen.delete(record.nodeId);
      isChanged = true;
    }
    if (isChanged) this.#noteRecords();
  }

  /** The state up to a place in the log has come from elsewhere. */
  restart(records: readonly IncarnationRecord[], upTo: number): void {
    this.#records = [...records, ...this.#records.filter(({ index }) => index > upTo)];
    this.#noteRecords();
  }

  /** Belongs to the caller. */
  envelopeFor(peer: NodeId): Uint8Array {
    let envelope = this.#envelopes.get(peer);
    if (envelope === undefined) {
      envelope = fromHex(this.#options.own + (this.incarnationOf(peer) ?? UNKNOWN));
      this.#envelopes.set(peer, envelope);
    }
    return envelope.slice();
  }

  /**
   * The message, where it may be looked at. Throws a KvError KV_INCOMPATIBLE where a leader knows this node by another folder.
   * `envelope` may have the message behind it.
   */
  admit(envelope: Uint8Array, message: Message, status: GuardStatus): Message | undefined {
    const { type, from } = message;
    if (OF_A_LEADER.has(type)) {
      if (startsWithBytes(envelope, this.#ownBytes, INCARNATION_BYTES)) return message;
      const receiver = toHex(envelope.subarray(INCARNATION_BYTES, ENVELOPE_BYTES));
      this.#checkOwn(receiver, message, status);
      return message;
    }
    const counts = this.#countsBytes.get(from);
    // Why before all others: so it mostly is, and text takes longer than all else that is done with a small message.
    if (counts !== undefined && startsWithBytes(envelope, counts)) return message;
    const sender = toHex(envelope.subarray(0, INCARNATION_BYTES));
    const known = this.incarnationOf(from);
    if (known !== undefined) {
      this.#refuse(from, sender);
      return undefined;
    }
    if (OF_A_BEGUN_LOG.has(type)) this.#seen.set(from, sender);
    if (type === 'heartbeatReply') return { ...message, readRound: 0 };
    const isVote = type === 'voteReply' || type === 'preVoteReply';
    return isVote && this.#knowsMajority(status) ? undefined : message;
  }

  /** What a leader has to propose: members that it has heard of and that the log does not know, itself among them. */
  unrecorded({ nodeId: self, role, configuration }: GuardStatus): Command[] {
    if (role !== 'leader') return [];
    const commands: Command[] = [];
    for (const member of membersOf(configuration)) {
      const incarnation = member === self ? this.#options.own : this.#seen.get(member);
      if (incarnation === undefined || this.incarnationOf(member) !== undefined) continue;
      commands.push({ kind: INCARNATION_KIND, head: encodeIncarnation(member, incarnation) });
    }
    return commands;
  }

  /** The folder of the member that counts; undefined where that is open, and where none does. */
  incarnationOf(member: string): string | undefined {
    const incarnation = this.#counts.get(member);
    // Why open: where a name is added and barred at once, whoever was taken in must still be heard.
    return incarnation === NO_FOLDER ? undefined : incarnation;
  }

  /** Whether the name was removed by hand, and not added since. */
  isBarred(member: string): boolean {
    return this.#counts.get(member) === NO_FOLDER;
  }

  /** Whether it is agreed on that another folder of the member counts than this one. */
  isReplaced(member: string, incarnation: string, commitIndex: number): boolean {
    const committed = this.#records.findLast(
      ({ nodeId, index }) => nodeId === member && index <= commitIndex,
    );
    const counting = [committed?.incarnation, this.#counts.get(member)];
    return counting.every((one) => one !== undefined && one !== NO_FOLDER && one !== incarnation);
  }

  #noteRecords(): void {
    this.#counts = new Map(this.#records.map(({ nodeId, incarnation }) => [nodeId, incarnation]));
    const bytes = new Map<string, Uint8Array>();
    for (const member of this.#counts.keys()) {
      const incarnation = this.incarnationOf(member);
      if (incarnation !== undefined) bytes.set(member, fromHex(incarnation));
    }
    this.#countsBytes = bytes;
    this.#envelopes.clear();
  }

  /**
   * Why a majority: before that the cluster is at its beginning, and who counts can be known to nobody. After it a vote of a
   * member that this log does not know may be one of a folder that others know to be lost.
   */
  #knowsMajority({ configuration: { voters } }: GuardStatus): boolean {
    const known = voters.filter((voter) => this.incarnationOf(voter) !== undefined);
    return known.length > voters.length / 2;
  }

  #checkOwn(receiver: string, { term }: Message, status: GuardStatus): void {
    if (receiver === UNKNOWN || term < status.term) return;
    throw lostFolder(status.nodeId, `${status.nodeId} has another folder than`);
  }

  #refuse(peer: NodeId, incarnation: string): void {
    if (this.#refused.has(incarnation)) return;
    this.#refused.add(incarnation);
    this.#options.onRefused(peer, lostFolder(peer, `${peer} has another folder than`));
  }
}

export function encodeIncarnation(member: string, incarnation: string | undefined): Uint8Array {
  return new ByteWriter(64)
    .u8(1)
    .text(member)
    .text(incarnation ?? '')
    .finish();
}

export function decodeIncarnation(bytes: Uint8Array): Omit<IncarnationRecord, 'index'> {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version > 1) throw new NewerBytesError('an incarnation of format', version, 1);
  if (version < 1) throw new MalformedBytesError(`an incarnation of format ${version}`);
  const member = nodeId(reader.text());
  const incarnation = reader.text();
  if (reader.remaining > 0 || !/^([0-9a-f]{16})?$/.test(incarnation)) {
    throw new MalformedBytesError(`no incarnation of ${member}`);
  }
  return { nodeId: member, incarnation: incarnation === '' ? undefined : incarnation };
}

function lostFolder(member: string, what: string): KvError {
  return new KvError(
    'KV_INCOMPATIBLE',
    `${what} the one that its cluster knows: that was lost or exchanged, and with it what ${member} had voted and ` +
      `acknowledged, so it does not count. On the leader: holdfast cluster remove ${member}; then start ${member} with ` +
      `an empty folder and --join, and: holdfast cluster add ${member}=HOST:PORT, holdfast cluster promote ${member}`,
  );
}
