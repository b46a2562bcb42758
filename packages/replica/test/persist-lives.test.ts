import { expect, test } from 'vitest';
import { livePersistQueue } from './fixtures/persist-life.ts';

test('on a volume that is full now and then the log is what the requests make of it, in order, and keeps what was called durable', async () => {
  for (let seed = 51_000; seed < 51_020; seed++) {
    expect(await livePersistQueue(seed), `seed ${seed}`).toEqual([]);
  }
});
