/** Clients that read, write and replace a few keys on any node, and have all of it written down. */
import { utf8 } from '@holdfast/bytes';
import type { SeededRandom } from '@holdfast/env/memory';
import { type Condition, KvError, type KvStore } from '@holdfast/kv';
import type { HistoryRecorder, RegisterCall, RegisterResult } from '@holdfast/sim/history';
import type { SimulatedNode } from './simulated-node.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Trace } from './trace.ts';

export type Recorder = HistoryRecorder<RegisterCall, RegisterResult>;

export interface WorkloadOptions {
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly recorder: Recorder;
  readonly nodes: () => readonly SimulatedNode[];
  readonly violate: (what: string) => void;
  readonly random: SeededRandom;
  readonly clients: number;
  /** Between an answer and the next request of a client, on average. */
  readonly thinkMs: number;
}

/** Keys that everybody is at, `k0` to `k7`, and keys whose values stay for a while, in older files. */
const HOT_KEYS = 8;
const COLD_KEYS = 48;
/** One operation of so many is on a cold key. */
const COLD_SHARE = 20;
export const KEYS: readonly string[] = [
  ...Array.from({ length: HOT_KEYS }, (_, at) => `k${at}`),
  ...Array.from({ length: COLD_KEYS }, (_, at) => `cold${at}`),
];
/** A client that waits longer gives up: its node may be gone. */
const PATIENCE_MS = 20_000;
const MOST_TRIES = 3;
/** Where a value leaves the index and stays in the log. */
const LARGE_BYTES = 6000;

interface Seen {
  readonly value: string;
  readonly version: number;
}

export class Workload {
  readonly #options: WorkloadOptions;
  #isOver = false;
  #active = 0;
  answers = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    for (let at = 0; at < options.clients; at++) void this.#live(`c${at}`, options.random.fork());
  }

  get isIdle(): boolean {
    return this.#active === 0;
  }

  /** No request is begun any more. */
  stop(): void {
    this.#isOver = true;
  }

  async #live(client: string, random: SeededRandom): Promise<void> {
    this.#active++;
    const { time, thinkMs } = this.#options;
    for (let sequence = 1; !this.#isOver; sequence++) {
      await time.sleep((thinkMs * (1 + random.below(2000))) / 1000);
      if (this.#isOver) break;
      await this.#step(client, sequence, random);
    }
    this.#active--;
  }

  async #step(client: string, sequence: number, random: SeededRandom): Promise<void> {
    const key = KEYS[keyAt(random)] as string;
    const kind = random.below(10);
    if (kind === 0) return this.#delete(client, sequence, key, random);
    if (kind < 4) return this.#put(client, sequence, key, random);
    const seen = await this.read(client, key, this.#anyNode(random));
    if (kind < 7 || seen === undefined) return;
    await this.#put(client, sequence, key, random, seen);
  }

  /** What was found; null: nothing; undefined: no answer. */
  async read(
    client: string,
    key: string,
    node: SimulatedNode | undefined,
  ): Promise<Seen | null | undefined> {
    const { recorder, violate } = this.#options;
    const store = node?.replica?.store;
    if (node === undefined || store === undefined) return undefined;
    const pending = recorder.begin(client, key, { kind: 'get' });
    const entry = await this.#patiently(client, node, store.get(utf8(key)));
    if (entry instanceof Failed) {
      pending.unknown();
      return undefined;
    }
    if (entry === undefined) {
      pending.answered({ kind: 'absent' });
      return null;
    }
    const text = Buffer.from(entry.value).toString('latin1');
    const value = text.slice(0, text.indexOf(';'));
    if (text !== textOf(value)) violate(`${key} on a read of ${client}: a wrong byte in ${value}`);
    pending.answered({ kind: 'found', value });
    return { value, version: entry.version };
  }

  async #put(
    client: string,
    sequence: number,
    key: string,
    random: SeededRandom,
    replaces?: Seen | null,
  ): Promise<void> {
    const isLarge = key.startsWith('cold') || random.below(5) === 0;
    const sizeBytes = isLarge ? 1 + random.below(LARGE_BYTES) : random.below(60);
    const value = `${client}.${sequence}.${sizeBytes}`;
    const call: RegisterCall = {
      kind: 'put',
      value,
      ...(replaces === null ? { ifAbsent: true as const } : {}),
      ...(replaces ? { ifMatch: replaces.value } : {}),
    };
    const keyBytes = utf8(key);
    const conditions: Condition[] = [];
    if (replaces === null) conditions.push({ kind: 'absent', key: keyBytes });
    if (replaces) {
      conditions.push({ kind: 'versionEquals', key: keyBytes, version: replaces.version });
    }
    const pending = this.#options.recorder.begin(client, key, call);
    const result = await this.#transact(client, sequence, random, {
      conditions,
      operations: [{ kind: 'put', key: keyBytes, value: utf8(textOf(value)) }],
    });
    if (result === undefined) pending.unknown();
    else pending.answered({ kind: result ? 'written' : 'refused' });
  }

  async #delete(
    client: string,
    sequence: number,
    key: string,
    random: SeededRandom,
  ): Promise<void> {
    const pending = this.#options.recorder.begin(client, key, { kind: 'delete' });
    const operations = [{ kind: 'delete' as const, key: utf8(key) }];
    const result = await this.#transact(client, sequence, random, { operations });
    if (result === undefined) pending.unknown();
    else pending.answered({ kind: 'deleted' });
  }

  /** Whether it was committed; undefined where nobody said. Tries again on other nodes, with one effect at most. */
  async #transact(
    client: string,
    sequence: number,
    random: SeededRandom,
    transaction: Parameters<KvStore['transact']>[0],
  ): Promise<boolean | undefined> {
    const hasSession = random.below(2) === 0;
    const session = hasSession ? { session: { clientId: client, sequence } } : {};
    for (let attempt = 0; attempt < (hasSession ? MOST_TRIES : 1); attempt++) {
      const node = this.#anyNode(random);
      const answer = node?.replica?.store.transact({ ...transaction, ...session });
      if (node === undefined || answer === undefined) continue;
      const result = await this.#patiently(client, node, answer);
      if (!(result instanceof Failed)) return result.committed;
    }
    return undefined;
  }

  /** Of a node that is up, by the dice. */
  #anyNode(random: SeededRandom): SimulatedNode | undefined {
    const nodes = this.#options.nodes().filter(({ replica }) => replica !== undefined);
    return nodes[random.below(Math.max(1, nodes.length))];
  }

  async #patiently<Value>(
    client: string,
    node: SimulatedNode,
    promise: Promise<Value>,
  ): Promise<Value | Failed> {
    const { time, trace, violate } = this.#options;
    const { promise: late, resolve } = Promise.withResolvers<Failed>();
    const limit = time.setTimer(PATIENCE_MS, () => resolve(new Failed('has no answer')));
    const forget = node.whenEnded(() => resolve(new Failed(`loses ${node.name}`)));
    const answer = promise.catch((error: unknown) => {
      if (!isExpected(error, node)) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        violate(`${client} was told what nobody should be told: ${text}`);
      }
      return new Failed(String(error));
    });
    const first = await Promise.race([answer, late]);
    limit.cancel();
    forget();
    if (!(first instanceof Failed)) this.answers++;
    trace.event(`${client} ${first instanceof Failed ? first.why : 'has an answer'}`);
    return first;
  }
}

const EXPECTED = new Set([
  'KV_UNAVAILABLE',
  'KV_BUSY',
  'KV_NO_SPACE',
  'KV_CLOSED',
  'KV_SESSION_STALE',
]);

/** What a client may be told while things go wrong. */
export function isExpected(error: unknown, node: SimulatedNode): boolean {
  // Of a machine that has lost its power nobody hears; that is noticed after the event in which it did.
  if (node.files.stopped) return true;
  if (!(error instanceof KvError)) return false;
  return EXPECTED.has(error.code) || (node.isRotten && error.code === 'KV_CORRUPTION');
}

function keyAt(random: SeededRandom): number {
  const isCold = random.below(COLD_SHARE) === 0;
  return isCold ? HOT_KEYS + random.below(COLD_KEYS) : random.below(HOT_KEYS);
}

class Failed {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/** The value that is stored for a short name `client.sequence.size`. */
function textOf(value: string): string {
  const sizeBytes = Number(value.slice(value.lastIndexOf('.') + 1));
  return `${value};${value.repeat(Math.ceil(sizeBytes / value.length)).slice(0, sizeBytes)}`;
}
