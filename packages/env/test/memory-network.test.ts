import { describe, expect, test } from 'vitest';
import type { Connection, Listener, Network } from '../src/index.ts';
import type { LinkFaults } from '../src/memory/index.ts';
import { ManualClock, MemoryNetwork } from '../src/memory/index.ts';
import { settledBy, turns } from './network-fixtures.ts';

const ADDRESS = { host: 'n2', port: 1 };

interface World {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly n1: Network;
  readonly n2: Network;
  readonly near: Connection;
  readonly far: Connection;
  readonly listener: Listener;
  /** What has come to far, in order. */
  readonly atFar: string[];
  readonly atNear: string[];
}

async function makeWorld(faults: LinkFaults = {}, seed = 1): Promise<World> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, seed });
  const [n1, n2] = [network.node('n1'), network.node('n2')];
  const accepted = Promise.withResolvers<Connection>();
  const listener = await n2.listen(ADDRESS, accepted.resolve);
  const near = await settledBy(clock, connectTo(n1));
  const far = await accepted.promise;
  network.setFaults(faults);
  const world = { clock, network, n1, n2, near, far, listener, atFar: [], atNear: [] };
  void collect(far, world.atFar);
  void collect(near, world.atNear);
  return world;
}

function connectTo(from: Network): Promise<Connection> {
  return from.connect({ nodeId: 'n2', address: ADDRESS, lane: 'control' });
}

async function collect(connection: Connection, into: string[]): Promise<void> {
  try {
    for (;;) {
      const frames = await connection.receive();
      if (frames === undefined) break;
      into.push(...frames.map((frame) => Buffer.from(frame).toString()));
    }
    into.push('end');
  } catch (error) {
    into.push((error as { code: string }).code);
  }
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let step = 0; step < ms; step++) {
    clock.advance(1);
    await turns(5);
  }
}

async function sendMany({ clock, near }: World, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    near.send(Buffer.from(`${at}`));
    if (at % 10 === 0) await pass(clock, 1);
  }
  await pass(clock, 200);
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${at}`);
}

describe('the network in memory', () => {
  test('delays keep the order', async () => {
    const world = await makeWorld({ delayMs: [1, 40] });
    await sendMany(world, 500);
    expect(world.atFar).toEqual(numbers(500));
  });

  test('a frame takes as long as the faults say', async () => {
    const { clock, network, near, atFar } = await makeWorld({ delayMs: [7, 7] });
    near.send(Buffer.from('a'));
    await pass(clock, 6);
    expect(atFar).toEqual([]);
    await pass(clock, 1);
    expect(atFar).toEqual(['a']);
    network.setFaults({ delayMs: [3, 3] }, 'n1', 'n2');
    near.send(Buffer.from('b'));
    await pass(clock, 3);
    expect(atFar).toEqual(['a', 'b']);
  });

  test('frames are lost, doubled and passed about as often as the faults say', async () => {
    const world = await makeWorld(
      { loss: 0.2, duplication: 0.1, reordering: 0.05, reorderMs: 30 },
      3,
    );
    await sendMany(world, 4000);
    const { stats } = world.network;
    expect(stats.sent).toBe(4000);
    expect(Math.abs(stats.lost - 800)).toBeLessThan(130);
    expect(Math.abs(stats.duplicated - 320)).toBeLessThan(90);
    expect(stats.reordered).toBeGreaterThan(100);
    expect(stats.delivered).toBe(4000 - stats.lost + stats.duplicated);
    expect(world.atFar).toHaveLength(stats.delivered);
    const distinct = new Set(world.atFar);
    expect(distinct.size).toBe(4000 - stats.lost);
    const passed = world.atFar.filter((one, at) => Number(one) < Number(world.atFar[at - 1] ?? 0));
    expect(passed.length).toBeGreaterThan(50);
  });

  test('the same seed gives the same run, and another seed another', async () => {
    const faults = { delayMs: [0, 9], loss: 0.1, duplication: 0.1, reordering: 0.1 } as const;
    const runs: string[] = [];
    for (const seed of [5, 5, 6]) {
      const world = await makeWorld(faults, seed);
      await sendMany(world, 300);
      runs.push(world.atFar.join());
    }
    expect(runs[0]).toBe(runs[1]);
    expect(runs[0]).not.toBe(runs[2]);
  });

  test('a cut of one way leaves the other open, and takes what was on its way', async () => {
    const { clock, network, near, far, atFar, atNear } = await makeWorld({ delayMs: [5, 5] });
    near.send(Buffer.from('under way'));
    await pass(clock, 2);
    network.cut('n1', 'n2');
    near.send(Buffer.from('lost'));
    far.send(Buffer.from('heard'));
    await pass(clock, 20);
    expect([atFar, atNear]).toEqual([[], ['heard']]);
    expect(near.queuedBytes).toBe(0);
    network.heal();
    near.send(Buffer.from('again'));
    await pass(clock, 20);
    expect(atFar).toEqual(['again']);
  });

  test('a connection that was closed behind a cut breaks when something gets there again', async () => {
    const { clock, network, near, far, atNear } = await makeWorld({ delayMs: [5, 5] });
    network.cut('n2', 'n1');
    await far.close();
    near.send(Buffer.from('answered by nobody'));
    await pass(clock, 50);
    expect(atNear).toEqual([]);
    network.heal();
    near.send(Buffer.from('answered'));
    await pass(clock, 50);
    expect(atNear).toEqual(['CONNECTION_LOST']);
  });

  test.each([
    ['there', 'n1', 'n2'],
    ['back', 'n2', 'n1'],
  ])('across a cut of the way %s a connection takes too long', async (_, from, to) => {
    const { clock, network, n1 } = await makeWorld();
    network.cut(from, to);
    const connecting = connectTo(n1);
    await Promise.all([
      pass(clock, 3010),
      expect(connecting).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' }),
    ]);
  });

  test('a partition cuts both ways between its groups and nowhere else', async () => {
    const { clock, network, near, far, n2, atFar, atNear } = await makeWorld();
    const n3 = network.node('n3');
    const accepted = Promise.withResolvers<Connection>();
    const { address } = await n3.listen({ host: 'n3', port: 0 }, accepted.resolve);
    network.partition(['n1'], ['n2', 'n3']);
    near.send(Buffer.from('lost'));
    far.send(Buffer.from('lost'));
    const within = await settledBy(clock, n2.connect({ nodeId: 'n3', address, lane: 'log' }));
    const atThird: string[] = [];
    void collect(await accepted.promise, atThird);
    within.send(Buffer.from('heard'));
    await pass(clock, 50);
    expect([atFar, atNear, atThird]).toEqual([[], [], ['heard']]);
  });

  test('a paused node takes nothing until it goes on, and then everything in order', async () => {
    const { clock, network, near, atFar } = await makeWorld({ delayMs: [0, 5] });
    network.pause('n2');
    for (const one of numbers(20)) near.send(Buffer.from(one));
    await pass(clock, 5000);
    expect(atFar).toEqual([]);
    network.resume('n2');
    await pass(clock, 1);
    expect(atFar).toEqual(numbers(20));
  });

  test('a stopped node breaks its connections, and may begin again at its address', async () => {
    const { clock, network, n1, atFar, atNear } = await makeWorld();
    network.stop('n2');
    await pass(clock, 1);
    expect([atFar, atNear]).toEqual([['CONNECTION_LOST'], ['CONNECTION_LOST']]);
    await Promise.all([
      expect(connectTo(n1)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' }),
      pass(clock, 10),
    ]);
    const again: Connection[] = [];
    await network.node('n2').listen(ADDRESS, (connection) => again.push(connection));
    const connection = await settledBy(clock, connectTo(n1));
    connection.send(Buffer.from('hello'));
    await pass(clock, 1);
    expect(Buffer.from((await again[0]?.receive())?.[0] ?? []).toString()).toBe('hello');
  });

  test('connections of one pair break, and others do not', async () => {
    const { clock, network, n1, near, far, atNear } = await makeWorld();
    network.breakConnections('n1', 'n3');
    expect(near.send(Buffer.from('a'))).toBe(true);
    network.breakConnections('n1', 'n2');
    await pass(clock, 1);
    expect([near.send(Buffer.from('b')), far.send(Buffer.from('b'))]).toEqual([false, false]);
    expect(atNear).toEqual(['CONNECTION_LOST']);
    expect((await settledBy(clock, connectTo(n1))).peerId).toBe('n2');
  });
});
