/**
 * Random changes at three nodes that are stopped and started in turn, beside what the feed and a webhook tell of them: each that
 * was acknowledged once and in order, none that was not made, and a transaction with a token once, however often it is sent.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SeededRandom } from '@holdfast/env/memory';
import type { ObjectStore, TransactionOperation } from '@holdfast/objects';
import { NOTIFICATION_SETTING, ObjectStoreError } from '@holdfast/objects';
import { expect, test, vi } from 'vitest';
import { ThreeServers } from './three-servers.ts';

const bucket = 'told';
const WORKERS = 4;
const TURNS = 12;
const RESTARTS = 4;
const WAIT = { timeout: 60_000, interval: 20 };
/** What a store says that could not tell whether a change was made. */
const UNDECIDED: readonly string[] = ['ServiceUnavailable', 'SlowDown', 'OperationAborted'];
/** How a webhook's target treats a request; `forget` takes it, and cuts the connection. */
const MOODS = ['take', 'take', 'cut', 'refuse', 'forget'] as const;

interface Change {
  readonly cursor: string;
  readonly revision: number;
  readonly event: string;
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

interface Event {
  readonly eventName: string;
  readonly s3: {
    readonly object: {
      readonly key: string;
      readonly size?: number;
      readonly eTag?: string;
      readonly sequencer: string;
    };
  };
}

type Pick = () => ObjectStore | undefined;

const said = (event: string, key: string, size: number): string => `${event} ${key} ${size}`;

/** Makes changes of keys of its own, one after the other; of those that failed it never touches the keys again. */
class Worker {
  /** In the order in which they were made. */
  readonly acknowledged: string[] = [];
  /** May have been made, each once. */
  readonly undecided: string[] = [];
  readonly name: string;
  readonly #objects = new Map<string, number>();
  readonly #random: SeededRandom;
  readonly #pick: Pick;
  #count = 0;

  constructor(name: string, random: SeededRandom, pick: Pick) {
    this.name = name;
    this.#random = random;
    this.#pick = pick;
  }

  async turn(): Promise<void> {
    const kind = this.#random.below(8);
    const old = [...this.#objects.keys()][this.#random.below(Math.max(1, this.#objects.size))];
    if (kind < 3 || old === undefined) return await this.#put();
    if (kind === 3) return await this.#delete(old);
    if (kind === 4) return await this.#rename(old);
    if (kind === 5) return await this.#tag(old);
    return await this.#transact(old);
  }

  async #put(): Promise<void> {
    const key = this.#newKey();
    const size = this.#count + this.#random.below(3) * 15_000;
    await this.#once([said('ObjectCreated:Put', key, size)], key, async (store) => {
      await store.putObject({ bucket, key, body: bodyOf(size), metadata: { user: {} } });
      this.#objects.set(key, size);
    });
  }

  async #delete(key: string): Promise<void> {
    await this.#once([said('ObjectRemoved:Delete', key, 0)], key, async (store) => {
      await store.deleteObject({ bucket, key });
      this.#objects.delete(key);
    });
  }

  async #tag(key: string): Promise<void> {
    const told = said('ObjectTagging:Put', key, this.#objects.get(key) ?? 0);
    // Once only: two of one key look alike.
    this.#objects.delete(key);
    await this.#once([told], key, async (store) => {
      await store.putObjectTagging({ bucket, key }, 'a=b');
    });
  }

  async #rename(sourceKey: string): Promise<void> {
    const key = this.#newKey();
    const size = this.#objects.get(sourceKey) ?? 0;
    const clientToken = `${this.name}-${this.#count}`;
    await this.#untilDone((store) => store.renameObject({ bucket, key, sourceKey, clientToken }));
    this.acknowledged.push(
      said('ObjectRemoved:Delete', sourceKey, 0),
      said('ObjectCreated:Copy', key, size),
    );
    this.#objects.delete(sourceKey);
    this.#objects.set(key, size);
  }

  /** Sometimes sent twice at once, and again when it is done; then the token is used for another request. */
  async #transact(old: string): Promise<void> {
    const [first, copy] = [this.#newKey(), this.#newKey()];
    const size = this.#count;
    const copied = this.#objects.get(old) ?? 0;
    const clientToken = `${this.name}-${this.#count}`;
    const metadata = { user: {} };
    const run = (store: ObjectStore, operations: readonly TransactionOperation[]) =>
      store.transactObjects({ bucket, clientToken, operations: each(operations) });
    const send = (store: ObjectStore) =>
      run(store, [
        { op: 'put', key: first, body: bodyOf(size), metadata, conditions: { ifNoneMatch: '*' } },
        { op: 'copy', key: copy, source: { bucket, key: old } },
        { op: 'delete', key: old, conditions: { ifMatch: '*' } },
      ]);
    const other = this.#pick();
    if (other !== undefined && this.#random.below(2) === 0) {
      await Promise.allSettled([send(other), send(this.#pick() ?? other)]);
    }
    const answer = await this.#untilDone(send);
    expect(await this.#untilDone(send)).toEqual(answer);
    const another = this.#untilDone((store) => run(store, [{ op: 'delete', key: first }]));
    await expect(another).rejects.toMatchObject({ code: 'IdempotencyParameterMismatch' });
    this.acknowledged.push(
      said('ObjectCreated:Put', first, size),
      said('ObjectCreated:Copy', copy, copied),
      said('ObjectRemoved:Delete', old, 0),
    );
    this.#objects.delete(old);
    this.#objects.set(first, size).set(copy, copied);
  }

  #newKey(): string {
    return `${this.name}/${++this.#count} ü`;
  }

  /** One attempt: what has no token must not be made twice. */
  async #once(
    told: readonly string[],
    key: string,
    work: (store: ObjectStore) => Promise<unknown>,
  ): Promise<void> {
    const store = await vi.waitFor(() => defined(this.#pick()), WAIT);
    try {
      await work(store);
      this.acknowledged.push(...told);
    } catch (error) {
      refuseDecided(error);
      this.undecided.push(...told);
      this.#objects.delete(key);
    }
  }

  /** At any node, until one answers. */
  async #untilDone<T>(work: (store: ObjectStore) => Promise<T>): Promise<T> {
    const attempt = async (): Promise<{ answer: T } | { refusal: unknown }> => {
      try {
        return { answer: await work(defined(this.#pick())) };
      } catch (error) {
        if (isDecided(error)) return { refusal: error };
        throw error;
      }
    };
    const end = await vi.waitFor(attempt, WAIT);
    if ('refusal' in end) throw end.refusal;
    return end.answer;
  }
}

function isDecided(error: unknown): boolean {
  return error instanceof ObjectStoreError && !UNDECIDED.includes(error.code);
}

function refuseDecided(error: unknown): void {
  if (isDecided(error)) throw error;
}

function defined<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('no node runs');
  return value;
}

async function* each<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

function bodyOf(sizeBytes: number) {
  return { sizeBytes, pieces: each([new Uint8Array(sizeBytes).fill(sizeBytes % 251)]) };
}

/** The target of a webhook. */
class Target implements AsyncDisposable {
  readonly taken: Event[] = [];
  mood: (typeof MOODS)[number] = 'take';
  readonly #server = createServer((request, response) => this.#answer(request, response));

  static async open(): Promise<Target> {
    const target = new Target();
    await once(target.#server.listen(0, '127.0.0.1'), 'listening');
    return target;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      const { mood } = this;
      if (mood === 'take' || mood === 'forget') {
        this.taken.push(...(JSON.parse(body) as { Records: Event[] }).Records);
      }
      if (mood === 'cut' || mood === 'forget') request.socket.destroy();
      else response.writeHead(mood === 'refuse' ? 500 : 200).end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Follows the feed from its beginning. */
class Reader {
  readonly found: Change[] = [];
  #after = '';

  /** The next page at a node; whether it is the last. */
  async look(servers: ThreeServers, at: number, limit: number): Promise<boolean> {
    const answer = await servers.signedGet(at, `/_/changes?limit=${limit}${this.#after}`);
    expect(answer.status).toBe(200);
    const page = (await answer.json()) as { changes: Change[]; cursor: string; more: boolean };
    this.found.push(...page.changes);
    this.#after = `&after=${page.cursor}`;
    return !page.more;
  }
}

function expectToldOnce(found: readonly Change[], workers: readonly Worker[]): void {
  const revisions = found.map(({ revision }) => revision);
  expect(revisions).toEqual(revisions.toSorted((left, right) => left - right));
  expect(new Set(found.map(({ cursor }) => cursor)).size).toBe(found.length);
  for (const { name, acknowledged, undecided } of workers) {
    const told = found
      .filter(({ key }) => key.startsWith(`${name}/`))
      .map(({ event, key, size }) => said(event, key, size));
    const others = told.filter((one) => !acknowledged.includes(one));
    expect(told.filter((one) => acknowledged.includes(one))).toEqual(acknowledged);
    expect(new Set(others).size).toBe(others.length);
    expect(undecided).toEqual(expect.arrayContaining(others));
  }
}

const nameOf = ({ eventName, s3: { object } }: Event): string => {
  const revision = Number.parseInt(object.sequencer.slice(0, 16), 16);
  return `${revision} ${eventName} ${decodeURIComponent(object.key.replaceAll('+', ' '))}`;
};

function expectSent(taken: readonly Event[], found: readonly Change[]): void {
  const changes = new Map(
    found.map((change) => [`${change.revision} ${change.event} ${change.key}`, change]),
  );
  expect(new Set(taken.map(nameOf))).toEqual(new Set(changes.keys()));
  for (const event of taken) {
    const { size, etag } = changes.get(nameOf(event)) as Change;
    const { size: sentSize = 0, eTag = '' } = event.s3.object;
    expect([sentSize, eTag]).toEqual([size, etag]);
  }
  const first = [...new Set(taken.map(({ s3 }) => s3.object.sequencer))];
  expect(first).toEqual(first.toSorted());
}

test('what was acknowledged is told once and in order, whichever nodes are stopped and started', async () => {
  const random = new SeededRandom(1);
  await using target = await Target.open();
  await using servers = new ThreeServers();
  const config = { keepChangesMs: 3_600_000, webhooks: [{ name: 'hook', url: target.url }] };
  await servers.startAll(config);
  const events = ['ObjectCreated:*', 'ObjectRemoved:*', 'ObjectTagging:*'];
  const rules = JSON.stringify([{ id: 'all', target: 'hook', events }]);
  const settings = new Map([[NOTIFICATION_SETTING, rules]]);
  await servers.server(0).objects.createBucket(bucket, { ownerId: 'me', region: 'r', settings });
  const running = new Set([0, 1, 2]);
  const pick: Pick = () => {
    const at = [...running][random.below(running.size)];
    return at === undefined ? undefined : servers.server(at).objects;
  };
  const workers = Array.from(
    { length: WORKERS },
    (_, at) => new Worker(`w${at}`, new SeededRandom(100 + at), pick),
  );
  const early = new Reader();
  const restarting = async (): Promise<void> => {
    for (let restart = 0; restart < RESTARTS; restart++) {
      target.mood = MOODS[random.below(MOODS.length)] ?? 'take';
      const at = random.below(3);
      running.delete(at);
      await servers.stop(at);
      const [other = 0] = running;
      await vi.waitFor(() => early.look(servers, other, 1 + random.below(9)), WAIT);
      await (await servers.start(at, config)).ready;
      running.add(at);
    }
    target.mood = 'take';
  };
  const working = workers.map(async (worker) => {
    for (let turn = 0; turn < TURNS; turn++) await worker.turn();
  });
  await Promise.all([restarting(), ...working]);
  const whole = new Reader();
  for (const reader of [early, whole]) {
    const toTheEnd = async () => expect(await reader.look(servers, random.below(3), 50)).toBe(true);
    await vi.waitFor(toTheEnd, WAIT);
    expectToldOnce(reader.found, workers);
  }
  await vi.waitFor(
    () => expect(new Set(target.taken.map(nameOf)).size).toBe(whole.found.length),
    WAIT,
  );
  expectSent(target.taken, whole.found);
}, 180_000);
