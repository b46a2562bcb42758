import { fromUtf8 } from '@holdfast/bytes';
import type { KvStore } from '@holdfast/kv';
import { KEY_SPACE, spaceRange } from '../keys.ts';
import { remove } from '../store-context.ts';
import { queuePrefix } from './journal.ts';
import { type PlacedChange, type QueuedDetails, readChange } from './object-change.ts';

/** Events removed in one transaction. */
const BATCH = 1000;

/** A change that a target has not taken yet. */
export interface QueuedEvent extends PlacedChange, QueuedDetails {
  /** Names the event to `acknowledge`. */
  readonly kvKey: Uint8Array;
}

/** Events as the transactions of their changes left them: durable, and in the order of the commits. */
export interface EventQueue {
  /** The oldest events of a target. They stay until they are acknowledged. */
  oldest(target: string, limit: number): Promise<readonly QueuedEvent[]>;
  /** The target has taken them. Durable when it resolves. */
  acknowledge(events: readonly QueuedEvent[]): Promise<void>;
  /** How many wait, up to `limit`. */
  count(target: string, limit: number): Promise<number>;
  /** Removes the events from before `beforeMs` of all targets but `known`. How many, by target; none of it where it is none. */
  removeOthers(known: ReadonlySet<string>, beforeMs: number): Promise<ReadonlyMap<string, number>>;
}

export function createEventQueue(kv: KvStore): EventQueue {
  return {
    oldest: async (target, limit) => {
      const prefix = queuePrefix(target);
      const page = await kv.scan({ ...queueRange(prefix), limit });
      return page.entries.map((entry) => ({
        ...readChange(entry, prefix.length),
        kvKey: entry.key,
      }));
    },
    acknowledge: async (events) => {
      const operations = events.map(({ kvKey }) => remove(kvKey));
      await kv.transact({ operations });
    },
    count: async (target, limit) => {
      const range = queueRange(queuePrefix(target));
      return (await kv.scan({ ...range, limit, values: false })).entries.length;
    },
    removeOthers: async (known, beforeMs) => {
      const removed = new Map<string, number>();
      let range = spaceRange(KEY_SPACE.event);
      for (;;) {
        const { entries } = await kv.scan({ ...range, limit: 1, values: false });
        const [first] = entries;
        if (first === undefined) return removed;
        const target = targetOf(first.key);
        range = { ...range, from: queueRange(queuePrefix(target)).to };
        const count = known.has(target) ? 0 : await removeBefore(kv, target, beforeMs);
        if (count > 0) removed.set(target, count);
      }
    },
  };
}

async function removeBefore(kv: KvStore, target: string, beforeMs: number): Promise<number> {
  const prefix = queuePrefix(target);
  for (let removed = 0; ; ) {
    const { entries } = await kv.scan({ ...queueRange(prefix), limit: BATCH });
    const old = entries.filter((entry) => readChange(entry, prefix.length).timeMs < beforeMs);
    if (old.length === 0) return removed;
    await kv.transact({ operations: old.map(({ key }) => remove(key)) });
    removed += old.length;
  }
}

/** Whose queue a key is in. */
function targetOf(key: Uint8Array): string {
  const [, length = 0] = key;
  return fromUtf8(key.subarray(2, 2 + length));
}

function queueRange(prefix: Uint8Array): { readonly from: Uint8Array; readonly to: Uint8Array } {
  return spaceRange(KEY_SPACE.event, prefix.subarray(1));
}
