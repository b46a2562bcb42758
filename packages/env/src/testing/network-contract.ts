import { equalBytes } from '@holdfast/bytes';
import { afterEach, describe, expect, test } from 'vitest';
import type { Connection, Lane, LaneLimits, Listener, Network } from '../network.ts';
import { LANES } from '../network.ts';

const KIB = 1024;

/** Small, so that limits are reached with little. */
export const CONTRACT_LIMITS: Readonly<Record<Lane, LaneLimits>> = {
  control: { frameBytes: 64 * KIB, sendQueueBytes: 64 * KIB, receiveBytes: 64 * KIB },
  log: { frameBytes: 1024 * KIB, sendQueueBytes: 2048 * KIB, receiveBytes: 1024 * KIB },
  bulk: { frameBytes: 1024 * KIB, sendQueueBytes: 2048 * KIB, receiveBytes: 1024 * KIB },
};

export interface NetworkFixture {
  /** A network of the node, with `CONTRACT_LIMITS`; another cluster's where it says so. */
  node(nodeId: string, clusterId?: string): Network;
  /** Where nodes may listen, with port 0. */
  readonly host: string;
  /** Waits for what needs frames to move: a clock that stands still is moved. */
  settled<Value>(promise: Promise<Value>): Promise<Value>;
  /** Lets frames move as far as they can. */
  moment(): Promise<void>;
}

interface Pair {
  readonly near: Connection;
  readonly far: Connection;
  readonly listener: Listener;
  readonly networks: readonly Network[];
}

/** What every `Network` must do, as vitest tests; call it at the top level of a test file. */
export function networkContract(name: string, makeFixture: () => NetworkFixture): void {
  describe(name, () => {
    const opened: Network[] = [];
    let fixture: NetworkFixture;
    const begin = (): NetworkFixture => {
      fixture = makeFixture();
      return fixture;
    };
    const network = (nodeId: string, clusterId?: string): Network => {
      const made = fixture.node(nodeId, clusterId);
      opened.push(made);
      return made;
    };
    const pair = async (lane: Lane = 'log'): Promise<Pair> => {
      begin();
      const networks = [network('n1'), network('n2')] as const;
      return { ...(await connectPair(fixture, networks, lane)), networks };
    };
    afterEach(async () => {
      await fixture.settled(Promise.all(opened.splice(0).map((one) => one.close())));
    });

    test('both ends know the other and the lane', async () => {
      for (const lane of LANES) {
        const { near, far } = await pair(lane);
        expect([near.peerId, far.peerId]).toEqual(['n2', 'n1']);
        expect([near.lane, far.lane]).toEqual([lane, lane]);
      }
    });

    test.each([0, 1, 3, 4, 127, 8191, 8192, 65_536, 1024 * KIB])(
      'a frame of %i bytes arrives as it was sent',
      async (length) => {
        const { near, far } = await pair();
        expect(near.send(pattern(length, length))).toBe(true);
        const [frame] = await fixture.settled(takeFrames(far, 1));
        expectFrame(frame, length, length);
        expect(frame?.constructor).toBe(Uint8Array);
      },
    );

    test('a frame is all its parts, one after the other', async () => {
      const { near, far } = await pair();
      near.send(pattern(1, 3), pattern(2, 20_000), new Uint8Array(0), pattern(3, 5));
      const whole = [...pattern(1, 3), ...pattern(2, 20_000), ...pattern(3, 5)];
      const [frame] = await fixture.settled(takeFrames(far, 1));
      expect([...(frame ?? [])]).toEqual(whole);
    });

    test('frames of all sizes keep their order, both ways, and come once', async () => {
      const { near, far } = await pair();
      const sizes = Array.from(
        { length: 300 },
        (_, at) => (at * 7919) % (at % 10 === 0 ? 70_000 : 300),
      );
      const exchange = [near, far].map(async (end, side) => {
        const sending = sendAll(
          end,
          sizes.map((size, at) => pattern(at + side, size)),
        );
        const frames = await takeFrames(end, sizes.length);
        await sending;
        return frames;
      });
      const [atNear, atFar] = await fixture.settled(Promise.all(exchange));
      for (const [at, size] of sizes.entries()) {
        expectFrame(atFar?.[at], at, size);
        expectFrame(atNear?.[at], at + 1, size);
      }
    });

    test('a peer that takes nothing holds the sender back, and what was taken arrives', async () => {
      const { near, far } = await pair('log');
      let taken = 0;
      // The operating system holds some megabytes too.
      while (taken < 400) {
        if (near.send(pattern(taken, 256 * KIB))) taken += 1;
        else {
          const before = near.queuedBytes;
          await fixture.moment();
          if (near.queuedBytes === before) break;
        }
      }
      expect(taken).toBeLessThan(400);
      expect(near.queuedBytes).toBeLessThanOrEqual(CONTRACT_LIMITS.log.sendQueueBytes + 4 * KIB);
      const frames = await fixture.settled(takeFrames(far, taken));
      for (const [at, frame] of frames.entries()) expectFrame(frame, at, 256 * KIB);
      await fixture.settled(near.drained());
      expect(near.send(pattern(0, 10))).toBe(true);
    });

    test('a lane that stands still does not hold up another', async () => {
      const { near, networks } = await pair('bulk');
      const [n1, n2] = networks as [Network, Network];
      const control = await connectPair(fixture, [n1, n2], 'control');
      while (near.send(pattern(1, 256 * KIB)));
      control.near.send(pattern(5, 100));
      expect(await fixture.settled(takeFrames(control.far, 1))).toEqual([pattern(5, 100)]);
    });

    test('after a close the other end takes what was sent before it, and then nothing', async () => {
      const { near, far } = await pair();
      for (let at = 0; at < 50; at++) near.send(pattern(at, 10_000));
      await fixture.settled(near.close());
      await near.close();
      expect(near.send(pattern(0, 1))).toBe(false);
      expect(await fixture.settled(near.receive())).toBeUndefined();
      expect(await fixture.settled(takeFrames(far, 50))).toHaveLength(50);
      expect(await fixture.settled(far.receive())).toBeUndefined();
      await fixture.settled(far.drained());
      expect(far.send(pattern(0, 1))).toBe(false);
    });

    test('a receive and a drain that wait are woken by a close', async () => {
      const { near, far } = await pair();
      const waiting = [near.receive(), far.receive()];
      while (near.send(pattern(1, 256 * KIB)));
      const drained = near.drained();
      await fixture.settled(far.close());
      expect(await fixture.settled(waiting[1] as Promise<unknown>)).toBeUndefined();
      await fixture.settled(drained);
      await fixture.settled(Promise.allSettled(waiting));
      expect(near.send(pattern(0, 1))).toBe(false);
    });

    test('a frame above the limit is a mistake of the caller', async () => {
      const { near } = await pair('control');
      expect(() => near.send(new Uint8Array(64 * KIB + 1))).toThrow(
        'a control frame of 65537 bytes',
      );
      expect(near.send(new Uint8Array(64 * KIB))).toBe(true);
    });

    test('where nobody listens there is no connection', async () => {
      const { listener, networks } = await pair();
      await listener.close();
      const target = { nodeId: 'n2', address: listener.address, lane: 'log' } as const;
      const error = await fixture.settled(refusalOf(networks[0]?.connect(target)));
      expect(error).toMatchObject({
        name: 'NetworkError',
        code: 'CONNECT_REFUSED',
        retryable: true,
      });
    });

    test('another node or another cluster than was asked for is refused', async () => {
      const { listener, networks } = await pair();
      const { address } = listener;
      const [n1] = networks as [Network];
      const others = [
        n1.connect({ nodeId: 'n3', address, lane: 'log' }),
        network('n4', 'elsewhere').connect({ nodeId: 'n2', address, lane: 'log' }),
      ];
      for (const one of others) {
        const error = await fixture.settled(refusalOf(one));
        expect(error).toMatchObject({ name: 'NetworkError', code: 'HANDSHAKE_REFUSED' });
      }
    });

    test('a closed network has no connections and makes none', async () => {
      const { near, far, listener, networks } = await pair();
      const [n1, n2] = networks as [Network, Network];
      await fixture.settled(n2.close());
      expect(await fixture.settled(far.receive())).toBeUndefined();
      expect(await fixture.settled(near.receive())).toBeUndefined();
      const target = { nodeId: 'n2', address: listener.address, lane: 'log' } as const;
      expect(await fixture.settled(refusalOf(n1.connect(target)))).toMatchObject({
        code: 'CONNECT_REFUSED',
      });
      const late = n2.listen({ host: fixture.host, port: 0 }, () => undefined);
      expect(await refusalOf(late)).toMatchObject({ code: 'NETWORK_CLOSED' });
      expect(await refusalOf(n2.connect(target))).toMatchObject({ code: 'NETWORK_CLOSED' });
    });

    test('a connection that is being made when its network closes is refused', async () => {
      const { listener, networks } = await pair();
      const [n1] = networks as [Network, Network];
      const target = { nodeId: 'n2', address: listener.address, lane: 'log' } as const;
      const late = refusalOf(n1.connect(target));
      await fixture.settled(n1.close());
      expect(await fixture.settled(late)).toMatchObject({ code: 'NETWORK_CLOSED' });
    });

    test('an address that is taken is refused', async () => {
      const { listener, networks } = await pair();
      const again = networks[0]?.listen(listener.address, () => undefined);
      expect(await fixture.settled(refusalOf(again))).toMatchObject({ code: 'LISTEN_FAILED' });
    });
  });
}

async function connectPair(
  fixture: NetworkFixture,
  [n1, n2]: readonly [Network, Network],
  lane: Lane,
): Promise<Omit<Pair, 'networks'>> {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await n2.listen({ host: fixture.host, port: 0 }, accepted.resolve);
  const near = await fixture.settled(n1.connect({ nodeId: 'n2', address: listener.address, lane }));
  return { near, far: await fixture.settled(accepted.promise), listener };
}

async function sendAll(connection: Connection, frames: readonly Uint8Array[]): Promise<void> {
  for (const frame of frames) {
    while (!connection.send(frame)) await connection.drained();
  }
}

/** Resolves when so many have come. */
async function takeFrames(connection: Connection, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  while (frames.length < count) {
    const more = await connection.receive();
    if (more === undefined) throw new Error(`ended after ${frames.length} of ${count} frames`);
    frames.push(...more);
  }
  return frames;
}

async function refusalOf(promise: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return 'it was not refused';
}

function pattern(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = seed * 31 + at * 7;
  return bytes;
}

/** Quicker than a comparison that can say what differs. */
function expectFrame(frame: Uint8Array | undefined, seed: number, length: number): void {
  const isSame = frame !== undefined && equalBytes(frame, pattern(seed, length));
  expect(isSame, `frame of ${length} bytes, seed ${seed}`).toBe(true);
}
