/**
 * One search of `npm run prove:crash`, in a process of its own: `node prove.ts NAME`, `node prove.ts NAME enough` for as much as CI
 * searches, or no name for a list of the names.
 */
import { ENOUGH, reportCrashSearch, THOROUGH } from '@holdfast/env/memory';
import { storeScenarios } from './store-scenarios.ts';

const [name, extent] = process.argv.slice(2);
const options = extent === 'enough' ? ENOUGH : THOROUGH;
const scenario = name === undefined ? undefined : storeScenarios[name];
const answer =
  scenario === undefined
    ? Object.keys(storeScenarios)
    : await reportCrashSearch(scenario.subject(), { ...options, ...scenario.options });
process.stdout.write(`${JSON.stringify(answer)}\n`);
