import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { Connection, Listener } from '../src/index.ts';
import { DEFAULT_LANE_LIMITS } from '../src/index.ts';
import { ManualClock } from '../src/memory/index.ts';
import { type Hello, writeHello } from '../src/node/handshake.ts';
import type { NodeNetworkOptions, PeerRefusal, PeerSecurity } from '../src/node/index.ts';
import { loadPeerSecurity, NodeNetwork, SharedSecret, secretSecurity } from '../src/node/index.ts';
import { SECURITIES, TEST_SECRET, testCertificates, testSecret } from './network-fixtures.ts';
import { type TcpProxy, tcpProxy } from './tcp-proxy.ts';

const LINUX = process.platform === 'linux';
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const HELLO: Hello = { clusterId: 'cluster', from: 'n1', to: 'n2', lane: 'log' };
/** A TLS record that begins a client hello of sixteen megabytes. */
const HUGE_CLIENT_HELLO = Buffer.from('1603010200' + '01ffffff' + '0303'.repeat(300), 'hex');
const WRONG_SECRET = 'another secret, of another cluster altogether';
/** Of TLS, which has no other clock than the machine's: more than a test ever stands still for. */
const LONG_HANDSHAKE_MS = 3_600_000;

interface Server {
  readonly listener: Listener;
  readonly accepted: Connection[];
  readonly refusals: PeerRefusal[];
}

const networks: NodeNetwork[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(networks.splice(0).map((network) => network.close()));
});

/** Its limits of time are on a clock that stands, unless told otherwise: a busy machine is no reason for a refusal. */
function networkOf(nodeId: string, options: Partial<NodeNetworkOptions> = {}): NodeNetwork {
  const network = new NodeNetwork({
    clusterId: 'cluster',
    nodeId,
    security: 'none',
    clock: new ManualClock(),
    ...options,
  });
  networks.push(network);
  return network;
}

async function serve(options: Partial<NodeNetworkOptions> = {}): Promise<Server> {
  const refusals: PeerRefusal[] = [];
  const accepted: Connection[] = [];
  const onRefusal = (refusal: PeerRefusal): number => refusals.push(refusal);
  const handshakeLimitMs = LONG_HANDSHAKE_MS;
  const network = networkOf('n2', { onRefusal, handshakeLimitMs, ...options });
  const listener = await network.listen(LOOPBACK, (connection) => accepted.push(connection));
  return { listener, accepted, refusals };
}

/** A stranger's socket, connected. */
async function stranger({ address }: Listener): Promise<Socket> {
  const socket = connect(address.port, address.host);
  sockets.push(socket);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  return socket;
}

function goneOf(socket: Socket): Promise<void> {
  // Not `once` of node:events, which rejects where the socket was reset, as it may be.
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** Connects as n1 to n2, on the log lane unless told otherwise. */
function dial(
  listener: Pick<Listener, 'address'>,
  security: PeerSecurity | 'none',
): Promise<Connection> {
  const network = networkOf('n1', { security });
  return network.connect({ nodeId: 'n2', address: listener.address, lane: 'log' });
}

test.each(Object.entries(SECURITIES))(
  'a peer is found where it was while the system does not answer for its name, %s',
  async (_, securityOf) => {
    const { listener } = await serve({ security: securityOf('n2') });
    const clock = new ManualClock();
    const { host, port } = listener.address;
    let answers: Promise<LookupAddress[]> = Promise.resolve([{ address: host, family: 4 }]);
    const lookUp = (): Promise<LookupAddress[]> => answers;
    const network = networkOf('n1', { security: securityOf('n1'), clock, lookUp });
    const address = { host: 'n2.example', port };
    const connect = () => network.connect({ nodeId: 'n2', address, lane: 'log' });
    await (await connect()).close();
    answers = new Promise(() => undefined);
    const connecting = connect();
    clock.advance(500);
    expect((await connecting).peerId).toBe('n2');
  },
);

describe.each(Object.entries(SECURITIES))('a stranger, %s', (_, securityOf) => {
  const security = securityOf('n2');

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(100_000)],
    ['text', Buffer.from('GET / HTTP/1.1\r\nHost: peer\r\n\r\n'.repeat(100))],
    ['a huge client hello', HUGE_CLIENT_HELLO],
    [
      'a hello above its limit',
      Buffer.concat([Buffer.from('HFP1'), Buffer.from([0xff, 0xff]), Buffer.alloc(70_000)]),
    ],
    ['a malformed hello', Buffer.concat([Buffer.from('HFP1'), Buffer.from([3, 0, 200, 1, 1])])],
  ])('that says %s is cut off and never heard', async (_what, bytes) => {
    const { listener, accepted, refusals } = await serve({ security });
    const socket = await stranger(listener);
    socket.end(bytes);
    await goneOf(socket);
    // The refusal is told after the socket is gone on this side; another stranger is behind it in the queue.
    const next = await stranger(listener);
    next.end('x');
    await goneOf(next);
    expect(accepted).toEqual([]);
    expect(refusals[0]?.remoteHost).toMatch(/127\.0\.0\.1/);
  });

  test('that says its piece a byte at a time has a limit of time', async () => {
    const clock = new ManualClock();
    const { listener, accepted, refusals } = await serve({ security, clock });
    const socket = await stranger(listener);
    const beginning = security === 'none' ? Buffer.from('HFP1\x20') : HUGE_CLIENT_HELLO;
    for (const byte of beginning.subarray(0, 5)) socket.write(Buffer.of(byte));
    while (clock.pendingTimers === 0) await turn();
    clock.advance(LONG_HANDSHAKE_MS - 1);
    expect(refusals).toEqual([]);
    clock.advance(1);
    await goneOf(socket);
    expect(refusals.map(({ reason }) => reason)).toEqual(['the handshake took too long']);
    expect(accepted).toEqual([]);
  });

  test('cannot take all places: the sixty-fifth is cut off, and a peer comes in when they are gone', async () => {
    const clock = new ManualClock();
    const { listener, accepted, refusals } = await serve({ security, clock });
    const idle = await Promise.all(Array.from({ length: 64 }, () => stranger(listener)));
    while (clock.pendingTimers < 64) await turn();
    await goneOf(await stranger(listener));
    expect(refusals.map(({ reason }) => reason)).toEqual(['too many handshakes are under way']);
    clock.advance(LONG_HANDSHAKE_MS);
    await Promise.all(idle.map(goneOf));
    await dial(listener, securityOf('n1'));
    expect(accepted).toHaveLength(1);
  });
});

describe('proofs', () => {
  const secured = { security: secretSecurity(testSecret()) };

  test('who has another secret is refused, and no error names either', async () => {
    const { listener, accepted, refusals } = await serve(secured);
    const wrong = secretSecurity(testSecret(WRONG_SECRET));
    const error: unknown = await dial(listener, wrong).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'HANDSHAKE_REFUSED', retryable: false });
    while (refusals.length === 0) await turn();
    expect(accepted).toEqual([]);
    const shown = [error, refusals, secured, wrong, networks, testSecret()].map((each) =>
      [inspect(each, { depth: 20, showHidden: true }), JSON.stringify(each), String(each)].join(),
    );
    for (const text of [TEST_SECRET, WRONG_SECRET]) {
      for (const encoding of ['latin1', 'hex', 'base64'] as const) {
        expect(shown.join()).not.toContain(Buffer.from(text).toString(encoding));
      }
    }
  });

  test('who says nothing of a secret is refused', async () => {
    const { listener, accepted } = await serve(secured);
    await expect(dial(listener, 'none')).rejects.toMatchObject({ code: 'HANDSHAKE_REFUSED' });
    await expect(dial(listener, testCertificates('n1'))).rejects.toMatchObject({
      code: 'HANDSHAKE_REFUSED',
    });
    expect(accepted).toEqual([]);
  });

  test('a server without the secret is refused by the one that connects', async () => {
    const wrong = secretSecurity(testSecret(WRONG_SECRET));
    for (const security of [wrong, 'none', testCertificates('n2')] as const) {
      const { listener } = await serve({ security });
      await expect(dial(listener, secured.security)).rejects.toMatchObject({
        code: 'HANDSHAKE_REFUSED',
      });
    }
  });

  test('a node that knows the secret cannot use a name other than the one that it proved', async () => {
    const { listener, accepted, refusals } = await serve(secured);
    const parties = { clusterId: 'cluster', from: 'n1', to: 'n2' };
    const socket = connectTls({ ...secured.security.clientOptions(parties), ...listener.address });
    sockets.push(socket);
    await once(socket, 'secureConnect');
    writeHello(socket, { ...HELLO, from: 'n3' });
    socket.resume();
    await goneOf(socket);
    while (refusals.length === 0) await turn();
    expect(accepted).toEqual([]);
  });

  test('what was recorded of a good connection opens no other, and shows nothing', async () => {
    const { listener, accepted } = await serve(secured);
    await using proxy: TcpProxy = await tcpProxy(listener.address);
    const connection = await dial(proxy, secured.security);
    connection.send(Buffer.from('a frame that is worth repeating '.repeat(50)));
    await accepted[0]?.receive();
    const recorded = proxy.sent();
    expect(recorded.length).toBeGreaterThan(1600);
    expect(recorded.includes('worth repeating')).toBe(false);
    expect(recorded.includes(TEST_SECRET)).toBe(false);
    const socket = await stranger(listener);
    socket.end(recorded);
    await goneOf(socket);
    expect(accepted).toHaveLength(1);
  });

  test('a certificate must be of the authority and name the node', async () => {
    const { listener, accepted } = await serve({ security: testCertificates('n2') });
    for (const name of ['stranger', 'n3']) {
      await expect(dial(listener, testCertificates(name))).rejects.toMatchObject({
        code: 'HANDSHAKE_REFUSED',
      });
    }
    const impostor = await serve({ security: testCertificates('n3') });
    await expect(dial(impostor.listener, testCertificates('n1'))).rejects.toMatchObject({
      code: 'HANDSHAKE_REFUSED',
    });
    expect([...accepted, ...impostor.accepted]).toEqual([]);
  });

  test('a key is of one cluster and of two nodes in their roles', () => {
    const parties = [
      ['cluster', 'n1', 'n2'],
      ['elsewhere', 'n1', 'n2'],
      ['cluster', 'n2', 'n1'],
      ['cluster', 'n1', 'n3'],
    ] as const;
    const keys = parties.map(([clusterId, from, to]) =>
      Buffer.from(testSecret().connectionKey(clusterId, from, to)).toString('hex'),
    );
    expect(new Set(keys).size).toBe(parties.length);
  });

  test('a hello that claims more than its limit is refused before it is read', async () => {
    const { listener, refusals } = await serve({ clock: new ManualClock() });
    const socket = await stranger(listener);
    socket.write(Buffer.from([...Buffer.from('HFP1'), 1, 2]));
    await goneOf(socket);
    expect(refusals[0]?.reason).toContain('its hello is too long');
  });

  test('a secret is at least 32 bytes and its file must be there', async () => {
    expect(() => new SharedSecret(Buffer.alloc(31))).toThrow('31 bytes; 32 are the least');
    await expect(loadPeerSecurity({ secretFile: '/nowhere/secret' })).rejects.toMatchObject({
      code: 'SECURITY_INVALID',
      message: expect.stringContaining('/nowhere/secret') as string,
    });
  });
});

describe('connections that go wrong', () => {
  test('a frame above the limit ends the connection, and its bytes are never held', async () => {
    const { listener, accepted } = await serve();
    const log = { ...DEFAULT_LANE_LIMITS.log, frameBytes: 2 ** 27, sendQueueBytes: 2 ** 27 };
    const network = networkOf('n1', { limits: { ...DEFAULT_LANE_LIMITS, log } });
    const connection = await network.connect({
      nodeId: 'n2',
      address: listener.address,
      lane: 'log',
    });
    connection.send(Buffer.from('first'));
    connection.send(new Uint8Array(8 * 1024 * 1024 + 1));
    const far = accepted[0] as Connection;
    expect((await far.receive())?.map((frame) => Buffer.from(frame).toString())).toEqual(['first']);
    await expect(far.receive()).rejects.toMatchObject({ code: 'FRAME_TOO_LARGE' });
    await expect(connection.receive()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  test.runIf(LINUX)(
    'the system asks at both ends whether the other one is still there',
    async () => {
      const { listener, accepted } = await serve();
      await dial(listener, 'none');
      while (accepted.length === 0) await turn();
      const port = listener.address.port.toString(16).toUpperCase().padStart(4, '0');
      const table = await readFile('/proc/net/tcp', 'utf8');
      const timers = table
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, near, far, state]) => state === '01' && `${near} ${far}`.includes(`:${port}`))
        .map((fields) => fields[5]?.slice(0, 2));
      // 02 is the timer of keep-alive. Source: Linux, Documentation/networking/proc_net_tcp.
      expect(timers).toEqual(['02', '02']);
    },
  );

  test('a connection that is cut is lost at both ends', async () => {
    const { listener, accepted } = await serve();
    await using proxy: TcpProxy = await tcpProxy(listener.address);
    const near = await dial(proxy, 'none');
    near.send(new Uint8Array(10));
    await accepted[0]?.receive();
    const waiting = near.receive();
    const far = accepted[0]?.receive();
    near.send(new Uint8Array(8 * 1024 * 1024));
    const before = proxy.sentBytes();
    while (proxy.sentBytes() === before) await turn();
    proxy.cut();
    await expect(waiting).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(far).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(near.send(new Uint8Array(1))).toBe(false);
  });

  test('a peer that never answers is given up', async () => {
    const deaf = createServer((socket) => sockets.push(socket));
    deaf.listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    const { port } = deaf.address() as AddressInfo;
    for (const security of ['none', secretSecurity(testSecret())] as const) {
      const clock = new ManualClock();
      const network = networkOf('n1', { clock, security });
      const address = { host: '127.0.0.1', port };
      const connecting = network.connect({ nodeId: 'n2', address, lane: 'bulk' });
      await once(deaf, 'connection');
      clock.advance(3000);
      await expect(connecting).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT', retryable: true });
    }
    deaf.close();
  });

  test('what waits leaves a piece in each turn of the event loop, however much the kernel takes', async () => {
    const { listener } = await serve();
    const near = await dial(listener, 'none');
    near.send(new Uint8Array(4 * 1024 * 1024));
    let before = near.queuedBytes;
    let most = 0;
    while (before > 0) {
      await turn();
      most = Math.max(most, before - near.queuedBytes);
      before = near.queuedBytes;
    }
    expect(most).toBeLessThanOrEqual(512 * 1024);
  });

  test('a peer that takes nothing for ten seconds is lost', async () => {
    const clock = new ManualClock();
    const { listener, accepted } = await serve({ clock });
    const socket = await stranger(listener);
    socket.pause();
    writeHello(socket, HELLO);
    while (accepted.length === 0) await turn();
    const far = accepted[0] as Connection;
    const receiving = far.receive();
    while (far.send(new Uint8Array(1024 * 1024)));
    for (let step = 0; step < 50; step++) await turn();
    clock.advance(10_000);
    await expect(receiving).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(far.queuedBytes).toBeLessThan(2 * 1024 * 1024);
  });
});

/** Of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
