import { logIndex, term, utf8 } from '@holdfast/bytes';
import { loadCrc32c } from '@holdfast/env/node';
import { encodeEntry, NEWEST_ENTRY_KIND, readIdentity } from '@holdfast/kv';
import { configurationOf, nodeId } from '@holdfast/raft';
import { openWal, type WalRecord } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { encodeAddress } from '../src/cluster-notes.ts';
import { encodeClusterId, encodeConfiguration } from '../src/entry-format.ts';
import { encodeIncarnation } from '../src/member-guard.ts';
import { encodeMessage } from '../src/message-codec.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

/** Entries of a newer Holdfast, which ran on the folder before this one. */
const ENTRIES: readonly (readonly [string, Pick<WalRecord, 'kind' | 'head'>])[] = [
  ['a transaction of a newer format', { kind: 1, head: Uint8Array.of(3, 0, 0, 0) }],
  ['an address of a newer format', { kind: 5, head: Uint8Array.of(2) }],
  ['an incarnation of a newer format', { kind: 7, head: Uint8Array.of(2) }],
  ['an entry of a newer kind', { kind: 8, head: Uint8Array.of(1) }],
];

/** Appends the entry to the log of a node that is down, as agreed on. */
async function append(
  cluster: MemoryCluster,
  entry: Pick<WalRecord, 'kind' | 'head'>,
): Promise<void> {
  const { env } = cluster.node('n2');
  const identity = await readIdentity(env, '/data');
  if (identity === undefined) throw new Error('n2 has no folder');
  const wal = await openWal({ env, directory: '/data/wal', identity });
  const { term } = wal.hardState;
  const { index } = wal.append({ ...entry, term, index: logIndex(wal.lastIndex + 1) });
  await wal.whenDurable(index);
  await wal.saveHardState({ ...wal.hardState, commitIndex: index });
  await wal.close();
}

test.each(ENTRIES)(
  'a node that finds %s does not start, passes over nothing, and stays who it is',
  async (_, entry) => {
    const cluster = await MemoryCluster.open({ settings: { repairsFromPeers: true } });
    const operations = [{ kind: 'put' as const, key: utf8('k'), value: utf8('v') }];
    await cluster.until((await cluster.leader()).store.transact({ operations }));
    await cluster.stop('n2');
    await append(cluster, entry);
    await expect(cluster.start('n2')).rejects.toMatchObject({
      code: 'KV_INCOMPATIBLE',
      message: expect.stringContaining('use the newer'),
    });
    const { files } = cluster.node('n2').env;
    expect(await files.stat('/data/damaged-1')).toBeUndefined();
    const { configuration } = (await cluster.leader()).cluster.status();
    expect(configuration.voters).toContain('n2');
    await cluster.close();
  },
);

test('nodes that hear each other know the same kinds and formats of entries: who raises one of these raises that of messages', async () => {
  const checksums = await loadCrc32c();
  const [from, to] = [nodeId('n1'), nodeId('n2')];
  const message = encodeMessage({ type: 'timeoutNow', from, to, term: term(1) }, checksums);
  const [key, value, suffix] = [utf8('k'), utf8('v'), utf8('s')];
  const put = { operations: [{ kind: 'put' as const, key, value }] };
  const append = { operations: [{ kind: 'append' as const, key, suffix, value }] };
  expect({
    message: message[0]?.[8],
    newestKind: NEWEST_ENTRY_KIND,
    transaction: encodeEntry(put, checksums.bodyChecksum).head[0],
    appendingTransaction: encodeEntry(append, checksums.bodyChecksum).head[0],
    membership: encodeConfiguration(configurationOf([from]))[0],
    address: encodeAddress('n1', undefined)[0],
    cluster: encodeClusterId('c')[0],
    incarnation: encodeIncarnation('n1', undefined)[0],
  }).toEqual({
    message: 2,
    newestKind: 7,
    transaction: 1,
    appendingTransaction: 2,
    membership: 1,
    address: 1,
    cluster: 1,
    incarnation: 1,
  });
});
