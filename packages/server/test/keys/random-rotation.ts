/**
 * Rotations of the master key of three members by chance: files are changed there and back, processes end and start, some are
 * slow, and who leads changes. What was stored is read by every member that runs, by all with the last key alone, and, at the moment
 * when a key is let go, with those alone that are still in use: what is in use no longer may leave the files.
 */
import type { Env } from '@holdfast/env';
import { createMemoryEnv, SeededRandom } from '@holdfast/env/memory';
import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import {
  createLocalKeys,
  createObjectStore,
  type KeyService,
  keyFingerprint,
  type ObjectStore,
} from '@holdfast/objects';
import { AgreedKeys } from '../../src/keys/agreed-keys.ts';
import { MASTER_KEY_ID } from '../../src/keys/key-agreement.ts';
import { KeyKeeper } from '../../src/keys/key-keeper.ts';
import { listUse } from '../../src/keys/key-usage.ts';
import { silentLog } from '../../src/log.ts';
import { SettingsError } from '../../src/settings-error.ts';
import { createTaskQueueFactory } from '../../src/task-queue.ts';

const OLD = new Uint8Array(32).fill(1);
const YOUNG = new Uint8Array(32).fill(2);
const FILES = [[OLD], [YOUNG, OLD], [YOUNG, OLD], [OLD, YOUNG], [YOUNG]];
const NAMES = ['n1', 'n2', 'n3'];
const STEPS = 60;
/** Turns that a request of a slow process waits for. */
const SLOW_TURNS = 40;
/** Turns that a transaction may be on its way. */
const LINGER_TURNS = 3000;
const bucket = 'bucket';

/** A process, which ends: then nothing more of it begins. */
interface Process {
  readonly objects: ObjectStore;
  readonly keeper: KeyKeeper;
  hasEnded: boolean;
}

class Ended extends Error {}

/** What went wrong, or undefined. */
export async function rotateAtRandom(seed: number): Promise<string | undefined> {
  const env = await createMemoryEnv();
  const random = new SeededRandom(seed);
  const run = new RandomRotation(env, () => random.below(1_000_000) / 1_000_000);
  try {
    await run.steps();
    await run.end();
  } catch (error) {
    run.note(error);
  }
  return run.violation;
}

class RandomRotation {
  violation: string | undefined;
  readonly #env: Env;
  readonly #random: () => number;
  readonly #kv: KvStore;
  readonly #processes: (Process | undefined)[] = [];
  readonly #stored: string[] = [];
  readonly #running: Promise<void>[] = [];
  #inUse: readonly string[] = [];
  #leader = 0;
  #puts = 0;

  constructor(env: Env, random: () => number) {
    this.#env = env;
    this.#random = random;
    const kv = createMemoryStore({ clock: env.clock });
    this.#kv = followed(kv, () => this.#judge(kv));
  }

  note(error: unknown): void {
    if (!(error instanceof Ended)) this.violation ??= String(error);
  }

  async steps(): Promise<void> {
    for (const at of NAMES.keys()) await this.#start(at, [OLD], 0);
    await this.#processes[0]?.objects.createBucket(bucket, { ownerId: 'me', region: 'us-east-1' });
    for (let step = 0; step < STEPS && this.violation === undefined; step++) {
      const dice = this.#random();
      if (dice < 0.3) this.#go(this.#look(this.#any()));
      else if (dice < 0.55) this.#go(this.#put(this.#any()));
      else if (dice < 0.7) this.#leader = this.#any();
      else if (dice < 0.8) await this.#restart(this.#any());
      else if (dice < 0.93) await this.#changeAll();
      else await this.#readAll();
      await turns(Math.floor(this.#random() * 20));
    }
    await Promise.all(this.#running);
    await this.#readAll();
  }

  /** The operator ends a rotation to the younger key. */
  async end(): Promise<void> {
    if (this.violation !== undefined) return;
    for (const at of NAMES.keys()) await this.#start(at, [YOUNG, OLD], 0);
    for (let round = 0; round < 20 && (await listUse(this.#kv)).length > 1; round++) {
      for (const at of NAMES.keys()) await this.#processes[at]?.keeper.look();
    }
    if ((await listUse(this.#kv)).length > 1) this.violation = 'the older key was never let go';
    for (const at of NAMES.keys()) await this.#start(at, [YOUNG], 0);
    await this.#readAll();
  }

  #any(): number {
    return Math.floor(this.#random() * NAMES.length);
  }

  #go(work: Promise<void>): void {
    this.#running.push(work.catch((error: unknown) => this.note(error)));
  }

  async #look(at: number): Promise<void> {
    await this.#processes[at]?.keeper.look();
  }

  /** Some take long. */
  async #put(at: number): Promise<void> {
    const key = `${this.#puts++}`;
    const pause = this.#random() < 0.3 ? Math.floor(this.#random() * 2000) : 0;
    const pieces = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield new Uint8Array(10);
      await turns(pause);
    };
    const encryption = { kind: 'master' } as const;
    const body = { pieces: pieces() };
    const process = this.#processes[at];
    if (process === undefined) return;
    try {
      await process.objects.putObject({ bucket, key, metadata: { user: {} }, encryption, body });
      this.#stored.push(key);
    } catch (error) {
      // Nobody waits for the answer of a process that has ended.
      if (!process.hasEnded) throw error;
    }
  }

  async #restart(at: number): Promise<void> {
    const file = FILES[Math.floor(this.#random() * FILES.length)] ?? [OLD];
    await this.#start(at, file, this.#random() < 0.3 ? SLOW_TURNS : 0);
  }

  /**
   * As in a hurry: one after the other, with the same file, and on before it is done. Why there and back so often: what one has begun
   * with the present key before lingers, and comes when that is the present one again.
   */
  async #changeAll(): Promise<void> {
    const file = this.#random() < 0.5 ? [YOUNG, OLD] : [OLD, YOUNG];
    for (const at of NAMES.keys()) await this.#start(at, file, 0);
    this.#go(this.#lookTwice());
  }

  /** Enough for a rotation, where nothing comes between. */
  async #lookTwice(): Promise<void> {
    for (const at of [this.#leader, ...NAMES.keys(), this.#leader]) await this.#look(at);
  }

  /** Ends the process of a member and starts another, which may refuse. */
  async #start(at: number, file: readonly Uint8Array[], slowTurns: number): Promise<void> {
    const before = this.#processes[at];
    if (before !== undefined) before.hasEnded = true;
    this.#processes[at] = undefined;
    const process = this.#process(at, file, slowTurns);
    try {
      await process.keeper.follow();
      const used = (await listUse(this.#kv)).map(({ fingerprint }) => fingerprint);
      const known = new AgreedKeys(this.#env, '', file).present;
      // As a start does, which compares its file with what is in use.
      if (used.every((one) => known.includes(one))) this.#processes[at] = process;
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
    }
  }

  #process(at: number, file: readonly Uint8Array[], slowTurns: number): Process {
    const isOver = (): boolean => process.hasEnded;
    // One in ten lingers on its way, also after its process has ended.
    const lingers = (): number => (this.#random() < 0.1 ? this.#random() * LINGER_TURNS : 0);
    const kv = storeOf(this.#kv, slowTurns, isOver, lingers);
    const keys = new AgreedKeys(this.#env, '/master.key', file);
    const objects = this.#objects(kv, keys);
    const keeper = new KeyKeeper({
      kv,
      env: this.#env,
      log: silentLog,
      objects,
      keys,
      nodeId: NAMES[at] as string,
      members: () => NAMES,
      leads: () => this.#leader === at,
    });
    const process: Process = { objects, keeper, hasEnded: false };
    return process;
  }

  #objects(kv: KvStore, masterKeys: KeyService): ObjectStore {
    const tasks = createTaskQueueFactory({ clock: this.#env.clock, log: silentLog });
    return createObjectStore({ kv, env: this.#env, tasks, masterKeys });
  }

  async #readAll(): Promise<void> {
    const keys = [...this.#stored];
    for (const process of this.#processes) {
      if (process !== undefined) await read(process.objects, keys);
    }
  }

  /** Of the state that a transaction has left, before the next one. */
  async #judge(kv: KvStore): Promise<void> {
    const before = this.#inUse;
    this.#inUse = (await listUse(kv)).map(({ fingerprint }) => fingerprint);
    if (before.every((one) => this.#inUse.includes(one))) return;
    const left = [OLD, YOUNG].filter((key) => this.#inUse.includes(keyFingerprint(this.#env, key)));
    const versions = left.length === 0 ? [] : ([[MASTER_KEY_ID, left]] as const);
    const env = this.#env;
    const keys = createLocalKeys({ env, defaultKeyId: MASTER_KEY_ID, keys: new Map(versions) });
    await read(this.#objects(kv, keys), this.#stored).catch((error: unknown) => {
      this.violation ??= `a key was let go that is needed: ${String(error)}`;
    });
  }
}

async function read(objects: ObjectStore, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const { body } = await objects.getObject({ bucket, key });
    for await (const _ of body);
  }
}

/** The store whose transactions come one after the other, each with `look` behind it. */
function followed(kv: KvStore, look: () => Promise<void>): KvStore {
  let last: Promise<unknown> = Promise.resolve();
  return new Proxy(kv, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      if (name !== 'transact') return member.bind(target) as unknown;
      return (...words: unknown[]) => {
        const result = last.then(() => member.apply(target, words) as unknown);
        last = result.then(look, look);
        return result;
      };
    },
  });
}

/** The store as one process has it. */
function storeOf(
  kv: KvStore,
  slowTurns: number,
  isOver: () => boolean,
  lingers: () => number,
): KvStore {
  return new Proxy(kv, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...words: unknown[]) => {
        await turns(slowTurns);
        if (isOver()) throw new Ended('the process has ended');
        if (name === 'transact') await turns(lingers());
        return await member.apply(target, words);
      };
    },
  });
}

async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await Promise.resolve();
}
