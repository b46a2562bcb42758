/**
 * Searches of `npm run prove:crash`, in a process that runs one after the other: it says what their names are, and of each name that it is sent,
 * what was found. `isEnough`: as much as CI searches.
 */
import { ENOUGH, reportCrashSearch, THOROUGH } from '@holdfast/env/memory';
import { logScenarios } from './log-scenarios.ts';

process.on('message', ({ name, isEnough }: { name: string; isEnough: boolean }) => {
  const scenario = logScenarios[name];
  if (scenario === undefined) throw new Error(`there is no search ${name}`);
  // Why more of them than of a store: a state of a log takes a third of the time.
  const extent = isEnough ? { ...ENOUGH, proceedingEvery: 2 } : THOROUGH;
  void reportCrashSearch(scenario(), extent).then((report) => process.send?.(report));
});
process.send?.(Object.keys(logScenarios));
