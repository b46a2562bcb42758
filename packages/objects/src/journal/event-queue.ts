import type { KvStore } from '@holdfast/kv';
import { KEY_SPACE, spaceRange } from '../keys.ts';
import { queuePrefix } from './journal.ts';
import { type PlacedChange, type QueuedDetails, readChange } from './object-change.ts';

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
      const operations = events.map(({ kvKey }) => ({ kind: 'delete', key: kvKey }) as const);
      await kv.transact({ operations });
    },
    count: async (target, limit) => {
      const range = queueRange(queuePrefix(target));
      return (await kv.scan({ ...range, limit, values: false })).entries.length;
    },
  };
}

function queueRange(prefix: Uint8Array): { readonly from: Uint8Array; readonly to: Uint8Array } {
  return spaceRange(KEY_SPACE.event, prefix.subarray(1));
}
