import { kvStoreContract } from '@holdfast/kv/testing';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

for (const asked of ['leader', 'follower'] as const) {
  kvStoreContract(`three nodes in memory, asked of a ${asked}`, async () => {
    const cluster = await MemoryCluster.open();
    const name = cluster.nameOf(await cluster[asked]());
    cluster.startPump();
    return {
      store: cluster.replica(name).store,
      reopen: async () => {
        await cluster.stopPump();
        await cluster.stop(name);
        const { store } = await cluster.start(name);
        await cluster.leader();
        cluster.startPump();
        return store;
      },
      passTime: (elapsedMs) => cluster.clock.advance(elapsedMs),
      cleanUp: async () => {
        await cluster.stopPump();
        cluster.node(name).replica = undefined;
        await cluster.close();
      },
    };
  });
}
