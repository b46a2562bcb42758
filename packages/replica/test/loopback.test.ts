import { utf8 } from '@holdfast/bytes';
import { expect, test } from 'vitest';
import { LoopbackCluster } from './fixtures/loopback-cluster.ts';

test('three nodes on real files agree over TLS, lose one, restart, and hold everything', async () => {
  await using cluster = await LoopbackCluster.open();
  const put = (at: number, by: string) => {
    const value = at % 20 === 0 ? new Uint8Array(300_000).fill(at) : utf8(`value ${at}`);
    return cluster.replica(by).store.transact({
      operations: [{ kind: 'put', key: utf8(`key ${at}`), value }],
    });
  };
  const putAll = async (from: number, to: number, names: readonly string[]) => {
    const numbers = Array.from({ length: to - from }, (_, place) => from + place);
    await Promise.all(
      numbers.map(async (at) => {
        // What is refused while a leader is found is tried again, as a client does.
        for (;;) {
          const result = await put(at, names[at % names.length] as string).catch(retryable);
          if (result !== undefined) return;
        }
      }),
    );
  };
  await putAll(0, 100, ['n1', 'n2', 'n3']);
  await cluster.stop('n1');
  await putAll(100, 200, ['n2', 'n3']);
  await cluster.stop('n2');
  await cluster.stop('n3');
  for (const name of ['n1', 'n2', 'n3']) await cluster.start(name);
  for (let at = 0; at < 200; at++) {
    const { store } = cluster.replica(`n${(at % 3) + 1}`);
    let entry: Awaited<ReturnType<typeof store.get>>;
    for (;;) {
      const found = await store.get(utf8(`key ${at}`)).then((value) => ({ value }), retryable);
      if (found === undefined) continue;
      entry = found.value;
      break;
    }
    expect(entry?.valueSizeBytes).toBe(at % 20 === 0 ? 300_000 : `value ${at}`.length);
  }
  expect(cluster.failures).toEqual([]);
});

test('a node that was away until the log was released gets the state of another, over TLS', async () => {
  await using cluster = await LoopbackCluster.open(3, {
    store: {
      memtableSizeBytes: 256 * 1024,
      wal: { segmentSizeBytes: 1024 * 1024, preallocate: false },
    },
    retainedLogBytes: 1,
  });
  const valueOf = (at: number) => new Uint8Array(50_000).fill(at % 251);
  const put = (at: number) =>
    answered(() =>
      cluster.replica('n1').store.transact({
        operations: [{ kind: 'put', key: utf8(`key ${at}`), value: valueOf(at) }],
      }),
    );
  await put(0);
  await cluster.stop('n3');
  for (let at = 1; at <= 120; at += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, step) => put(at + step)));
  }
  for (const name of ['n1', 'n2']) await cluster.replica(name).store.flush();
  const { firstIndex } = cluster.replica('n1').cluster.status();
  expect(firstIndex).toBeGreaterThan(10);
  const { store, cluster: control } = await cluster.start('n3');
  for (let at = 0; at <= 120; at++) {
    const entry = await answered(() => store.get(utf8(`key ${at}`)));
    expect(entry?.value).toEqual(valueOf(at));
  }
  expect(control.status().firstIndex).toBeGreaterThanOrEqual(firstIndex);
  expect(cluster.failures).toEqual([]);
});

/** What is refused while a leader is found, or a state is on its way, is asked again, as a client does. */
async function answered<Value>(ask: () => Promise<Value>): Promise<Value> {
  for (;;) {
    const found = await ask().then((value) => ({ value }), retryable);
    if (found !== undefined) return found.value;
  }
}

function retryable(error: unknown): undefined {
  if ((error as { retryable?: boolean }).retryable !== true) throw error;
  return undefined;
}
