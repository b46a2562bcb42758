import type { Files } from '@holdfast/env';
import type { CrashSubject } from '@holdfast/env/memory';
import { MemoryFiles } from '@holdfast/env/memory';
import type { ImageFeed, LocalStore } from '../../src/index.ts';
import { openLocalStore } from '../../src/index.ts';
import { contentsOf, DIRECTORY, del, put } from '../fixtures/crash-enumeration.ts';
import { judgeState, Script, type StoreMoment } from './script.ts';
import {
  checkedContents,
  envOf,
  neglectful,
  SMALLEST,
  type SubjectOptions,
} from './store-subject.ts';

const CLUSTER = 'c'.repeat(32);
/** Progress is saved after every value. */
const INCOMING = { checkpointSizeBytes: 1, fileSizeBytes: 6000, chunkSizeBytes: 2500 };

interface Base {
  /** Of the node that is behind, and was closed. */
  readonly files: MemoryFiles;
  readonly before: string;
  readonly feed: ImageFeed;
  readonly after: string;
}

async function openNode(files: Files, digit: string): Promise<LocalStore> {
  const identity = { clusterId: CLUSTER, nodeId: digit.repeat(32) };
  const env = await envOf(files);
  return openLocalStore({ env, directory: DIRECTORY, identity, settings: SMALLEST });
}

/** A node that is behind by an overwrite, a delete and some new values, and the state that it is to get. */
async function baseDisk(): Promise<Base> {
  const files = new MemoryFiles();
  const behind = await openNode(files, 'b');
  const ahead = await openNode(new MemoryFiles(), 'a');
  for (const store of [behind, ahead]) {
    await store.transact({ operations: [put('a', 4000), put('b', 3000), put('c', 10)] });
    await store.transact({ operations: [put('d', 6000), put('e', 5000)] });
    await store.flush();
    await store.transact({ operations: [put('b', 2000)] });
  }
  const before = (await contentsOf(behind)).join('\n');
  await behind.close();
  await ahead.transact({ operations: [put('a', 3500), del('c'), put('f', 2400)] });
  const session = { clientId: 'one', sequence: 3 };
  await ahead.transact({ operations: [put('g', 2200), put('h', 5)], session });
  await ahead.compact();
  const after = (await contentsOf(ahead)).join('\n');
  return { files, before, feed: ahead.images.pin(), after };
}

async function receive(store: LocalStore, feed: ImageFeed): Promise<void> {
  const incoming = store.images.incoming(INCOMING);
  try {
    await incoming.receive(feed);
    await incoming.install();
  } finally {
    await incoming.close();
  }
}

/**
 * Another node's state that is received, and its receiving cut off: the old state is there or the new one, and after the
 * install was acknowledged the new one; what was cut off can be gone on with.
 */
export function imageSubject({ neglect }: SubjectOptions = {}): CrashSubject<StoreMoment> {
  const base = baseDisk();
  return {
    start: async () => (await base).files.clone(),
    script: (files) => {
      let moment: StoreMoment = { states: [], acknowledged: 0, submitted: 0 };
      return {
        run: async () => {
          const { before, after, feed } = await base;
          const states = [before, after];
          moment = { states: [before], acknowledged: 0, submitted: 0 };
          const store = await openNode(neglectful(files, neglect), 'b');
          moment = { states, acknowledged: 0, submitted: 1 };
          await receive(store, feed);
          moment = { states, acknowledged: 1, submitted: 1 };
          await store.close();
        },
        moment: () => moment,
      };
    },
    recover: async (files) => {
      const store = await openNode(files, 'b');
      try {
        return await checkedContents(store, files);
      } finally {
        await store.close();
      }
    },
    judge: (found, moment) => (moment.states.length === 0 ? undefined : judgeState(found, moment)),
    proceed: (files, found) => {
      let script: Script | undefined;
      let states: readonly string[] = [found];
      return {
        run: async () => {
          const { after, feed } = await base;
          const store = await openNode(files, 'b');
          let contents = found;
          // After a crash of the writes below, the state is there already, and some of them.
          if (store.status().revision < feed.index) {
            states = [found, after];
            await receive(store, feed);
            contents = after;
          }
          if ((await files.list(DIRECTORY)).includes('incoming')) throw new Error('left over');
          script = new Script(store, contents);
          await script.transact({ operations: [put('after', 3000), del('a')] });
          await store.compact();
          await store.close();
        },
        moment: () => script?.moment ?? { states, acknowledged: 0, submitted: states.length - 1 },
      };
    },
  };
}
