/** One search of `npm run prove:crash`, in a process of its own: `node prove.ts NAME`, or no name for a list of the names. */
import { reportCrashSearch, THOROUGH } from '@holdfast/env/memory';
import { storeScenarios } from './store-scenarios.ts';

const [name] = process.argv.slice(2);
const scenario = name === undefined ? undefined : storeScenarios[name];
const answer =
  scenario === undefined
    ? Object.keys(storeScenarios)
    : await reportCrashSearch(scenario.subject(), { ...THOROUGH, ...scenario.options });
process.stdout.write(`${JSON.stringify(answer)}\n`);
