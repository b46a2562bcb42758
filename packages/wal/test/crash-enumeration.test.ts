import type { Files } from '@holdfast/env';
import { CrashSearch, type CrashSubject, QUICK } from '@holdfast/env/memory';
import { describe, expect, it } from 'vitest';
import type { LogMoment } from './crash/log-ledger.ts';
import { everything, logScenarios } from './crash/log-scenarios.ts';
import { logSubject, TWO_IN_FLIGHT } from './crash/log-subject.ts';
import { mutantFiles } from './fixtures/mutant-files.ts';

async function search(subject: CrashSubject<LogMoment>): Promise<CrashSearch<LogMoment>['counts']> {
  const counts = await new CrashSearch(subject, QUICK).run();
  console.info(`checked ${JSON.stringify(counts)}`);
  return counts;
}

describe('a crash at every operation, with every legal state of the disk after it, to depth two', () => {
  it.each(Object.keys(logScenarios))('loses nothing acknowledged: %s', async (name) => {
    const counts = await search((logScenarios[name] as () => CrashSubject<LogMoment>)());
    expect(counts.points).toBeGreaterThan(40);
    expect(counts.states).toBeGreaterThan(40);
    expect(counts.recoveryStates).toBeGreaterThan(20);
  });

  it('loses nothing where names survive in any order, as POSIX allows', async () => {
    const crash = { ...QUICK.crash, entries: 'unordered' as const };
    const search = new CrashSearch(logSubject(everything), { crash });
    expect((await search.run()).states).toBeGreaterThan(100);
  });

  it('leaves no trailer without its footer, wherever the sealing of a segment was cut off', async () => {
    const { rotate } = logScenarios;
    const counts = await new CrashSearch((rotate as () => CrashSubject<LogMoment>)()).run();
    expect(counts.states).toBeGreaterThan(100);
  });

  it('is searched with two batches in flight at once', async () => {
    let inFlight = 0;
    let most = 0;
    const wrap = (files: Files): Files =>
      mutantFiles(files, {
        onWriteSynced: (event) => {
          inFlight += event === 'begins' ? 1 : -1;
          most = Math.max(most, inFlight);
          return undefined;
        },
      });
    const subject = logSubject(everything, { log: TWO_IN_FLIGHT, wrap });
    await new CrashSearch(subject, { choose: () => [] }).run();
    expect(most).toBe(2);
  });
});
