import { expect, it } from 'vitest';
import { liveLog } from './crash/log-life.ts';

it('several lives of a log, each ended by chance and at any operation, lose nothing', async () => {
  for (let seed = 41_000; seed < 41_040; seed++) {
    const outcome = await liveLog(seed).then(() => 'nothing', String);
    expect(outcome, `seed ${seed}`).toBe('nothing');
  }
});
