import { networkContract } from '../src/testing/index.ts';
import { memoryNetworkFixture, nodeNetworkFixture, SECURITIES } from './network-fixtures.ts';

for (const [name, securityOf] of Object.entries(SECURITIES)) {
  networkContract(`network of the machine, ${name}`, () => nodeNetworkFixture(securityOf));
}
networkContract('network in memory', () => memoryNetworkFixture([0, 0]));
networkContract('network in memory, with delays', () => memoryNetworkFixture([1, 30]));
