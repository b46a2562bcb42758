import { createManualClock, createMemoryStore, kvStoreContract } from '../src/testing/index.ts';

kvStoreContract('memory store', async () => {
  const clock = createManualClock();
  return { store: createMemoryStore({ clock }), passTime: (elapsedMs) => clock.advance(elapsedMs) };
});
