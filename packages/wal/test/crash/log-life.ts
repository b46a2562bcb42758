import { logIndex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { type Life, runLives, SeededRandom } from '@holdfast/env/memory';
import { copySegment, type Wal, WalError } from '../../src/index.ts';
import { DIRECTORY, type LogOptions, open } from '../fixtures/logs.ts';
import { bodyOf, foundIn, judgeLog } from './log-ledger.ts';
import { LogModel } from './log-model.ts';
import { SPARE_SEGMENTS, TINY, TWO_IN_FLIGHT } from './log-subject.ts';

const LOGS: readonly LogOptions[] = [
  TINY,
  TWO_IN_FLIGHT,
  SPARE_SEGMENTS,
  { ...TWO_IN_FLIGHT, segmentSizeBytes: 16384, preallocate: true },
  { ...TINY, batchSizeLimitBytes: 1, pendingSizeLimitBytes: 40_000, cacheSizeBytes: 0 },
];
const STEPS = 24;

/** A log through several lives, of everything that it does, and how many they were; throws where one has lost something. */
export async function liveLog(seed: number): Promise<number> {
  const random = new SeededRandom(seed ^ 0x5bd1e995);
  const log = LOGS[random.below(LOGS.length)] as LogOptions;
  const model = new LogModel();
  return await runLives((life) => new LogLife(log, model, life).run(), seed);
}

class LogLife {
  readonly #env: Env;
  readonly #log: LogOptions;
  readonly #model: LogModel;
  readonly #life: Life;
  #wal: Wal | undefined;
  #pending: Promise<unknown>[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(log: LogOptions, model: LogModel, life: Life) {
    this.#log = log;
    this.#model = model;
    this.#life = life;
    this.#env = life.env;
  }

  async run(): Promise<void> {
    const { random, isDoomed, isOver } = this.#life;
    try {
      this.#wal = await this.#open();
      const steps = random.below(STEPS);
      for (let step = 0; step < steps && !isOver(); step++) {
        await this.#step(this.#wal);
        if (this.#failure !== undefined) throw this.#failure.error;
      }
      await this.#settle();
      if (!isOver()) await this.#lookAt(this.#wal);
    } catch (error) {
      if (!isDoomed()) throw error;
      mustBeTyped(error);
    }
    await Promise.all(this.#pending);
    if (this.#failure !== undefined && !isDoomed()) throw this.#failure.error;
    if (isDoomed()) await this.#mustBePoisoned();
    await this.#close();
  }

  async #open(): Promise<Wal> {
    for (;;) {
      try {
        const wal = await open(this.#env, this.#log);
        this.#wal = wal;
        await this.#look(wal, false);
        return wal;
      } catch (error) {
        if (!/NO_SPACE/.test(String((error as { code?: string }).code))) throw error;
        if (!this.#life.wasFull()) throw error;
      }
    }
  }

  async #look(wal: Wal, exactly: boolean): Promise<void> {
    for (const { sealed, path } of wal.segments()) {
      if (sealed) await copySegment({ env: this.#env, source: path });
    }
    const found = await foundIn(wal, { goesOn: exactly });
    const problem = judgeLog(found, this.#model.moment);
    if (problem !== undefined) throw new Violation(problem);
    if (exactly) this.#model.mustBeAll(found);
    else this.#model.settle(found, wal.hardState.commitIndex);
  }

  async #lookAt(wal: Wal): Promise<void> {
    // What has failed by a read has lost what was on its way, and says so.
    if (this.#life.isDoomed()) await wal.sync();
    await this.#look(wal, true);
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  /** Goes on beside what comes next. */
  #beside(work: Promise<unknown>): void {
    this.#pending.push(
      work.catch((error: unknown) => {
        if (this.#life.isDoomed()) mustBeTyped(error);
        else this.#failure ??= { error };
      }),
    );
  }

  async #step(wal: Wal): Promise<void> {
    const { random, clock } = this.#life;
    const model = this.#model;
    const choice = random.below(20);
    if (choice <= 7) {
      const texts = Array.from({ length: 1 + random.below(4) }, () => model.newText(random));
      this.#beside(model.put(wal, texts));
    } else if (choice === 8) {
      const votedFor = random.below(2) === 0 ? undefined : 'a';
      this.#beside(model.saveHardState(wal, votedFor, random.below(3) === 0));
    } else if (choice <= 10) {
      if (random.below(2) === 0) await this.#settle();
      else for (let turn = random.below(12); turn > 0; turn--) await Promise.resolve();
      // Often before the one before is begun, and in place of what has just come.
      for (let cuts = 1 + random.below(3); cuts > 0; cuts--) {
        const from = model.cutPlace(wal, random);
        if (from === undefined) break;
        const cut = model.truncate(wal, from);
        this.#beside(cut);
        if (random.below(3) === 0) await cut.catch(() => undefined);
        else if (random.below(2) === 0) this.#beside(model.put(wal, [model.newText(random)]));
      }
    } else if (choice <= 12) {
      const upTo = wal.firstIndex + random.below(4);
      if (upTo <= wal.lastIndex && upTo < model.leastCut) this.#beside(model.release(wal, upTo));
    } else if (choice === 13) {
      const released = wal.segments().filter((segment) => segment.released);
      const some = released.slice(0, random.below(released.length + 1));
      await this.#settle();
      this.#beside(wal.removeSegments(some.map(({ segmentId }) => segmentId)));
    } else if (choice === 14) {
      await this.#settle();
      await this.#restart(wal);
    } else if (choice === 15) {
      clock.advance(1000);
      for (let turn = random.below(200); turn > 0; turn--) await Promise.resolve();
    } else if (choice === 16) {
      clock.setNowMs(clock.nowMs() + (random.below(2) === 0 ? -1 : 1) * random.below(10 ** 9));
      this.#beside(this.#readOne(wal));
    } else if (choice === 17) {
      await this.#settle();
      if (!this.#life.isOver() && this.#failure === undefined) await this.#lookAt(wal);
    } else if (choice === 18) {
      this.#beside(this.#readOne(wal));
    } else {
      await this.#settle();
      if (this.#failure !== undefined || this.#life.isOver()) return;
      await this.#close();
      this.#wal = await this.#open();
    }
    if (random.below(2) === 0) await this.#settle();
    // The log of the next step.
    if (this.#wal !== wal && this.#wal !== undefined) await this.#settle();
  }

  async #restart(wal: Wal): Promise<void> {
    const { random } = this.#life;
    const model = this.#model;
    const least = Math.max(model.floor - 1, model.committed, wal.firstIndex - 1);
    const index = random.below(2) === 0 ? wal.lastIndex + random.below(3) : least + random.below(3);
    const isDone = await model.restart(wal, Math.max(index, least));
    if (isDone) return;
    // What it has left in memory is not used.
    await this.#close();
    this.#wal = await this.#open();
  }

  /** What is asked for is there, or is being cut off. */
  async #readOne(wal: Wal): Promise<void> {
    const { random } = this.#life;
    if (wal.lastIndex < wal.firstIndex) return;
    const index = wal.firstIndex + random.below(wal.lastIndex - wal.firstIndex + 1);
    const before = this.#model.textsAt(index);
    try {
      const { head, bodyBytes } = await wal.read(logIndex(index));
      const text = new TextDecoder().decode(head);
      const expected = bodyOf(text);
      const same =
        bodyBytes.length === expected.length &&
        bodyBytes.every((byte, at) => byte === expected[at]);
      // What was put in its place meanwhile may be read too.
      const isKnown = before.has(text) || this.#model.textsAt(index).has(text);
      if (!same || !isKnown) throw new Violation(`read ${text} at ${index}`);
    } catch (error) {
      if (error instanceof WalError && error.code === 'WAL_INDEX_NOT_FOUND') return;
      throw error;
    }
  }

  /** After a failure of the disk nothing is acknowledged, unless what has failed was not needed. */
  async #mustBePoisoned(): Promise<void> {
    const wal = this.#wal;
    if (wal === undefined) return;
    await this.#model.put(wal, [this.#model.newText(this.#life.random)]).catch(mustBeTyped);
  }

  async #close(): Promise<void> {
    const { isDoomed, files } = this.#life;
    const wal = this.#wal;
    if (wal === undefined) return;
    this.#wal = undefined;
    try {
      await wal.close();
    } catch (error) {
      if (!isDoomed()) throw error;
      return;
    }
    if (isDoomed()) return;
    const segments = new Set(wal.segments().map(({ path }) => path));
    for (const { path } of files.listAll(DIRECTORY)) {
      const isKnown = segments.has(path) || /\/(?:LOCK|state-[ab]|.*\.torn)$/.test(path);
      if (!isKnown && !this.#life.wasFull()) throw new Violation(`${path} is left over`);
    }
  }
}

class Violation extends Error {}

function mustBeTyped(error: unknown): void {
  if (error instanceof Violation) throw error;
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== 'string') throw new Violation(`untyped: ${String(error)}`, { cause: error });
}
