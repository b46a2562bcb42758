import type { CrashSearchOptions, CrashSubject, Neglect } from '@holdfast/env/memory';
import { SeededRandom } from '@holdfast/env/memory';
import type { LocalStoreSettings, Operation } from '../../src/index.ts';
import {
  COMPACTED,
  DIRECTORY,
  del,
  MANY_FLUSHES,
  MIXED,
  put,
  type Run,
} from '../fixtures/crash-enumeration.ts';
import { backupSubject, restoreSubject } from './backup-subject.ts';
import { imageSubject } from './image-subject.ts';
import { SMALLEST, storeSubject } from './store-subject.ts';

/** Small and large values, overwrites, deletes and a session, flushed a few at a time. */
const flush: Run = async (store, script) => {
  await script.transact({ operations: [put('a', 10), put('b', 3000)] });
  await store.flush();
  await script.transact(
    { operations: [put('a', 2000), del('b')], session: { clientId: 'one', sequence: 1 } },
    { operations: [put('c', 4000)] },
  );
  await store.flush();
  const flushing = store.flush();
  await script.transact({ operations: [del('a'), put('d', 5)] });
  await flushing;
  await store.flush();
};

/** Flushes and merges by themselves, in the background of the writes. */
const MERGING: LocalStoreSettings = { ...SMALLEST, memtableSizeBytes: 600 };
const merge: Run = async (store, script) => {
  for (const key of ['a', 'b', 'c', 'a', 'd']) {
    await script.transact({ operations: [put(key, 700), del('b')] });
    await script.transact({ operations: [put(`${key}-large`, 1200)] });
  }
  await store.compact();
};

/** A merge of tables that are large enough to take a while, with flushes beside it. */
export const mergeBesideFlushes: Run = async (store, script) => {
  const many = Array.from({ length: 40 }, (_, at) => put(`key-${at}`, 1000));
  await script.transact({ operations: [...many, put('a', 3000)] });
  await store.flush();
  await script.transact({ operations: [put('a', 10), del('key-1')] });
  await store.flush();
  const merging = store.compact();
  merging.catch(() => undefined);
  await script.transact({ operations: [del('a'), put('b', 2000)] });
  await store.flush();
  await script.transact({ operations: [put('key-2', 5), put('c', 1)] });
  await store.flush();
  await merging;
  await script.transact({ operations: [put('last', 1)] });
};

/** A segment whose values are written anew, as where they are damaged, with a write beside it. */
const heal: Run = async (store, script) => {
  for (const key of ['a', 'b', 'c']) {
    await script.transact({ operations: [put(key, 2500), put(`${key}-too`, 2500)] });
  }
  await store.flush();
  const { segments } = store.status();
  const sealed = segments.find((each) => each.sealed)?.path ?? '';
  const healing = store.heal({ file: sealed.slice(`${DIRECTORY}/`.length) });
  healing.catch(() => undefined);
  await script.transact({ operations: [put('a', 3000)] });
  await healing;
  await script.transact({ operations: [put('last', 1)] });
};

/** Whatever the seed says, of everything that a store does, in so many steps; it flushes between writes, and beside them. */
export function randomly(seed: number, steps: number = 9): Run {
  return async (store, script) => {
    const random = new SeededRandom(seed);
    const key = (): string => 'abcdef'[random.below(6)] as string;
    for (let step = 0; step < steps; step++) {
      const choice = random.below(10);
      if (choice === 0) await store.compact();
      else if (choice === 1) await store.flush();
      else {
        const operations: Operation[] = [];
        for (let count = 1 + random.below(3); count > 0; count--) {
          const sizes = [random.below(60), 1025 + random.below(5000)];
          const size = sizes[random.below(2)] as number;
          operations.push(random.below(4) === 0 ? del(key()) : put(key(), size));
        }
        const flushing = random.below(2) === 0 ? quietly(store.flush()) : undefined;
        await script.transact({ operations }, { operations: [put(key(), random.below(40))] });
        await flushing;
      }
    }
  };
}

/** The same promise, whose failure is no unhandled rejection until somebody waits for it. */
function quietly(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}

/** The points around the rewriting of a MANIFEST that has grown long. */
const aroundRewriting: CrashSearchOptions = {
  choose: (points) => {
    const at = points.findLastIndex(({ label }) => /rename \S+ to \S+\/MANIFEST/.test(label));
    return points.slice(Math.max(0, at - 8), at + 14);
  },
};

/** Why: each of those states takes a backup and a restore, and 75,000 of them take as long as all other searches. */
const notProceeding: CrashSearchOptions = { proceeding: undefined };

export interface StoreScenario {
  readonly subject: (neglect?: Neglect) => CrashSubject<unknown>;
  readonly options?: CrashSearchOptions;
}

/** A store under a script of its own for each seed. */
export function randomStore(seed: number, neglect?: Neglect): CrashSubject<unknown> {
  return storeSubject(randomly(seed), { neglect, knowsLess: (seed & 2) !== 0 });
}

function scenarioOf(run: Run, settings?: LocalStoreSettings): StoreScenario['subject'] {
  return (neglect) =>
    storeSubject(run, { neglect, ...(settings === undefined ? {} : { settings }) });
}

/** By name, the longest first. */
export const storeScenarios: Readonly<Record<string, StoreScenario>> = {
  everything: { subject: scenarioOf(MIXED) },
  compaction: { subject: scenarioOf(COMPACTED) },
  merge: { subject: scenarioOf(merge, MERGING) },
  'merge beside flushes': { subject: scenarioOf(mergeBesideFlushes) },
  'random, seed 1': { subject: scenarioOf(randomly(1)) },
  restore: { subject: (neglect) => restoreSubject({}, { neglect }) },
  backup: { subject: (neglect) => backupSubject({}, { neglect }), options: notProceeding },
  'backup that replaces another': {
    subject: (neglect) => backupSubject({ replaces: true }, { neglect }),
    options: notProceeding,
  },
  'state of another node': { subject: (neglect) => imageSubject({ neglect }) },
  flush: { subject: scenarioOf(flush) },
  healing: { subject: scenarioOf(heal) },
  'rewriting of the MANIFEST': { subject: scenarioOf(MANY_FLUSHES), options: aroundRewriting },
};
