import type { KvStore, LocalReads, ReadView } from '../kv-store.ts';
import { readsOf } from '../reads-of.ts';

/** A store as a node has it that hears of what others do only when it asks, or when it is answered itself. */
export interface LaggingStore extends KvStore {
  readonly local: LocalReads;
  /** How often it has asked. */
  readonly questions: number;
}

/** `inner` is what all nodes agree on: what is written to it directly, another node has done. Stays the caller's. */
export async function createLaggingStore(inner: KvStore): Promise<LaggingStore> {
  let atHand: ReadView = await inner.readView();
  let questions = 0;
  const catchUp = async (): Promise<void> => {
    atHand = await inner.readView();
  };
  return {
    ...readsOf(inner),
    valueSizeLimitBytes: inner.valueSizeLimitBytes,
    get questions() {
      return questions;
    },
    readView: (options) => inner.readView(options),
    transact: async (transaction) => {
      const result = await inner.transact(transaction);
      await catchUp();
      return result;
    },
    local: {
      get: (key) => atHand.get(key),
      getInto: (key, target) => atHand.getInto(key, target),
      scan: ((options) => atHand.scan(options)) as LocalReads['scan'],
      cursor: (options) => atHand.cursor(options),
      // Others read from it still, so it is not closed.
      readView: async () => ({
        ...readsOf(atHand),
        revision: atHand.revision,
        close: () => undefined,
      }),
      whenCurrent: async () => {
        questions++;
        await catchUp();
      },
    },
    close: async () => undefined,
  };
}
