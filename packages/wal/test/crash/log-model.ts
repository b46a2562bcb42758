import { logIndex, term, utf8 } from '@holdfast/bytes';
import type { SeededRandom } from '@holdfast/env/memory';
import { type Wal, WalError } from '../../src/index.ts';
import { T1 } from '../fixtures/logs.ts';
import { bodyOf, type FoundLog, type LogMoment, placeOf, textOf } from './log-ledger.ts';

/** A record on its way. */
interface Sent {
  readonly index: number;
  readonly text: string;
  readonly place: string;
  /** Something was cut off since it was sent: it may be refused along with its batch. */
  isBesideCut: boolean;
  cut: boolean;
}

const NO_HARD_STATE = textOf({ term: 0, votedFor: undefined, commitIndex: 0 });
const SIZES = [
  0, 0, 1, 100, 1000, 3900, 3960, 4000, 4020, 4096, 5000, 8100, 12_000, 20_000, 27_000,
];

/** What a log was told, and has said; with several things under way at once. */
export class LogModel {
  #required = new Map<number, string>();
  #allowed = new Map<number, Set<string>>();
  #hardStates: string[] = [NO_HARD_STATE];
  #firstIndexes: number[] = [1];
  #sent = new Set<Sent>();
  /** Whether records may be there whose waiters were refused, since they were to be cut off. */
  #isUnsure = false;
  #texts = 0;
  /** The commit index that the log was told last. */
  committed = 0;
  /** As the log begins, or may begin after a crash. */
  get floor(): number {
    return Math.max(...this.#firstIndexes);
  }
  /** Being cut off from here on. */
  #cuts: number[] = [];
  /** Where it was cut, all that was ever asked for. */
  readonly #begun: number[] = [];

  get leastCut(): number {
    return Math.min(Number.MAX_SAFE_INTEGER, ...this.#cuts);
  }

  get moment(): LogMoment {
    return {
      required: new Map(this.#required),
      allowed: new Map([...this.#allowed].map(([at, texts]) => [at, new Set(texts)])),
      hardStates: [...this.#hardStates],
      firstIndexes: [...this.#firstIndexes],
    };
  }

  textsAt(index: number): ReadonlySet<string> {
    return new Set(this.#allowed.get(index));
  }

  newText(random: SeededRandom): string {
    const size = SIZES[random.below(SIZES.length)] as number;
    const jitter = random.below(3) === 0 ? random.below(64) : 0;
    return `s${size + jitter}-${'x'.repeat(random.below(30))}${this.#texts++}`;
  }

  /** A log was opened, and this was in it: that is what holds from now on. */
  settle(found: FoundLog, committed: number): void {
    this.#required = new Map();
    this.#allowed = new Map();
    for (const [index, text, body] of found.records) {
      this.#required.set(index, `${text} ${body}`);
      this.#allowed.set(index, new Set([text]));
    }
    this.#hardStates = [found.hardState];
    this.#firstIndexes = [found.firstIndex];
    this.#sent = new Set();
    this.#cuts = [];
    this.#isUnsure = false;
    this.committed = committed;
  }

  /** Nothing is under way. */
  mustBeAll({ records, firstIndex }: FoundLog): void {
    const last = Math.max(firstIndex - 1, ...this.#required.keys());
    const count = last - firstIndex + 1;
    mustBe(
      this.#isUnsure ? records.length >= count : records.length === count,
      `${records.length} records up to ${last}`,
    );
  }

  async put(wal: Wal, texts: readonly string[]): Promise<void> {
    const sent: Sent[] = [];
    for (const text of texts) {
      const index = wal.lastIndex + 1;
      this.#allow(index, text);
      const bytes = bodyOf(text);
      const body = bytes.length === 0 ? {} : { body: [bytes.subarray(0, 7), bytes.subarray(7)] };
      try {
        const appended = wal.append({ term: T1, kind: 1, head: utf8(text), ...body });
        mustBe(appended.index === index, `${appended.index} instead of ${index}`);
        const one = { index, text, place: placeOf(appended.body), cut: false, isBesideCut: false };
        sent.push(one);
        this.#sent.add(one);
      } catch (error) {
        this.#allowed.get(index)?.delete(text);
        if (codeOf(error) !== 'WAL_BUSY') throw error;
        break;
      }
    }
    await Promise.all(sent.map((one) => this.#whenDurable(wal, one)));
  }

  async #whenDurable(wal: Wal, one: Sent): Promise<void> {
    const { index, text, place } = one;
    try {
      await wal.whenDurable(logIndex(index));
      this.#sent.delete(one);
      if (one.cut) return;
      this.#required.set(index, `${text} ${place}`);
      this.#allowed.set(index, new Set([text]));
    } catch (error) {
      this.#sent.delete(one);
      const code = codeOf(error);
      if (code === 'WAL_NO_SPACE') this.#allowed.get(index)?.delete(text);
      else if (code === 'WAL_INDEX_NOT_FOUND' && !one.cut) this.#isUnsure = true;
      if (code !== 'WAL_NO_SPACE' && (code !== 'WAL_INDEX_NOT_FOUND' || !one.isBesideCut))
        throw error;
    }
  }

  /** A place where the log may be cut off; undefined where there is none. */
  cutPlace(wal: Wal, random: SeededRandom): number | undefined {
    const least = Math.max(this.floor, this.committed + 1);
    if (wal.lastIndex < least) return undefined;
    const from = wal.lastIndex - random.below(Math.min(6, wal.lastIndex - least + 1));
    return from;
  }

  async truncate(wal: Wal, from: number): Promise<void> {
    const before = new Map([...this.#required].filter(([index]) => index >= from));
    const gone = [...this.#allowed]
      .filter(([index]) => index >= from)
      .flatMap(([index, texts]) => [...texts].map((text) => [index, text] as const));
    const durable = wal.durableIndex;
    for (const index of before.keys()) this.#required.delete(index);
    for (const one of this.#sent) {
      one.isBesideCut = true;
      one.cut ||= one.index >= from;
    }
    this.#cuts.push(from);
    const begun = this.#begun.push(from);
    try {
      await wal.truncateSuffix(logIndex(from));
      for (const [index, text] of gone) this.#allowed.get(index)?.delete(text);
    } catch (error) {
      this.#isUnsure = true;
      if (codeOf(error) !== 'WAL_NO_SPACE') throw error;
      // It is as if it had never been asked for; what came after it may have cut deeper.
      const end = Math.min(durable, ...this.#begun.slice(begun).map((later) => later - 1));
      for (const [index, record] of before) if (index <= end) this.#required.set(index, record);
    } finally {
      this.#cuts.splice(this.#cuts.indexOf(from), 1);
    }
  }

  async release(wal: Wal, upTo: number): Promise<void> {
    this.#firstIndexes.push(upTo + 1);
    try {
      await wal.releasePrefix(logIndex(upTo));
      this.#firstIndexes = this.#firstIndexes.filter((index) => index > upTo);
    } catch (error) {
      const code = codeOf(error);
      if (code !== 'WAL_NO_SPACE' && code !== 'WAL_INDEX_NOT_FOUND') throw error;
    }
  }

  /** False where the volume was full: then it may be the old log, or the new one after the next start. */
  async restart(wal: Wal, index: number): Promise<boolean> {
    this.#firstIndexes.push(index + 1);
    for (const at of this.#required.keys()) if (at > index) this.#required.delete(at);
    try {
      await wal.restartAfter(logIndex(index), T1);
    } catch (error) {
      this.#isUnsure = true;
      if (codeOf(error) === 'WAL_NO_SPACE') return false;
      throw error;
    }
    for (const at of this.#allowed.keys()) if (at > index) this.#allowed.delete(at);
    this.#firstIndexes = [index + 1];
    return true;
  }

  async saveHardState(wal: Wal, votedFor: string | undefined, commits: boolean): Promise<void> {
    if (commits && this.#cuts.length === 0) this.committed = wal.lastIndex;
    const state = {
      term: term(wal.hardState.term + 1),
      votedFor,
      commitIndex: logIndex(this.committed),
    };
    const text = textOf(state);
    this.#hardStates.push(text);
    try {
      await wal.saveHardState(state);
      this.#hardStates = this.#hardStates.slice(this.#hardStates.indexOf(text));
    } catch (error) {
      if (codeOf(error) !== 'WAL_NO_SPACE') throw error;
    }
  }

  #allow(index: number, text: string): void {
    const texts = this.#allowed.get(index) ?? new Set();
    this.#allowed.set(index, texts.add(text));
  }
}

function mustBe(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof WalError ? error.code : undefined;
}
