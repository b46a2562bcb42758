import { readFileSync } from 'node:fs';
import { ManualClock, MemoryNetwork } from '../src/memory/index.ts';
import type { PeerSecurity } from '../src/node/index.ts';
import {
  certificateSecurity,
  NodeClock,
  NodeNetwork,
  SharedSecret,
  secretSecurity,
} from '../src/node/index.ts';
import { CONTRACT_LIMITS, type NetworkFixture } from '../src/testing/index.ts';

const MOMENT_MS = 25;

export const TEST_SECRET = 'a secret of the tests, long enough for them';

export function testSecret(text: string = TEST_SECRET): SharedSecret {
  return new SharedSecret(Buffer.from(text));
}

/** Certificates of one authority for n1 to n4, each with its name; `stranger` says that it is n1, of no authority. */
export function testCertificates(name: string): PeerSecurity {
  const read = (file: string): string =>
    readFileSync(new URL(`./fixtures/certificates/${file}`, import.meta.url), 'utf8');
  return certificateSecurity({
    authority: read('authority.pem'),
    certificate: read(`${name}.pem`),
    key: read(`${name}.key`),
  });
}

export type SecurityOf = (nodeId: string) => PeerSecurity | 'none';

export const SECURITIES: Readonly<Record<string, SecurityOf>> = {
  'no security': () => 'none',
  'a shared secret': () => secretSecurity(testSecret()),
  certificates: testCertificates,
};

export function nodeNetworkFixture(securityOf: SecurityOf): NetworkFixture {
  return {
    host: '127.0.0.1',
    node: (nodeId, clusterId = 'cluster') =>
      new NodeNetwork({
        clusterId,
        nodeId,
        security: securityOf(nodeId),
        limits: CONTRACT_LIMITS,
        // It stands: a busy machine is no reason to give a peer up. TLS has the machine's, and so an hour.
        clock: new ManualClock(),
        handshakeLimitMs: 3_600_000,
      }),
    settled: (promise) => promise,
    moment: () => new NodeClock().sleep(MOMENT_MS),
  };
}

/** Lets promises run until none has more to do. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

/** Moves the clock until the promise is settled. */
export async function settledBy<Value>(
  clock: ManualClock,
  promise: Promise<Value>,
): Promise<Value> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let ms = 0; ms < 100_000; ms++) {
    await turns();
    if (isSettled) break;
    clock.advance(1);
  }
  return promise;
}

export function memoryNetworkFixture(delayMs: readonly [number, number]): NetworkFixture {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, seed: 7, faults: { delayMs } });
  return {
    host: 'memory',
    node: (nodeId, clusterId = 'cluster') =>
      network.node(nodeId, { clusterId, limits: CONTRACT_LIMITS }),
    settled: (promise) => settledBy(clock, promise),
    moment: async () => {
      clock.advance(1000);
      await turns();
    },
  };
}
