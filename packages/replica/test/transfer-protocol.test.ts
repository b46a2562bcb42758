import { readFile } from 'node:fs/promises';
import { fromHex, MalformedBytesError, toHex, utf8 } from '@holdfast/bytes';
import type { Connection, Network } from '@holdfast/env';
import {
  createMemoryEnv,
  ManualClock,
  type MemoryEnv,
  MemoryNetwork,
  SeededRandom,
} from '@holdfast/env/memory';
import type { LocalStore } from '@holdfast/kv';
import { openLocalStore } from '@holdfast/kv';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ImageSource } from '../src/transfer/image-client.ts';
import { ImageServer, type ImageServerOptions } from '../src/transfer/image-server.ts';
import {
  type Answer,
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  type Question,
  REFUSALS,
  ROLES,
} from '../src/transfer/transfer-codec.ts';

const ADDRESS = { host: 'memory', port: 7000 };
const CLUSTER = 'c'.repeat(32);
const LEASE_MS = 10_000;

/** A store that hands its state out, and one that is to get it, on one clock and one network. */
class Pair {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly faults: unknown[] = [];
  giver: LocalStore = undefined as unknown as LocalStore;
  taker: LocalStore = undefined as unknown as LocalStore;
  server: ImageServer = undefined as unknown as ImageServer;
  #takerEnv: MemoryEnv = undefined as unknown as MemoryEnv;
  #near: Network = undefined as unknown as Network;

  static async open(options: Partial<ImageServerOptions> = {}): Promise<Pair> {
    const pair = new Pair();
    pair.giver = await pair.#store('a', await createMemoryEnv({ clock: pair.clock }));
    pair.#takerEnv = await createMemoryEnv({ clock: pair.clock });
    pair.taker = await pair.#store('b', pair.#takerEnv);
    pair.server = new ImageServer({
      clock: pair.clock,
      random: new SeededRandom(1),
      images: pair.giver.images,
      bytesPerSecond: Number.POSITIVE_INFINITY,
      leaseMs: LEASE_MS,
      imageLimit: 2,
      answerMember: () => Promise.reject(new Error('nobody is a member here')),
      onFault: (_peer, error) => pair.faults.push(error),
      ...options,
    });
    pair.#near = pair.network.node('b');
    await pair.network
      .node('a')
      .listen(ADDRESS, (connection: Connection) => pair.server.serve(connection));
    return pair;
  }

  async put(stores: readonly LocalStore[], key: string, sizeBytes: number): Promise<void> {
    const value = new Uint8Array(sizeBytes).fill(7);
    const operations = [{ kind: 'put' as const, key: utf8(key), value }];
    for (const store of stores) await this.until(store.transact({ operations }));
  }

  connect(network: Network = this.#near): Promise<ImageSource> {
    const { clock } = this;
    const options = { network, clock, nodeId: 'a', address: ADDRESS, answerLimitMs: 100 };
    return this.until(ImageSource.connect(options));
  }

  async killTaker(): Promise<void> {
    await this.until(this.taker.close());
    this.#takerEnv = await createMemoryEnv({
      clock: this.clock,
      files: this.#takerEnv.files.clone(),
    });
    this.taker = await this.#store('b', this.#takerEnv);
  }

  async contents(store: LocalStore): Promise<string[]> {
    const { entries } = await this.until(store.scan({ limit: 5000 }));
    return entries.map(({ key, version, value }) => `${toHex(key)} ${version} ${value.length}`);
  }

  /** Moves the clock until the promise is settled. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    for (let step = 0; !isSettled && step < 200_000; step++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      if (!isSettled) this.clock.advance(1);
    }
    return await promise;
  }

  async close(): Promise<void> {
    await this.until(this.server.close());
    await this.until(this.giver.close());
    await this.until(this.taker.close());
  }

  #store(name: string, env: MemoryEnv): Promise<LocalStore> {
    const identity = { clusterId: CLUSTER, nodeId: name.repeat(32) };
    const settings = {
      reserveSizeBytes: 0,
      wal: { segmentSizeBytes: 256 * 1024, preallocate: false },
    };
    return this.until(openLocalStore({ env, directory: '/data', identity, settings }));
  }
}

const SMALL_STEPS = { checkpointSizeBytes: 1, chunkSizeBytes: 20_000, windowSizeBytes: 40_000 };

test('bytes sent are at most 1.05 of those missing, with ten kills on the way', async () => {
  const pair = await Pair.open();
  const { giver } = pair;
  for (let at = 0; at < 60; at++) await pair.put([giver, pair.taker], `both-${at}`, 20_000);
  for (let at = 0; at < 800; at++) await pair.put([giver], `missing-${at}`, 20_000);
  let isWhole = false;
  let kills = 0;
  for (; !isWhole; kills++) {
    const source = await pair.connect();
    const incoming = pair.taker.images.incoming(SMALL_STEPS);
    const image = await pair.until(source.open(1));
    const received = pair.until(incoming.receive(image));
    if (kills < 10) {
      // Cut off while values are on their way.
      const before = pair.server.counters.sentBytes;
      while (pair.server.counters.sentBytes < before + 1_000_000) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      pair.network.breakConnections('b');
      await expect(received).rejects.toMatchObject({ code: 'REPLICA_TRANSFER_FAILED' });
    } else {
      await received;
      isWhole = true;
    }
    await pair.until(source.close());
    await pair.until(incoming.close());
    if (!isWhole) await pair.killTaker();
  }
  expect(kills).toBe(11);
  const missingBytes = 800 * 20_000;
  const { sentBytes } = pair.server.counters;
  console.info(`sent ${sentBytes} of ${missingBytes}: ${(sentBytes / missingBytes).toFixed(4)}`);
  expect(sentBytes).toBeGreaterThan(missingBytes);
  expect(sentBytes).toBeLessThanOrEqual(missingBytes * 1.05);
  const incoming = pair.taker.images.incoming();
  await pair.until(incoming.install());
  await pair.until(incoming.close());
  expect(await pair.contents(pair.taker)).toEqual(await pair.contents(giver));
  await pair.close();
});

test('without a kill, bytes sent are hardly more than those missing', async () => {
  const pair = await Pair.open();
  const { giver, taker } = pair;
  for (let at = 0; at < 1000; at++) await pair.put([giver, taker], `both-${at}`, 40);
  for (let at = 0; at < 20; at++) await pair.put([giver], `missing-${at}`, 30_000);
  const source = await pair.connect();
  const incoming = taker.images.incoming();
  const image = await pair.until(source.open(1));
  await pair.until(incoming.receive(image));
  expect(pair.server.counters.sentBytes).toBeLessThanOrEqual(20 * 30_000 * 1.005);
  await pair.until(incoming.install());
  expect(await pair.contents(taker)).toEqual(await pair.contents(giver));
  await pair.until(incoming.close());
  await pair.until(source.close());
  await pair.close();
});

test('lost and doubled frames are asked for again', async () => {
  const pair = await Pair.open();
  for (let at = 0; at < 100; at++) await pair.put([pair.giver], `key-${at}`, 20_000);
  pair.network.setFaults({ loss: 0.1, duplication: 0.1, reordering: 0.2, delayMs: [0, 5] });
  const source = await pair.connect();
  const incoming = pair.taker.images.incoming(SMALL_STEPS);
  const image = await pair.until(source.open(1));
  await pair.until(incoming.receive(image));
  await pair.until(incoming.install());
  expect(await pair.contents(pair.taker)).toEqual(await pair.contents(pair.giver));
  await pair.until(incoming.close());
  await pair.until(source.close());
  await pair.close();
});

test('no more is sent in a second than is allowed', async () => {
  const pair = await Pair.open({ bytesPerSecond: 500_000 });
  for (let at = 0; at < 50; at++) await pair.put([pair.giver], `key-${at}`, 20_000);
  const source = await pair.connect();
  const incoming = pair.taker.images.incoming(SMALL_STEPS);
  const image = await pair.until(source.open(1));
  const startMs = pair.clock.monotonicMs();
  await pair.until(incoming.receive(image));
  expect(pair.clock.monotonicMs() - startMs).toBeGreaterThan(1900);
  await pair.until(incoming.close());
  await pair.until(source.close());
  await pair.close();
});

test('an image that nobody asks anything of is let go of, and the next question is refused', async () => {
  const pair = await Pair.open();
  await pair.put([pair.giver], 'key', 20_000);
  const source = await pair.connect();
  const image = await pair.until(source.open(1));
  const request = { after: undefined, upTo: undefined, since: 0, sectionLimit: 1 };
  pair.clock.advance(LEASE_MS - 500);
  await pair.until(image.list(request));
  pair.clock.advance(LEASE_MS - 500);
  expect(pair.server.counters.images).toBe(1);
  await pair.until(image.list(request));
  for (let step = 0; step < 3; step++) pair.clock.advance(LEASE_MS);
  expect(pair.server.counters.images).toBe(0);
  await expect(pair.until(image.list(request))).rejects.toThrow(/let go of the image/);
  await pair.until(source.close());
  await pair.close();
});

test('a peer has one image, others are refused beyond the limit, and an older state is no state', async () => {
  const pair = await Pair.open({ imageLimit: 1 });
  await pair.put([pair.giver], 'key', 20_000);
  const first = await pair.connect();
  const image = await pair.until(first.open(1));
  expect(await pair.until(first.open(1))).toMatchObject({ index: image.index });
  expect(pair.server.counters.images).toBe(1);
  const other = await pair.connect(pair.network.node('d'));
  await expect(pair.until(other.open(1))).rejects.toThrow(/gives its state to others/);
  const request = { after: undefined, upTo: undefined, since: 0, sectionLimit: 1 };
  expect(await pair.until(image.list(request))).toHaveLength(1);
  // It is another's, whoever knows its number.
  await expect(pair.until(other.list(image.imageId, request))).rejects.toThrow(/let go of/);
  await expect(pair.until(first.open(99))).rejects.toThrow(/older state itself/);
  expect(await pair.until(other.open(1))).toMatchObject({ index: 1 });
  await expect(pair.until(image.list(request))).rejects.toThrow(/let go of the image/);
  for (const source of [first, other]) await pair.until(source.close());
  await pair.close();
});

test('bytes that are no question end the connection', async () => {
  const pair = await Pair.open();
  const near = pair.network.node('x');
  const connection = await pair.until(
    near.connect({ nodeId: 'a', address: ADDRESS, lane: 'bulk' }),
  );
  connection.send(Uint8Array.of(1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff));
  expect(await pair.until(connection.receive())).toBeUndefined();
  expect(pair.faults.length).toBe(1);
  await pair.close();
});

const key = fc.uint8Array({ minLength: 1, maxLength: 40 });
const name = fc.record({
  key,
  version: fc.nat(),
  length: fc.integer({ min: 1025, max: 2 ** 20 }),
  crc: fc.nat(0xffff_ffff),
});
const address = fc.record({
  host: fc.string({ minLength: 1 }),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const question: fc.Arbitrary<Question> = fc.oneof(
  fc.record({ type: fc.constant('open' as const), leastIndex: fc.nat() }),
  fc.record({ type: fc.constant('close' as const), imageId: fc.nat() }),
  fc.record({ type: fc.constant('leave' as const) }),
  fc.record({
    type: fc.constant('enter' as const),
    incarnation: fc.string(),
    address,
  }),
  fc.record({ type: fc.constant('address' as const), address }),
  fc.record({
    type: fc.constant('standing' as const),
    incarnation: fc.string(),
    lastIndex: fc.nat(),
    lastTerm: fc.nat(),
  }),
  fc.record({
    type: fc.constant('values' as const),
    imageId: fc.nat(),
    names: fc.array(name, { maxLength: 20 }),
  }),
  fc.record({
    type: fc.constant('list' as const),
    imageId: fc.nat(),
    request: fc.record({
      after: fc.option(key, { nil: undefined }),
      upTo: fc.option(key, { nil: undefined }),
      since: fc.nat(),
      sectionLimit: fc.integer({ min: 1, max: 16 }),
    }),
  }),
);
const record = fc.oneof(
  fc.record({
    kind: fc.constant('inline' as const),
    version: fc.nat(),
    value: fc.uint8Array({ maxLength: 30 }),
  }),
  fc.record({
    kind: fc.constant('stored' as const),
    version: fc.nat(),
    length: fc.integer({ min: 1025, max: 2 ** 20 }),
    crc: fc.nat(0xffff_ffff),
  }),
);
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({
    type: fc.constant('opened' as const),
    imageId: fc.nat(),
    index: fc.nat(),
    term: fc.nat(),
  }),
  fc.record({ type: fc.constant('refused' as const), refusal: fc.constantFrom(...REFUSALS) }),
  fc.record({ type: fc.constant('member' as const), role: fc.constantFrom(...ROLES) }),
  fc.record({
    type: fc.constant('values' as const),
    values: fc.array(
      fc.option(fc.uint8Array({ minLength: 1, maxLength: 50 }), { nil: undefined }),
      { maxLength: 10 },
    ),
  }),
  fc.record({
    type: fc.constant('listed' as const),
    sections: fc.array(
      fc.record({
        end: fc.option(key, { nil: undefined }),
        digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fresh: fc.array(fc.record({ key, record }), { maxLength: 10 }),
      }),
      { maxLength: 5 },
    ),
  }),
);

test('questions and answers are what they were when they were sent', () => {
  fc.assert(
    fc.property(fc.nat(), question, (requestId, content) => {
      expect(decodeQuestion(encodeQuestion(requestId, content))).toEqual({ requestId, content });
    }),
  );
  fc.assert(
    fc.property(fc.nat(), answer, (requestId, content) => {
      const frame = Buffer.concat(encodeAnswer(requestId, content));
      expect(decodeAnswer(new Uint8Array(frame))).toEqual({ requestId, content });
    }),
  );
});

test('a frame that is cut off, or has a byte more, is malformed, whatever is in it', () => {
  const expectWholeOnly = (frame: Uint8Array, decode: (bytes: Uint8Array) => unknown): void => {
    for (let length = 0; length < frame.length; length++) {
      expect(() => decode(frame.slice(0, length))).toThrow(MalformedBytesError);
    }
    expect(() => decode(new Uint8Array([...frame, 0]))).toThrow(MalformedBytesError);
  };
  fc.assert(
    fc.property(question, (content) => {
      expectWholeOnly(encodeQuestion(1, content), decodeQuestion);
    }),
    { numRuns: 30 },
  );
  fc.assert(
    fc.property(answer, (content) => {
      expectWholeOnly(new Uint8Array(Buffer.concat(encodeAnswer(1, content))), decodeAnswer);
    }),
    { numRuns: 30 },
  );
});

test.each([
  [decodeQuestion, '02 01 00000001 05', 'a transfer of format 2'],
  [decodeQuestion, '01 09 00000001 00000009', 'unknown question 9'],
  [decodeQuestion, '01 03 00000001 00000009 8102', '257 is more than 256'],
  [decodeQuestion, '01 02 00000001 00000009 00 00 00 00', 'a list of nothing'],
  [decodeQuestion, '01 02 00000001 00000009 00 00 00 11', '17 is more than 16'],
  [decodeQuestion, '01 06 00000001 00 00 01', 'no address'],
  [decodeQuestion, '01 06 00000001 00 0161 00', 'no address'],
  [decodeQuestion, '01 06 00000001 00 0161 808004', '65536 is more than 65535'],
  [decodeQuestion, '01 08 00000001 00 01', 'no address'],
  [decodeAnswer, '02 84 00000001 00', 'a transfer of format 2'],
  [decodeAnswer, '01 86 00000001 00', 'unknown answer 134'],
  [decodeAnswer, '01 84 00000001 07', 'an unknown refusal'],
  [decodeAnswer, '01 85 00000001 03', 'an unknown role'],
  [decodeAnswer, '01 82 00000001 11', '17 is more than 16'],
  [decodeAnswer, `01 82 00000001 01 00 ${'00'.repeat(32)} 8102`, '257 is more than 256'],
  [decodeAnswer, '01 83 00000001 8102', '257 is more than 256'],
])('%o of %s says: %s', (decode, hex, message) => {
  const frame = fromHex(hex.replaceAll(' ', ''));
  expect(() => decode(frame)).toThrow(new MalformedBytesError(message));
});

/** The bytes of the page's example. */
async function example(exampleName: string): Promise<Uint8Array> {
  const url = new URL('../../../docs/formats/transfer.md', import.meta.url);
  const text = await readFile(url, 'utf8');
  const found = new RegExp(`\`\`\`hex ${exampleName}\n([^\`]*)\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`transfer.md has no example ${exampleName}`);
  return fromHex(found.replace(/\s/g, ''));
}

test('the examples of transfer.md are what they say, and what is sent', async () => {
  const request = {
    after: Uint8Array.of(0x10, 0x61),
    upTo: undefined,
    since: 300,
    sectionLimit: 4,
  };
  const asked: Question = { type: 'list', imageId: 9, request };
  expect(toHex(encodeQuestion(7, asked))).toBe(toHex(await example('question')));
  expect(decodeQuestion(await example('question'))).toEqual({ requestId: 7, content: asked });
  const fresh = [
    {
      key: Uint8Array.of(0x10, 0x62),
      record: { kind: 'inline' as const, version: 301, value: utf8('hi') },
    },
  ];
  const digest = Uint8Array.from({ length: 32 }, (_, at) => at);
  const answered: Answer = { type: 'listed', sections: [{ end: undefined, digest, fresh }] };
  const frame = Buffer.concat(encodeAnswer(7, answered));
  expect(toHex(new Uint8Array(frame))).toBe(toHex(await example('answer')));
  expect(decodeAnswer(await example('answer'))).toEqual({ requestId: 7, content: answered });
});
