import { utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { type Life, MemoryFiles, runLives, SeededRandom } from '@holdfast/env/memory';
import type {
  Condition,
  LocalStore,
  LocalStoreSettings,
  Operation,
  ReadView,
  Transaction,
} from '../../src/index.ts';
import { openLocalStore, restoreBackup } from '../../src/index.ts';
import { DIRECTORY } from '../fixtures/crash-enumeration.ts';
import {
  codeOf,
  contentsOf,
  isFull,
  mustBeSalvaged,
  mustBeTyped,
  mustBeUndamaged,
  mustHoldBackups,
  Violation,
} from './store-checks.ts';
import { type Contents, describe, isSame, StoreModel, valueOf } from './store-model.ts';
import { openKnowingLess, SMALLEST } from './store-subject.ts';

const TARGET = '/backups';
const IDENTITY = { clusterId: 'c'.repeat(32), nodeId: 'b'.repeat(32) };
const STEPS = 30;
const KEYS = 14;
const SIZES = [0, 1, 10, 60, 300, 1023, 1024, 1025, 1500, 3000, 3960, 4096, 5000, 9000, 14_000];

const STORES: readonly LocalStoreSettings[] = [
  SMALLEST,
  { ...SMALLEST, memtableSizeBytes: 600, sessionLimit: 8 },
  { ...SMALLEST, memtableSizeBytes: 3000, replaySizeBytes: 20_000, compactionLiveShare: 0.9 },
  {
    ...SMALLEST,
    memtableSizeBytes: 600,
    tableCountLimit: 1,
    blockCacheSizeBytes: 0,
    wal: {
      ...SMALLEST.wal,
      segmentSizeBytes: 28_672,
      preallocate: true,
      batchSizeLimitBytes: 4096,
    },
  },
];

/** A store through several lives, of everything that it does, and how many they were; throws where one has lost something. */
export async function liveStore(seed: number): Promise<number> {
  const random = new SeededRandom(seed ^ 0x2c1b3c6d);
  const settings = STORES[random.below(STORES.length)] as LocalStoreSettings;
  const model = new StoreModel();
  return await runLives((life) => new StoreLife(settings, model, life).run(), seed);
}

class StoreLife {
  readonly #env: Env;
  readonly #settings: LocalStoreSettings;
  readonly #model: StoreModel;
  readonly #life: Life;
  #store: LocalStore | undefined;
  #pending: Promise<unknown>[] = [];
  #failure: { readonly error: unknown } | undefined;
  #views: { readonly view: ReadView; readonly contents: Contents }[] = [];

  constructor(settings: LocalStoreSettings, model: StoreModel, life: Life) {
    this.#settings = settings;
    this.#model = model;
    this.#life = life;
    this.#env = life.env;
  }

  async run(): Promise<void> {
    const { random, isDoomed, isOver, wasFull, files } = this.#life;
    try {
      if (random.below(3) === 0) await this.#verify();
      if (random.below(6) === 0) {
        await mustBeSalvaged(this.#env, files.clone(), DIRECTORY, this.#settings);
      }
      await this.#open();
      if (this.#model.ahead !== undefined) await this.#install();
      const steps = random.below(STEPS);
      for (let step = 0; step < steps && !isOver(); step++) {
        await this.#step();
        if (random.below(2) === 0) await this.#settle();
        if (this.#failure !== undefined) throw this.#failure.error;
      }
      await this.#settle();
      if (!isDoomed()) await this.#end();
    } catch (error) {
      mustBeTyped(error);
      if (!isDoomed() && !(wasFull() && isFull(error))) throw error;
    }
    await this.#settle();
    if (this.#failure !== undefined && !isDoomed()) throw this.#failure.error;
    await this.#close();
  }

  async #open(): Promise<void> {
    const { random, files, wasFull } = this.#life;
    for (;;) {
      try {
        const knowsLess = random.below(8) === 0;
        if (knowsLess && (await files.stat(`${DIRECTORY}/node.json`)) !== undefined) {
          await openKnowingLess(files, this.#settings);
        }
        const { clusterId, nodeId } = IDENTITY;
        this.#store = await openLocalStore({
          env: this.#env,
          directory: DIRECTORY,
          identity: { clusterId, nodeId },
          settings: this.#settings,
        });
        break;
      } catch (error) {
        if (!wasFull() || !isFull(error)) throw error;
      }
    }
    const store = this.#store;
    const found = await contentsOf(store);
    const problem = this.#model.settle(found);
    if (problem !== undefined) throw new Violation(problem);
    if (store.status().revision >= this.#model.aheadIndex) this.#model.ahead = undefined;
    this.#mustCount(store, found);
    const names = (await files.list(`${DIRECTORY}/kv`)).filter(
      (name) => name !== 'MANIFEST' && name !== 'incoming',
    );
    const { tableCount, extentFiles } = store.status();
    if (names.length !== tableCount + extentFiles.length) {
      throw new Violation(`files are left over: ${names.join(' ')}`);
    }
  }

  #mustCount(store: LocalStore, contents: Contents): void {
    let liveBytes = 0;
    for (const { digest } of contents.values()) {
      const size = Number.parseInt(digest, 10);
      if (size > 1024) liveBytes += size;
    }
    const { liveBytes: counted } = store.status();
    if (counted !== liveBytes) throw new Violation(`${counted} live bytes, and it is ${liveBytes}`);
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  /** Goes on beside what comes next. */
  #beside(work: Promise<unknown>): void {
    this.#pending.push(
      work.catch((error: unknown) => {
        if (this.#life.isDoomed()) {
          mustBeTyped(error);
          return;
        }
        if (this.#life.wasFull() && isFull(error)) return;
        // What is under way when the store is closed ends so.
        if (this.#store === undefined && codeOf(error) === 'KV_CLOSED') return;
        this.#failure ??= { error };
      }),
    );
  }

  async #step(): Promise<void> {
    const { random, clock } = this.#life;
    const store = this.#store as LocalStore;
    const choice = random.below(24);
    if (choice <= 8) {
      for (let count = 1 + random.below(3); count > 0; count--) this.#beside(this.#transact());
    } else if (choice <= 10) this.#beside(store.flush());
    else if (choice === 11) this.#beside(store.compact());
    else if (choice === 12) this.#beside(store.collect());
    else if (choice === 13) await this.#backUp();
    else if (choice === 14) await this.#takeView();
    else if (choice === 15) this.#beside(this.#lookAtViews());
    else if (choice === 16) {
      for (const { view } of this.#views.splice(0, 1 + random.below(2))) view.close();
    } else if (choice === 17) {
      clock.setNowMs(clock.nowMs() + (random.below(2) === 0 ? -1 : 1) * random.below(10 ** 9));
      clock.advance(random.below(3000));
    } else if (choice === 18) {
      await this.#settle();
      await this.#lookAtAll();
    } else if (choice === 19) await this.#reopen();
    else if (choice === 20) await this.#install();
    else if (choice === 21) this.#beside(this.#verify());
    else if (choice === 22) await this.#transact(true);
    else for (let turn = random.below(60); turn > 0; turn--) await Promise.resolve();
  }

  #newTransaction(): Transaction {
    const { random } = this.#life;
    const key = (): Uint8Array => utf8(`k${random.below(KEYS)}`);
    const operations: Operation[] = [];
    for (let count = 1 + random.below(4); count > 0; count--) {
      const size = SIZES[random.below(SIZES.length)] as number;
      const value = valueOf(this.#model.nextValue, size);
      operations.push(
        random.below(4) === 0 ? { kind: 'delete', key: key() } : { kind: 'put', key: key(), value },
      );
    }
    const conditions: Condition[] = [];
    if (random.below(4) === 0) {
      conditions.push({ kind: random.below(2) === 0 ? 'exists' : 'absent', key: key() });
    }
    return { conditions, operations };
  }

  /** `twice`: it is sent again, as after a lost answer, once it was answered. */
  async #transact(twice = false): Promise<void> {
    const { random, isDoomed } = this.#life;
    const store = this.#store as LocalStore;
    const model = this.#model;
    const clientId = `client ${random.below(3)}`;
    const session = { clientId, sequence: model.nextValue };
    const transaction = twice ? { ...this.#newTransaction(), session } : this.#newTransaction();
    const sent = model.send(transaction);
    try {
      const result = await store.transact(transaction);
      sent.outcome = result;
      if (!twice) return;
      const again = await store.transact(transaction);
      if (JSON.stringify(again) !== JSON.stringify(result)) {
        throw new Violation(`answered ${JSON.stringify(again)} after ${JSON.stringify(result)}`);
      }
    } catch (error) {
      const code = codeOf(error);
      if (code === 'KV_NO_SPACE' || code === 'KV_CLOSED' || code === 'KV_BUSY') {
        if (sent.outcome === undefined && code !== 'KV_CLOSED') sent.outcome = 'refused';
        if (code === 'KV_CLOSED' || this.#life.wasFull()) return;
      }
      if (!isDoomed()) throw error;
      mustBeTyped(error);
    }
  }

  async #backUp(): Promise<void> {
    const { random } = this.#life;
    const store = this.#store as LocalStore;
    if (random.below(2) === 0) await this.#settle();
    const statesBefore = this.#model.states;
    const keep = random.below(2) === 0 ? { keep: 1 + random.below(2) } : {};
    let report: Awaited<ReturnType<LocalStore['backup']>>;
    try {
      report = await store.backup({ to: TARGET, ...keep });
    } catch (error) {
      if (this.#life.wasFull() && isFull(error)) return;
      throw error;
    }
    await this.#mustHoldBackups();
    if (random.below(2) === 0) return;
    const directory = `/restored-${this.#model.nextValue}`;
    try {
      await restoreBackup(this.#env, { from: TARGET, directory });
      const restored = await openLocalStore({
        env: this.#env,
        directory,
        settings: this.#settings,
      });
      const found = await contentsOf(restored);
      await restored.close();
      const states = [...statesBefore, ...this.#model.states];
      if (!states.some((state) => isSame(found, state))) {
        throw new Violation(`restored ${describe(found)} from ${report.index}`);
      }
    } catch (error) {
      if (this.#life.wasFull() && isFull(error)) return;
      throw error;
    }
  }

  async #takeView(): Promise<void> {
    await this.#settle();
    const view = await (this.#store as LocalStore).readView();
    this.#views.push({ view, contents: this.#model.contents });
  }

  async #lookAtViews(): Promise<void> {
    for (const { view, contents } of this.#views.slice()) {
      try {
        const found = await contentsOf(view);
        if (!isSame(found, contents)) {
          throw new Violation(`a view shows ${describe(found)}, not ${describe(contents)}`);
        }
      } catch (error) {
        if (codeOf(error) !== 'KV_VIEW_CLOSED' && codeOf(error) !== 'KV_CLOSED') throw error;
      }
    }
  }

  /** Nothing is under way. */
  async #lookAtAll(): Promise<void> {
    if (this.#failure !== undefined || this.#life.isDoomed()) return;
    const store = this.#store as LocalStore;
    const found = await contentsOf(store);
    const { contents } = this.#model;
    if (!isSame(found, contents)) {
      throw new Violation(`there is ${describe(found)}, not ${describe(contents)}`);
    }
    this.#mustCount(store, found);
  }

  async #reopen(): Promise<void> {
    if (this.#life.random.below(2) === 0) await this.#settle();
    const closing = this.#close();
    await closing;
    await this.#settle();
    if (this.#failure !== undefined || this.#life.isOver()) return;
    await this.#open();
  }

  /** Another node's state, received in pieces and installed: it is ahead of this one, and has the same history up to here. */
  async #install(): Promise<void> {
    const { random, isDoomed, files, wasFull } = this.#life;
    await this.#settle();
    if (this.#failure !== undefined || isDoomed()) return;
    const model = this.#model;
    model.ahead ??= files.clone();
    for (let tries = 0; model.ahead !== undefined; tries++) {
      // Of one that was not closed, a lock would be left.
      model.ahead = model.ahead.clone();
      const other = await this.#openAhead(model.ahead);
      const feed = other.images.pin();
      model.aheadIndex = feed.index;
      const store = this.#store as LocalStore;
      const incoming = store.images.incoming({
        checkpointSizeBytes: 1 + random.below(10_000),
        fileSizeBytes: 6000,
        chunkSizeBytes: 2500,
      });
      try {
        if (random.below(3) === 0) this.#beside(store.flush());
        await incoming.receive(feed);
        await this.#settle();
        const contents = await contentsOf(other);
        if (tries > 0 || random.below(3) > 0) {
          const sent = model.sendWhole(contents);
          const installed = await incoming.install();
          // What it names of this store's own may have moved meanwhile: then it is received anew.
          sent.outcome = installed === undefined ? 'refused' : 'installed';
          if (installed !== undefined) model.ahead = undefined;
        }
      } catch (error) {
        if (!wasFull() || !isFull(error) || isDoomed()) throw error;
      } finally {
        await incoming.close();
        feed.close();
        await other.close();
      }
      if (model.ahead === undefined) return;
      // It may be there after the next start.
      await this.#close();
      await this.#open();
    }
  }

  async #openAhead(files: MemoryFiles): Promise<LocalStore> {
    const { random } = this.#life;
    const other = await openLocalStore({
      env: { ...this.#env, files },
      directory: DIRECTORY,
      settings: this.#settings,
    });
    for (let count = 1 + random.below(5); count > 0; count--) {
      await other.transact(this.#newTransaction());
      if (random.below(4) === 0) await other.flush();
    }
    if (random.below(3) === 0) await other.compact();
    return other;
  }

  /** A crash is no damage. */
  async #verify(): Promise<void> {
    const { isDoomed } = this.#life;
    await mustBeUndamaged(this.#env, DIRECTORY).catch((error: unknown) => {
      if (!isDoomed()) throw error;
    });
    await this.#mustHoldBackups();
  }

  /** On a copy of the disk: what cannot be read in this life is whole all the same. */
  async #mustHoldBackups(): Promise<void> {
    await mustHoldBackups({ ...this.#env, files: this.#life.files.clone() }, TARGET);
  }

  /** It goes on; and what is deleted gives its room back. */
  async #end(): Promise<void> {
    const { random, wasFull } = this.#life;
    const store = this.#store as LocalStore;
    await this.#lookAtAll();
    await this.#lookAtViews();
    if (random.below(4) > 0) return;
    for (const { view } of this.#views.splice(0)) view.close();
    const operations = Array.from(
      { length: KEYS },
      (_, at): Operation => ({ kind: 'delete', key: utf8(`k${at}`) }),
    );
    for (let tries = 0; ; tries++) {
      const sent = this.#model.send({ operations });
      try {
        sent.outcome = await store.transact({ operations });
        await store.compact();
        await store.compact();
        break;
      } catch (error) {
        if (!wasFull() || !isFull(error) || tries > 8) throw error;
        if (sent.outcome === undefined) sent.outcome = 'refused';
      }
    }
    const { segments, extentFiles, liveBytes, tableCount } = store.status();
    if (liveBytes !== 0 || extentFiles.length > 0 || segments.length > 2 || tableCount > 1) {
      throw new Violation(
        `of nothing there are left ${liveBytes} live bytes, ${segments.length} segments, ${tableCount} tables, ${extentFiles.length} extent files`,
      );
    }
  }

  async #close(): Promise<void> {
    const store = this.#store;
    if (store === undefined) return;
    this.#store = undefined;
    this.#views = [];
    try {
      await store.close();
    } catch (error) {
      if (!this.#life.isDoomed() && !(this.#life.wasFull() && isFull(error))) throw error;
      mustBeTyped(error);
    }
  }
}
