/**
 * One node of a small scope: the core's state, its disk, and the writes that are not durable yet. Everything that can
 * happen to it is a function from one such node to another and the messages that leave.
 */
import { logIndex } from '@holdfast/bytes';
import { notePersisted } from '../../src/disk.ts';
import { startElection } from '../../src/election.ts';
import type { Message, NodeId, PersistRequest } from '../../src/index.ts';
import { openState } from '../../src/open-state.ts';
import { propose } from '../../src/proposals.ts';
import { lastIndex } from '../../src/raft-log.ts';
import type { RaftState } from '../../src/raft-state.ts';
import { broadcastHeartbeat } from '../../src/reads.ts';
import { settingsOf } from '../../src/settings.ts';
import { step } from '../../src/step.ts';
import { takeReady } from '../../src/take-ready.ts';
import { n1, n2, n3, three } from '../fixtures/test-cluster.ts';
import { newDisk, storedStateOf, type TestDisk, writeToDisk } from '../fixtures/test-disk.ts';
import { command, wordsOf } from '../fixtures/test-node.ts';
import { copyOf, keyOf } from './interned.ts';

export interface LocalNode {
  readonly state: RaftState;
  readonly disk: TestDisk;
  readonly writes: PersistRequest[];
}

export type LocalEvent =
  | { readonly type: 'deliver'; readonly message: Message }
  | { readonly type: 'timeout' }
  | { readonly type: 'heartbeat' }
  | { readonly type: 'propose'; readonly words: string }
  /** The oldest write is durable, and the node is told. */
  | { readonly type: 'sync' }
  /**
   * The node loses everything but its disk and starts again. Of its unsynced writes the oldest `survivors` are on the
   * disk, though nobody was told, and of the next one the hard state if `isTorn`.
   */
  | { readonly type: 'crash'; readonly survivors: number; readonly isTorn: boolean };

export interface LocalOutcome {
  readonly node: LocalNode;
  readonly sent: readonly Message[];
}

/** Replaced as a whole and never changed inside, so copies may share them. */
const shared = new Set(['settings', 'content', 'configuration', 'entries', 'messages', 'ack']);
/** What only ticks and reads look at. A scope has neither, so it must not tell states apart by them. */
const ignored = new Set([
  'settings',
  'electionElapsed',
  'heartbeatElapsed',
  'electionTimeout',
  'sizeBytes',
  'isRecentlyActive',
  'nextId',
]);

export function openNode(nodeId: NodeId, preVote: boolean): LocalNode {
  return openOn(newDisk(three), nodeId, preVote);
}

/** Three nodes after an election that n1 won in term 1, with its first entry committed everywhere. */
export function electedNodes(): LocalNode[] {
  const nodes = new Map([n1, n2, n3].map((id) => [id, openNode(id, false)]));
  const moving: Message[] = [];
  const occurAt = (id: NodeId, event: LocalEvent): void => {
    const before = nodes.get(id);
    if (before === undefined) return;
    const { node, sent } = happen(before, event, true);
    nodes.set(id, node);
    moving.push(...sent);
  };
  occurAt(n1, { type: 'timeout' });
  for (let message = moving.shift(); message !== undefined; message = moving.shift()) {
    occurAt(message.to, { type: 'deliver', message });
  }
  return [...nodes.values()];
}

export function happen(before: LocalNode, event: LocalEvent, isDiskInstant: boolean): LocalOutcome {
  const node = copyOf(before, shared);
  if (event.type === 'crash') return { node: crash(node, event), sent: [] };
  const sent: Message[] = [];
  if (event.type === 'sync') sync(node, sent);
  else occur(node.state, event);
  while (takeTurn(node, sent) || (isDiskInstant && node.writes.length > 0)) {
    if (isDiskInstant) sync(node, sent);
  }
  return { node: renumbered(node), sent: sent.map((message) => filled(node, message)) };
}

/** Tells nodes apart that can behave differently. */
export function keyOfNode(node: LocalNode): string {
  return node.state.settings.nodeId + keyOf(node, ignored);
}

/** The log as it is in memory: "term words" for each entry. */
export function logOf({ state, disk, writes }: LocalNode): string[] {
  const contents = new Map<string, string>();
  for (const entry of [...disk.entries, ...writes.flatMap((write) => [...write.entries])]) {
    contents.set(`${entry.index} ${entry.term}`, wordsOf(entry));
  }
  const entries: string[] = [];
  for (let index = 1; index <= lastIndex(state.log); index++) {
    const run = state.log.runs.findLast((candidate) => candidate.firstIndex <= index);
    entries.push(`${run?.term} ${contents.get(`${index} ${run?.term}`)}`);
  }
  return entries;
}

/** The log as it is on the disk. */
export function durableLogOf({ disk }: LocalNode): string[] {
  return disk.entries.map((entry) => `${entry.term} ${wordsOf(entry)}`);
}

function openOn(disk: TestDisk, nodeId: NodeId, preVote: boolean): LocalNode {
  const settings = settingsOf({ nodeId, random: () => 0, preVote, checkQuorum: false });
  return { state: openState(settings, storedStateOf(disk)), disk, writes: [] };
}

/** Does what a driver does with one Ready. Returns whether there was one. */
function takeTurn(node: LocalNode, sent: Message[]): boolean {
  const ready = takeReady(node.state);
  if (ready === undefined) return false;
  sent.push(...ready.messages);
  if (ready.persist !== undefined) enqueue(node, ready.persist);
  for (const entry of ready.committed) {
    const durable = node.disk.entries[entry.index - 1];
    if (durable?.term !== entry.term)
      throw new Error('durability: applied before it is on the disk');
    node.state.appliedIndex = entry.index;
  }
  node.state.applyingBytes = 0;
  return true;
}

function occur(state: RaftState, event: LocalEvent): void {
  if (event.type === 'deliver') step(state, event.message);
  if (event.type === 'timeout') startElection(state);
  if (event.type === 'heartbeat') broadcastHeartbeat(state);
  if (event.type === 'propose' && propose(state, command(event.words)).accepted) {
    // As if every other node had handed it over: more is said then.
    for (const progress of state.progress.values()) progress.awaitedIndex = lastIndex(state.log);
  }
}

/** A request without data waits for the last write before it, so it is the same to hand its messages to that one. */
function enqueue({ writes }: LocalNode, request: PersistRequest): void {
  const last = writes.at(-1);
  if (last === undefined || last.ack.write !== request.ack.write) {
    writes.push(request);
    return;
  }
  const byKey = new Map([...last.messages, ...request.messages].map((m) => [keyOf(m), m]));
  const messages = [...byKey.keys()].sort().flatMap((key) => byKey.get(key) ?? []);
  writes[writes.length - 1] = { ...last, messages };
}

function sync({ disk, state, writes }: LocalNode, sent: Message[]): void {
  const request = writes.shift();
  if (request === undefined) return;
  writeToDisk(disk, request);
  sent.push(...request.messages);
  notePersisted(state, request.ack);
}

function crash(
  { disk, writes, state }: LocalNode,
  { survivors, isTorn }: Extract<LocalEvent, { type: 'crash' }>,
): LocalNode {
  for (const request of writes.slice(0, survivors)) writeToDisk(disk, request);
  const torn = isTorn ? writes[survivors]?.hardState : undefined;
  if (torn !== undefined) disk.hardState = torn;
  // The commit index on the disk is a hint; a node that trusts none must be as safe.
  disk.hardState = { ...disk.hardState, commitIndex: logIndex(0) };
  return openOn(disk, state.settings.nodeId, state.settings.preVote);
}

/** Numbers of writes and of read rounds only grow, and only their order matters. */
function renumbered({ state, disk, writes }: LocalNode): LocalNode {
  const shift = writes.length === 0 ? state.disk.nextWrite - 1 : (writes[0]?.ack.write ?? 1) - 1;
  state.disk.nextWrite -= shift;
  state.disk.inFlight = state.disk.inFlight.map((write) => ({
    ...write,
    write: write.write - shift,
  }));
  state.reads.round = 0;
  for (const progress of state.progress.values()) progress.ackedRound = 0;
  const moved = writes.map((request) => ({
    ...request,
    ack: { ...request.ack, write: request.ack.write - shift },
  }));
  return { state, disk, writes: moved };
}

/** The driver's part: entries that the core let go of are read from the disk. */
function filled(node: LocalNode, message: Message): Message {
  if (message.type === 'heartbeat') return { ...message, readRound: 0 };
  if (message.type === 'heartbeatReply') return { ...message, readRound: 0 };
  if (message.type !== 'appendEntries') return message;
  const entries = message.entries.map(
    (entry) =>
      (entry.content ? entry : node.disk.entries.find((e) => e.index === entry.index)) ?? entry,
  );
  return { ...message, entries };
}
