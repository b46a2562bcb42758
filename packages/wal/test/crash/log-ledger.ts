import { logIndex, utf8 } from '@holdfast/bytes';
import { type Extent, type HardState, type Wal, WalError } from '../../src/index.ts';
import { T1 } from '../fixtures/logs.ts';

/** A record as it is found: its head as text, and the place of its body. */
export type FoundRecord = readonly [index: number, text: string, body: string];

/** What is in a log. */
export interface FoundLog {
  readonly firstIndex: number;
  readonly hardState: string;
  readonly records: readonly FoundRecord[];
}

/** What a log may hold after a crash, and what it must hold. */
export interface LogMoment {
  /** Acknowledged, and no truncation of it has begun: text and place of the body, by index. */
  readonly required: ReadonlyMap<number, string>;
  /** May be there: everything appended, but not what an acknowledged truncation removed. */
  readonly allowed: ReadonlyMap<number, ReadonlySet<string>>;
  readonly hardStates: readonly string[];
  readonly firstIndexes: readonly number[];
}

const NO_HARD_STATE = textOf({ term: 0, votedFor: undefined, commitIndex: 0 });

/** Does things to a log, and writes down what it was promised. */
export class LogLedger {
  readonly #required = new Map<number, string>();
  readonly #allowed = new Map<number, Set<string>>();
  #hardStates: readonly string[] = [NO_HARD_STATE];
  #firstIndexes: readonly number[] = [1];

  /** `found`: what the log holds now. */
  constructor(found?: FoundLog) {
    if (found === undefined) return;
    for (const [index, text, body] of found.records) {
      this.#required.set(index, `${text} ${body}`);
      this.#allowed.set(index, new Set([text]));
    }
    this.#hardStates = [found.hardState];
    this.#firstIndexes = [found.firstIndex];
  }

  get moment(): LogMoment {
    const allowed = [...this.#allowed].map(([index, texts]) => [index, new Set(texts)] as const);
    return {
      required: new Map(this.#required),
      allowed: new Map(allowed),
      hardStates: this.#hardStates,
      firstIndexes: this.#firstIndexes,
    };
  }

  async put(wal: Wal, ...texts: string[]): Promise<void> {
    const appended = texts.map((text) => this.#append(wal, text));
    const durable = appended.map(async ({ index, text, body }) => {
      await wal.whenDurable(logIndex(index));
      this.#acknowledge(index, text, body);
    });
    await Promise.all(durable);
  }

  /** As `put`, on a disk that may be full: the texts that were refused for want of room, and must never be found. */
  async putSome(wal: Wal, ...texts: string[]): Promise<string[]> {
    const appended = texts.map((text) => this.#append(wal, text));
    const refused = appended.map(async ({ index, text, body }) => {
      if (await isDurable(wal, index, 'WAL_NO_SPACE')) {
        this.#acknowledge(index, text, body);
        return [];
      }
      this.#allowed.get(index)?.delete(text);
      return [text];
    });
    return (await Promise.all(refused)).flat();
  }

  /** Cuts the log off at `from` while these are on their way to the disk: what was not durable by then is not acknowledged. */
  async truncateBehind(wal: Wal, texts: string[], turns: number, from: number): Promise<void> {
    const appended = texts.map((text) => this.#append(wal, text));
    const answers = appended.map(({ index }) => isDurable(wal, index, 'WAL_INDEX_NOT_FOUND'));
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const { durableIndex } = wal;
    const cut = this.truncate(wal, from);
    for (const [at, { index, text, body }] of appended.entries()) {
      const isAcknowledged = await answers[at];
      // A record before the cut may be refused along with its batch.
      if (index < from && isAcknowledged) this.#acknowledge(index, text, body);
      if (index < from || index <= durableIndex || !isAcknowledged) continue;
      throw new Error(`record ${index} was cut off before it was durable, and is acknowledged`);
    }
    await cut;
  }

  /** What a write that is not waited for may leave. */
  appendOnly(wal: Wal, text: string): void {
    this.#append(wal, text);
  }

  async truncate(wal: Wal, from: number): Promise<void> {
    for (const index of this.#required.keys()) if (index >= from) this.#required.delete(index);
    await wal.truncateSuffix(logIndex(from));
    for (const index of this.#allowed.keys()) if (index >= from) this.#allowed.delete(index);
  }

  async release(wal: Wal, upTo: number): Promise<void> {
    this.#firstIndexes = [...this.#firstIndexes, upTo + 1];
    await wal.releasePrefix(logIndex(upTo));
    this.#firstIndexes = [upTo + 1];
  }

  /** The log begins anew after `index`: what it held is void or released. */
  async restart(wal: Wal, index: number): Promise<void> {
    this.#firstIndexes = [...this.#firstIndexes, index + 1];
    for (const at of this.#required.keys()) if (at > index) this.#required.delete(at);
    await wal.restartAfter(logIndex(index), T1);
    for (const at of this.#allowed.keys()) if (at > index) this.#allowed.delete(at);
    this.#firstIndexes = [index + 1];
  }

  async saveHardState(wal: Wal, state: HardState): Promise<void> {
    this.#hardStates = [...this.#hardStates, textOf(state)];
    await wal.saveHardState(state);
    this.#hardStates = [textOf(state)];
  }

  #acknowledge(index: number, text: string, body: Extent | undefined): void {
    this.#required.set(index, `${text} ${placeOf(body)}`);
    this.#allowed.set(index, new Set([text]));
  }

  #append(wal: Wal, text: string): { index: number; text: string; body: Extent | undefined } {
    const planned = wal.lastIndex + 1;
    // Before the append, which may begin to write at once.
    const texts = this.#allowed.get(planned) ?? new Set();
    this.#allowed.set(planned, texts.add(text));
    const bytes = bodyOf(text);
    const body = bytes.length === 0 ? {} : { body: [bytes.subarray(0, 7), bytes.subarray(7)] };
    const appended = wal.append({ term: T1, kind: 1, head: utf8(text), ...body });
    return { index: appended.index, text, body: appended.body };
  }
}

/**
 * Everything in a log, checked as far as that needs no knowledge of what was promised. `goesOn`: it was written to, so that segments
 * without a record, which the next start removes, may be there.
 */
export async function foundIn(wal: Wal, { goesOn = false } = {}): Promise<FoundLog> {
  const segments = wal
    .segments()
    .filter(({ firstIndex, lastIndex }) => !goesOn || lastIndex >= firstIndex);
  const bases = segments.map(({ firstIndex }) => firstIndex);
  if (bases.some((base, at) => at > 0 && base <= (bases[at - 1] as number))) {
    throw new Error('a void segment is still there');
  }
  const isEmpty = wal.lastIndex < wal.firstIndex;
  const end = logIndex(wal.lastIndex + 1);
  const found = isEmpty ? [] : await wal.readRange(wal.firstIndex, end, 2 ** 40);
  if (found.length !== wal.lastIndex - wal.firstIndex + 1) {
    throw new Error('readRange left records out');
  }
  const records: FoundRecord[] = [];
  for (const { index, head, body, bodyBytes } of found) {
    const text = new TextDecoder().decode(head);
    mustEqual(bodyBytes, bodyOf(text), `body of record ${index}`);
    if (body !== undefined) {
      mustEqual(await wal.readExtent(body), bodyOf(text), `extent of record ${index}`);
    }
    records.push([index, text, placeOf(body)]);
  }
  return { firstIndex: wal.firstIndex, hardState: textOf(wal.hardState), records };
}

/** What is wrong with what was found; undefined where nothing is. */
export function judgeLog(log: FoundLog, moment: LogMoment): string | undefined {
  const { firstIndex, hardState } = log;
  if (!moment.firstIndexes.includes(firstIndex)) return `the first index is ${firstIndex}`;
  const found = new Map<number, string>();
  for (const [index, text, body] of log.records) {
    found.set(index, `${text} ${body}`);
    if (moment.allowed.get(index)?.has(text) !== true) {
      return `record ${index} is "${text}", which must not be there`;
    }
  }
  for (const [index, record] of moment.required) {
    if (index < firstIndex || found.get(index) === record) continue;
    return `acknowledged record ${index} "${record}" is lost; there is ${found.get(index)}`;
  }
  if (moment.hardStates.includes(hardState)) return undefined;
  return `hard state ${hardState} was never saved, or is older than one that was`;
}

/** Waits; false where it is refused with `refusal`. */
async function isDurable(wal: Wal, index: number, refusal: WalError['code']): Promise<boolean> {
  try {
    await wal.whenDurable(logIndex(index));
    return true;
  } catch (error) {
    if (error instanceof WalError && error.code === refusal) return false;
    throw error;
  }
}

/** Without the commit index, which is a hint. */
export function textOf({
  term,
  votedFor,
}: {
  term: number;
  votedFor: string | undefined;
  commitIndex: number;
}): string {
  return `term ${term}, vote ${votedFor}`;
}

export function placeOf(body: Extent | undefined): string {
  return body === undefined ? '-' : `${body.segmentId}:${body.offset}:${body.length}:${body.crc}`;
}

/** A body that follows from the head: none, some, or more than a block. */
export function bodyOf(text: string): Uint8Array {
  const sized = /^s(\d+)-/.exec(text);
  const length = sized
    ? Number(sized[1])
    : text.startsWith('big')
      ? 5000
      : text.startsWith('body')
        ? 100
        : 0;
  return new Uint8Array(length).map(
    (_, at) => (at * 31 + text.length * 7 + text.charCodeAt(at % text.length)) % 256,
  );
}

function mustEqual(found: Uint8Array, expected: Uint8Array, what: string): void {
  if (found.length !== expected.length || found.some((byte, at) => byte !== expected[at])) {
    throw new Error(`${what} has wrong bytes`);
  }
}
