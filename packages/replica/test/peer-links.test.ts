import type { Address, Connection, Lane, Listener, Network } from '@holdfast/env';
import { ManualClock, MemoryNetwork } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { PeerLinks } from '../src/peer-links.ts';

const ADDRESS = { host: 'memory', port: 7000 };
const ELSEWHERE = { host: 'memory', port: 7099 };

/** The ways of `n1` to `n2`, which takes what comes and says only what the test says. */
class Pair implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly #peer: Network = this.network.node('n2');
  /** Of each connection that reached `n2`, in order. */
  readonly accepted: Lane[] = [];
  /** Where. */
  readonly ports: number[] = [];
  readonly broken: Lane[] = [];
  /** Who was said to be silent, and when. */
  readonly silent: [string, number][] = [];
  /** Of each connection that ended at `n2`. */
  readonly ended: Lane[] = [];
  readonly links: PeerLinks = new PeerLinks({
    network: this.network.node('n1'),
    clock: this.clock,
    addressOf: () => ADDRESS,
    onFrames: () => undefined,
    onBroken: (_peer, lane) => this.broken.push(lane),
    onGone: () => undefined,
    onSilent: (peer) => this.silent.push([peer, this.clock.monotonicMs()]),
    onBulk: () => undefined,
    onFault: () => undefined,
  });

  static async open(): Promise<Pair> {
    const pair = new Pair();
    await pair.listen(ADDRESS);
    pair.links.setPeers(['n2']);
    await pair.until(() => pair.links.isConnected('n2'));
    return pair;
  }

  /** The peer is there too. */
  listen(address: Address): Promise<Listener> {
    return this.#peer.listen(address, (connection) => {
      this.ports.push(address.port);
      void this.#take(connection);
    });
  }

  /** A connection of the peer's, to say something on. */
  async talkBack(): Promise<Connection> {
    const address = await this.links.listen({ host: 'memory', port: 0 });
    const dialing = this.#peer.connect({ nodeId: 'n1', address, lane: 'control' });
    let connection: Connection | undefined;
    void dialing.then((made) => {
      connection = made;
    });
    await this.until(() => connection !== undefined);
    return await dialing;
  }

  send(lane: Lane): boolean {
    return this.links.send('n2', lane, [Uint8Array.of(1)]);
  }

  /** Time passes, with a tick of the driver each 50 ms. */
  async pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 50) {
      this.clock.advance(50);
      this.links.renewSilent();
      await turn();
    }
  }

  async until(condition: () => boolean): Promise<void> {
    for (let step = 0; step < 5000 && !condition(); step++) {
      await turn();
      this.clock.advance(1);
    }
    expect(condition()).toBe(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.links.close();
    let isClosed = false;
    void closing.then(() => {
      isClosed = true;
    });
    await this.until(() => isClosed);
  }

  async #take(connection: Connection): Promise<void> {
    this.accepted.push(connection.lane);
    while ((await connection.receive().catch(() => undefined)) !== undefined);
    await connection.close();
    this.ended.push(connection.lane);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test('the ways to a peer that says nothing to what is sent are made anew, all of them', async () => {
  await using pair = await Pair.open();
  expect(pair.accepted.toSorted()).toEqual(['control', 'log']);
  expect(pair.send('control')).toBe(true);
  await pair.pass(4950);
  expect(pair.send('control')).toBe(true);
  expect(pair.broken).toEqual([]);
  await pair.pass(50);
  await pair.until(() => pair.broken.length === 2 && pair.links.isConnected('n2'));
  expect(pair.accepted.slice(2).toSorted()).toEqual(['control', 'log']);
  await pair.until(() => pair.ended.length === 2);
  expect(pair.send('log')).toBe(true);
  await pair.pass(5000);
  await pair.until(() => pair.accepted.length === 6);
});

test('a peer that answers on any lane, or is not spoken to, keeps its connections', async () => {
  await using pair = await Pair.open();
  await pair.pass(20_000);
  const back = await pair.talkBack();
  for (let round = 0; round < 5; round++) {
    pair.send('log');
    await pair.pass(4900);
    back.send(Uint8Array.of(2));
    await pair.pass(50);
  }
  await pair.pass(20_000);
  expect(pair.broken).toEqual([]);
  expect(pair.accepted).toHaveLength(2);
});

test('a connection is used until another one has taken its place', async () => {
  await using pair = await Pair.open();
  pair.network.partition(['n1'], ['n2']);
  for (let round = 0; round < 4; round++) {
    expect(pair.send('control')).toBe(true);
    await pair.pass(6000);
  }
  expect(pair.broken).toEqual([]);
  pair.network.heal();
  await pair.until(() => pair.broken.length === 2);
  expect(pair.accepted.slice(2).toSorted()).toEqual(['control', 'log']);
  expect(pair.send('control')).toBe(true);
  await pair.pass(4000);
  expect(pair.broken).toHaveLength(2);
});

test('a peer that takes what it is sent and says nothing is said to be silent, each five seconds', async () => {
  await using pair = await Pair.open();
  await pair.pass(20_000);
  const startMs = pair.clock.monotonicMs();
  for (let round = 0; round < 11; round++) {
    pair.send('log');
    await pair.pass(1000);
  }
  const times = pair.silent.map(([peer, atMs]) => [peer, atMs - startMs]);
  expect(times).toEqual([
    ['n2', 5000],
    ['n2', 10_000],
  ]);
});

test('one that is not reached is not', async () => {
  await using pair = await Pair.open();
  pair.send('log');
  pair.network.stop('n2');
  await pair.pass(20_000);
  expect([pair.links.isConnected('n2'), pair.silent]).toEqual([false, []]);
});

test('a peer is looked for where it says that it is, and else where it is known to be', async () => {
  await using pair = await Pair.open();
  pair.links.noteTold('n2', ADDRESS);
  await pair.pass(1000);
  expect(pair.accepted).toHaveLength(2);
  const elsewhere = await pair.listen(ELSEWHERE);
  pair.links.noteTold('n2', ELSEWHERE);
  await pair.until(() => pair.ended.length === 2 && pair.links.isConnected('n2'));
  pair.links.noteTold('n2', ELSEWHERE);
  await pair.pass(1000);
  expect(pair.ports).toEqual([7000, 7000, 7099, 7099]);
  await elsewhere.close();
  pair.network.breakConnections('n1', 'n2');
  await pair.until(() => pair.ports.length === 6);
  expect(pair.ports.slice(4)).toEqual([7000, 7000]);
  await pair.listen(ELSEWHERE);
  pair.network.breakConnections('n1', 'n2');
  await pair.until(() => pair.ports.length === 8);
  expect(pair.ports.slice(6)).toEqual([7099, 7099]);
});
