/**
 * One search of `npm run prove:crash`, in a process of its own: `node prove.ts NAME`, `node prove.ts NAME enough` for as much as CI
 * searches, or no name for a list of the names.
 */
import { ENOUGH, reportCrashSearch, THOROUGH } from '@holdfast/env/memory';
import { logScenarios } from './log-scenarios.ts';

const [name, extent] = process.argv.slice(2);
// Why more of them than of a store: a state of a log takes a third of the time.
const options = extent === 'enough' ? { ...ENOUGH, proceedingEvery: 2 } : THOROUGH;
const scenario = name === undefined ? undefined : logScenarios[name];
const answer =
  scenario === undefined ? Object.keys(logScenarios) : await reportCrashSearch(scenario(), options);
process.stdout.write(`${JSON.stringify(answer)}\n`);
