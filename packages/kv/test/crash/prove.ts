/**
 * Searches of `npm run prove:crash`, in a process that runs one after the other: it says what their names are, and of each name that it is sent,
 * what was found. `isEnough`: as much as CI searches.
 */
import { ENOUGH, reportCrashSearch, THOROUGH } from '@holdfast/env/memory';
import { storeScenarios } from './store-scenarios.ts';

process.on('message', ({ name, isEnough }: { name: string; isEnough: boolean }) => {
  const { subject, options } = storeScenarios[name] ?? {};
  if (subject === undefined) throw new Error(`there is no search ${name}`);
  const extent = { ...(isEnough ? ENOUGH : THOROUGH), ...options };
  void reportCrashSearch(subject(), extent).then((report) => process.send?.(report));
});
process.send?.(Object.keys(storeScenarios));
