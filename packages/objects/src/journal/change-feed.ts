/**
 * The changes of all objects in the order of their commits, each once, kept for a while. A reader comes back with the
 * place of the last change that it has seen.
 *
 * Invariant: the feed's record says from which revision on it is complete. It is written when every node that makes changes writes
 * them down, and moves in the transaction that removes older changes: so a reader is told of a gap, and never led over it. Of a
 * cluster each node says so in a record of its own before it serves, and one that does not takes both records away.
 */
import { concatBytes, toHex, utf8 } from '@holdfast/bytes';
import type { Condition, KvEntryWithValue, KvStore, Operation } from '@holdfast/kv';
import { keyAfter } from '../key-range.ts';
import { KEY_SPACE, spaceRange } from '../keys.ts';
import { recordReader, recordWriter } from '../record-version.ts';
import { put, remove, unchanged } from '../store-context.ts';
import { CHANGE_PREFIX } from './journal.ts';
import { type PlacedChange, readChange } from './object-change.ts';

/** Changes removed in one transaction. */
const BATCH = 1000;
const FEED_KEY: Uint8Array = Uint8Array.of(KEY_SPACE.feed);

/** A place in the feed: after the change that has it. */
export interface FeedPlace {
  readonly revision: number;
  readonly position: number;
}

export type FeedPage =
  | { readonly kind: 'page'; readonly changes: readonly PlacedChange[]; readonly more: boolean }
  /** Changes after the place are gone; what is left begins after `oldest`. */
  | { readonly kind: 'expired'; readonly oldest: FeedPlace }
  /** The store has not come so far: the place is of another one, or of one that was restored since. */
  | { readonly kind: 'ahead' }
  /** There is no feed: not every node writes changes down. */
  | { readonly kind: 'closed' };

/** Of a cluster: who makes changes. */
export interface FeedNodes {
  /** This one. */
  readonly nodeId: string;
  /** Voters and learners. */
  readonly members: () => readonly string[];
}

export interface ChangeFeed {
  /** Up to `limit` changes after the place. Of one revision of the store. */
  after(place: FeedPlace, limit: number): Promise<FeedPage>;
  /** The place after the newest change so far; undefined where the feed is closed. */
  newest(): Promise<FeedPlace | undefined>;
  /** The oldest place that a reader may have; undefined where the feed is closed. */
  oldest(): Promise<FeedPlace | undefined>;
  /** Begins the feed where it is closed and every node writes changes down now. */
  begin(): Promise<void>;
  /** Removes what was written before `beforeMs`, and the oldest beyond `keep` changes; all of a closed feed. */
  trim(beforeMs: number, keep: number): Promise<number>;
}

/**
 * The feed, complete from now on, or from where it was turned on before; of a cluster closed until every member has opened it.
 * This node must write changes down from before the call on. Begins anew in a store whose entries were salvaged.
 */
export async function openChangeFeed(kv: KvStore, nodes?: FeedNodes): Promise<ChangeFeed> {
  if (await isOfAnotherStore(kv)) await closeChangeFeed(kv);
  if (nodes !== undefined && (await kv.get(nodeKey(nodes.nodeId))) === undefined) {
    const value = recordWriter(1).finish();
    await kv.transact({ operations: [put(nodeKey(nodes.nodeId), value)] });
  }
  await beginFeed(kv, nodes);
  return {
    after: (place, limit) => readAfter(kv, place, limit),
    newest: () => newestPlace(kv),
    oldest: () => oldestPlace(kv),
    begin: () => beginFeed(kv, nodes),
    trim: (beforeMs, keep) => trimFeed(kv, beforeMs, keep),
  };
}

async function beginFeed(kv: KvStore, nodes: FeedNodes | undefined): Promise<void> {
  // Why asked first: on a full volume the store takes no such transaction, though it would change nothing.
  if ((await kv.get(FEED_KEY)) !== undefined) return;
  const conditions: Condition[] = [unchanged(FEED_KEY, undefined)];
  const said = new Map((await nodeEntries(kv)).map(({ key, version }) => [toHex(key), version]));
  // Safety: only now. Who was added since then, and does not write changes down, has written what was read anew.
  for (const member of nodes?.members() ?? []) {
    const version = said.get(toHex(nodeKey(member)));
    if (version === undefined) return;
    conditions.push(unchanged(nodeKey(member), version));
  }
  await kv.transact({
    conditions,
    // Revision 0 stands for that of this transaction: it is the entry's own version.
    operations: [put(FEED_KEY, encodePlace({ revision: 0, position: 0 }))],
  });
}

/**
 * Turns the feed off, before this node makes a change: from then on changes may be missing, so what was kept goes. `nodes`: of
 * a cluster.
 */
export async function closeChangeFeed(kv: KvStore, nodes?: FeedNodes): Promise<void> {
  while (!(await takeAway(kv, nodes)));
  await removeChanges(kv);
}

/** False where another node has said something else meanwhile. */
async function takeAway(kv: KvStore, nodes: FeedNodes | undefined): Promise<boolean> {
  const conditions: Condition[] = [];
  const operations: Operation[] = [];
  if ((await kv.get(FEED_KEY)) !== undefined) operations.push(remove(FEED_KEY));
  if (nodes !== undefined) {
    const own = toHex(nodeKey(nodes.nodeId));
    const said = await nodeEntries(kv);
    const members = new Set(nodes.members().map((member) => toHex(nodeKey(member))));
    for (const { key, value, version } of said) {
      const name = toHex(key);
      if (name !== own && !members.has(name)) continue;
      conditions.push(unchanged(key, version));
      // Safety: what the others have said is said anew, so a node that is about to begin the feed by members of before fails.
      operations.push(name === own ? remove(key) : put(key, value));
    }
  }
  return operations.length === 0 || (await kv.transact({ conditions, operations })).committed;
}

/** Also what an earlier process has left that turned the feed off and died. How many; nothing of a feed that has begun. */
async function removeChanges(kv: KvStore): Promise<number> {
  const range = spaceRange(KEY_SPACE.change);
  for (let removed = 0; ; ) {
    const { entries } = await kv.scan({ ...range, limit: BATCH, values: false });
    if (entries.length === 0) return removed;
    const { committed } = await kv.transact({
      conditions: [unchanged(FEED_KEY, undefined)],
      operations: entries.map(({ key }) => remove(key)),
    });
    if (!committed) return removed;
    removed += entries.length;
  }
}

/** What the nodes have said that write changes down. */
async function nodeEntries(kv: KvStore): Promise<readonly KvEntryWithValue[]> {
  const { to } = spaceRange(KEY_SPACE.feed);
  return (await kv.scan({ from: keyAfter(FEED_KEY), to, limit: BATCH })).entries;
}

/** Says that the node writes changes down. */
function nodeKey(nodeId: string): Uint8Array {
  return concatBytes([FEED_KEY, utf8(nodeId)]);
}

/** Whether changes are of later revisions than the store has: what is written now would come before them. */
async function isOfAnotherStore(kv: KvStore): Promise<boolean> {
  const newest = await newestPlace(kv);
  if (newest === undefined) return false;
  const view = await kv.readView();
  view.close();
  return newest.revision > view.revision;
}

async function readAfter(kv: KvStore, place: FeedPlace, limit: number): Promise<FeedPage> {
  const view = await kv.readView();
  try {
    const oldest = await oldestPlace(view);
    if (oldest === undefined) return { kind: 'closed' };
    if (isBefore(place, oldest)) return { kind: 'expired', oldest };
    if (place.revision > view.revision) return { kind: 'ahead' };
    const range = spaceRange(KEY_SPACE.change);
    const page = await view.scan({ ...range, from: firstKeyAfter(place), limit });
    const changes = page.entries.map((entry) => readChange(entry, CHANGE_PREFIX.length));
    return { kind: 'page', changes, more: page.more };
  } finally {
    view.close();
  }
}

async function oldestPlace(kv: Pick<KvStore, 'get'>): Promise<FeedPlace | undefined> {
  const entry = await kv.get(FEED_KEY);
  return entry && placeOf(entry);
}

function placeOf({ value, version }: Pick<KvEntryWithValue, 'value' | 'version'>): FeedPlace {
  const reader = recordReader(value, 'the place of the feed');
  const revision = reader.varint();
  // Nothing before the transaction that turned the feed on is in it.
  if (revision === 0) return { revision: version, position: 0 };
  return { revision, position: reader.varint() };
}

async function newestPlace(kv: KvStore): Promise<FeedPlace | undefined> {
  const range = spaceRange(KEY_SPACE.change);
  const { entries } = await kv.scan({ ...range, reverse: true, limit: 1 });
  const oldest = await oldestPlace(kv);
  const [last] = entries;
  if (last === undefined || oldest === undefined) return oldest;
  const { revision, position } = readChange(last, CHANGE_PREFIX.length);
  // What was written down before the feed began is not in it.
  return isBefore({ revision, position }, oldest) ? oldest : { revision, position };
}

async function trimFeed(kv: KvStore, beforeMs: number, keep: number): Promise<number> {
  if ((await kv.get(FEED_KEY)) === undefined) return await removeChanges(kv);
  const range = spaceRange(KEY_SPACE.change);
  const surplus = Math.max(0, (await countUpTo(kv, range, keep + BATCH * 100)) - keep);
  let removed = 0;
  for (;;) {
    const feed = await kv.get(FEED_KEY);
    // A feed that was turned off meanwhile stays so.
    if (feed === undefined) return removed;
    const { entries } = await kv.scan({ ...range, limit: BATCH });
    const changes = entries.map((entry) => readChange(entry, CHANGE_PREFIX.length));
    let count = changes.findIndex(({ timeMs }) => timeMs >= beforeMs);
    if (count < 0) count = changes.length;
    count = Math.max(count, Math.min(surplus - removed, changes.length));
    const last = changes[count - 1];
    if (last === undefined) return removed;
    const oldest = placeOf(feed);
    const result = await kv.transact({
      // Safety: the place never goes back. A node that led before may trim too, by what it has read before this one did.
      conditions: [unchanged(FEED_KEY, feed.version)],
      operations: [
        put(FEED_KEY, encodePlace(isBefore(last, oldest) ? oldest : last)),
        ...entries.slice(0, count).map(({ key }) => remove(key)),
      ],
    });
    if (!result.committed) return removed;
    removed += count;
    if (count < BATCH) return removed;
  }
}

async function countUpTo(
  kv: KvStore,
  range: { readonly from: Uint8Array; readonly to: Uint8Array },
  limit: number,
): Promise<number> {
  let count = 0;
  let { from } = range;
  while (count < limit) {
    const page = await kv.scan({ ...range, from, limit: 10 * BATCH, values: false });
    count += page.entries.length;
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) break;
    from = keyAfter(last.key);
  }
  return count;
}

function isBefore(left: FeedPlace, right: FeedPlace): boolean {
  if (left.revision !== right.revision) return left.revision < right.revision;
  return left.position < right.position;
}

/** Behind every key of the change that has the place. */
function firstKeyAfter({ revision, position }: FeedPlace): Uint8Array {
  const stamp = new Uint8Array(10);
  const view = new DataView(stamp.buffer);
  const next = position + 1;
  view.setBigUint64(0, BigInt(next > 0xffff ? revision + 1 : revision));
  view.setUint16(8, next > 0xffff ? 0 : next);
  return concatBytes([CHANGE_PREFIX, stamp]);
}

function encodePlace({ revision, position }: FeedPlace): Uint8Array {
  return recordWriter(24).varint(revision).varint(position).finish();
}
