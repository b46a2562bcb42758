import { expect, it } from 'vitest';
import { liveStore } from './crash/store-life.ts';

it('several lives of a store, each ended by chance and at any operation, lose nothing', async () => {
  for (let seed = 41_000; seed < 41_008; seed++) {
    const outcome = await liveStore(seed).then(() => 'nothing', String);
    expect(outcome, `seed ${seed}`).toBe('nothing');
  }
});
