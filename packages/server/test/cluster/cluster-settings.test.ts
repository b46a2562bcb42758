import { expect, test } from 'vitest';
import {
  addressText,
  clusterOptionsOf,
  parseAddress,
  parseClusterSettings,
} from '../../src/cluster/cluster-settings.ts';

const three = 'n1=10.0.0.1:9400,n2=10.0.0.2:9400,n3=node-3.example:9400';
const options = { node: 'n1', cluster: three, clusterSecretFile: '/run/secret' };

test('a node knows itself, the others, and where it listens', () => {
  expect(parseClusterSettings(options)).toEqual({
    nodeId: 'n1',
    members: [
      { nodeId: 'n1', address: { host: '10.0.0.1', port: 9400 } },
      { nodeId: 'n2', address: { host: '10.0.0.2', port: 9400 } },
      { nodeId: 'n3', address: { host: 'node-3.example', port: 9400 } },
    ],
    secretFile: '/run/secret',
    listen: { host: '10.0.0.1', port: 9400 },
    join: false,
    clusterId: undefined,
  });
});

test('members stand by name, in whatever order they are given', () => {
  const settings = parseClusterSettings({ ...options, cluster: 'b=h:2, a=h:1,n1=h:3,' });
  expect(settings).toMatchObject({
    members: [{ nodeId: 'a' }, { nodeId: 'b' }, { nodeId: 'n1' }],
  });
});

test('without a word of a cluster there is none', () => {
  expect(parseClusterSettings({})).toBeUndefined();
  expect(parseClusterSettings(clusterOptionsOf({}, { HOLDFAST_CLUSTER: '' }))).toBeUndefined();
});

test('each half without the other is refused, and says which is missing', () => {
  const only = (given: object) => parseClusterSettings(given) as readonly string[];
  expect(only({ ...options, clusterId: 'new' }).join('\n')).toContain('--cluster-id has 32');
  expect(only({ node: 'n1' }).join('\n')).toContain('--node needs --cluster.');
  expect(only({ cluster: three }).join('\n')).toContain('--cluster needs --node');
  expect(only({ node: 'n1', cluster: three })).toEqual([
    '--cluster needs --cluster-secret-file: a file of at least 32 random bytes, the same on every node.',
  ]);
  expect(only({ join: true, peerListen: '0.0.0.0:1', clusterSecretFile: '/s' })).toEqual([
    '--cluster-secret-file is for a node of a cluster: give --node and --cluster too.',
    '--peer-listen is for a node of a cluster: give --node and --cluster too.',
    '--join is for a node of a cluster: give --node and --cluster too.',
  ]);
});

test('a node that is not in the list is told whom the list names', () => {
  expect(parseClusterSettings({ ...options, node: 'n4' })).toEqual([
    '--node n4 is not in --cluster, which names n1, n2, n3.',
  ]);
});

test('a member that is no NAME=HOST:PORT is named', () => {
  for (const text of [
    'n1',
    'n1=host',
    'n1=host:0',
    'n1=host:65536',
    '=h:1',
    'n 1=h:1',
    'n1=::1:9',
  ]) {
    const problems = parseClusterSettings({ ...options, cluster: `n1=h:1,${text}` });
    expect(problems, text).toEqual([expect.stringContaining(`"${text}" is not NAME=HOST:PORT.`)]);
  }
});

test('two members of one name, or at one address, are refused', () => {
  const problems = (cluster: string) => parseClusterSettings({ ...options, cluster });
  expect(problems('n1=h:1,n1=h:2')).toEqual(['--cluster names n1 twice.']);
  expect(problems('n1=h:1,n2=h:1')).toEqual(['--cluster names h:1 twice.']);
});

test('more members than a cluster has, and a place to listen at that is none, are refused', () => {
  const members = Array.from({ length: 10 }, (_, at) => `n${at + 1}=h:${at + 1}`);
  expect(parseClusterSettings({ ...options, cluster: members.slice(0, 9).join() })).toMatchObject({
    nodeId: 'n1',
  });
  expect(parseClusterSettings({ ...options, cluster: members.join() })).toEqual([
    '--cluster names at most 9 nodes.',
  ]);
  for (const peerListen of ['9400', 'h:0', 'h:65536', 'a b:1']) {
    expect(parseClusterSettings({ ...options, peerListen })).toEqual([
      '--peer-listen is an address with a port, such as 0.0.0.0:9400.',
    ]);
  }
});

test('the environment stands in for what the command line leaves out', () => {
  const environment = {
    HOLDFAST_NODE: 'n2',
    HOLDFAST_CLUSTER: three,
    HOLDFAST_CLUSTER_SECRET_FILE: '/run/secret',
    HOLDFAST_PEER_LISTEN: '0.0.0.0:9400',
  };
  expect(parseClusterSettings(clusterOptionsOf({ node: 'n3' }, environment))).toMatchObject({
    nodeId: 'n3',
    listen: { host: '0.0.0.0', port: 9400 },
  });
});

test('an address of IPv6 stands in brackets', () => {
  expect(parseAddress('[fe80::1]:9400')).toEqual({ host: 'fe80::1', port: 9400 });
  expect(addressText({ host: 'fe80::1', port: 9400 })).toBe('[fe80::1]:9400');
  expect(parseAddress('[host]:9400')).toBeUndefined();
});
