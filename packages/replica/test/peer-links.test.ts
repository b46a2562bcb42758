import type { Connection, Lane, Network } from '@holdfast/env';
import { ManualClock, MemoryNetwork } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { PeerLinks } from '../src/peer-links.ts';

const ADDRESS = { host: 'memory', port: 7000 };

/** The ways of `n1` to `n2`, which takes what comes and says only what the test says. */
class Pair implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly #peer: Network = this.network.node('n2');
  /** Of each connection that reached `n2`, in order. */
  readonly accepted: Lane[] = [];
  readonly broken: Lane[] = [];
  /** Of each connection that ended at `n2`. */
  readonly ended: Lane[] = [];
  readonly links: PeerLinks = new PeerLinks({
    network: this.network.node('n1'),
    clock: this.clock,
    addressOf: () => ADDRESS,
    onFrames: () => undefined,
    onBroken: (_peer, lane) => this.broken.push(lane),
    onGone: () => undefined,
    onBulk: () => undefined,
    onFault: () => undefined,
  });

  static async open(): Promise<Pair> {
    const pair = new Pair();
    await pair.#peer.listen(ADDRESS, (connection) => void pair.#take(connection));
    pair.links.setPeers(['n2']);
    await pair.until(() => pair.links.isConnected('n2'));
    return pair;
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
    while ((await connection.receive()) !== undefined);
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
