import { logIndex, term } from '@holdfast/bytes';
import { MemoryFiles } from '@holdfast/env/memory';
import { describe, expect, it } from 'vitest';
import { codeOf, envOn, open, put } from './fixtures/logs.ts';

const stateOf = (of: number) => ({ term: term(of), votedFor: `v${of}`, commitIndex: logIndex(0) });

/** A process that was killed behind a save of term 2 that has failed: its files as the next one finds them. */
async function killedAfterFailedSave(direct: boolean, slot: string): Promise<MemoryFiles> {
  const env = await envOn(new MemoryFiles({ direct }));
  const wal = await open(env);
  await put(wal, 'one');
  await wal.saveHardState(stateOf(1));
  env.files.failWhen({
    when: ({ kind, path }) => kind === 'writeSynced' && path.endsWith(slot),
    code: 'FILE_IO',
    applied: 'all',
  });
  expect(await codeOf(wal.saveHardState(stateOf(2)))).toBe('WAL_POISONED');
  return env.files.killed();
}

describe.each([
  ['direct', true],
  ['cached', false],
])('where writes are %s', (_, direct) => {
  it.each(['state-a', 'state-b'])(
    'what a save that failed has left in %s is no state to build on, wherever a power cut comes',
    async (slot) => {
      let cuts = 0;
      for (let isDone = false; !isDone; cuts++) {
        const files = await killedAfterFailedSave(direct, slot);
        files.stopAt(files.operationCount + 1 + cuts);
        const env = await envOn(files);
        let told = 1;
        try {
          const wal = await open(env);
          told = wal.hardState.term;
          await wal.saveHardState(stateOf(3));
          told = 3;
          await wal.close();
          isDone = !files.stopped;
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^(WAL_POISONED|FILE_IO)$/) });
        }
        for (const { files: left, label } of files.crashStates()) {
          const again = await open(await envOn(left));
          expect(again.hardState.term, `cut ${cuts}: ${label}`).toBeGreaterThanOrEqual(told);
          await again.close();
        }
      }
      expect(cuts).toBeGreaterThan(3);
    },
  );
});
