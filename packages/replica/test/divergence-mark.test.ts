import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { markDiverged, refuseDiverged } from '../src/divergence-mark.ts';

const REASON = "the state after entry 4096 is not the leader's";

test('a folder whose state is not its cluster is refused with the reason, after a power cut too', async () => {
  const { files } = await createMemoryEnv({ seed: 1 });
  await files.makeDirectory('/data');
  await files.syncDirectory('/');
  await refuseDiverged(files, '/data');
  await markDiverged(files, '/data', REASON);
  for (const { files: after } of files.crashStates()) {
    await expect(refuseDiverged(after, '/data')).rejects.toMatchObject({
      code: 'KV_CORRUPTION',
      message: `/data/DIVERGED: ${REASON}`,
    });
  }
});
