import { logIndex, utf8 } from '@holdfast/bytes';
import { readIdentity } from '@holdfast/kv';
import { openWal, type WalRecord } from '@holdfast/wal';
import { expect, test } from 'vitest';
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
