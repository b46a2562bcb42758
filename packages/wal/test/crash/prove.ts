/** One search of `npm run prove:crash`, in a process of its own: `node prove.ts NAME`, or no name for a list of the names. */
import { reportCrashSearch, THOROUGH } from '@holdfast/env/memory';
import { logScenarios } from './log-scenarios.ts';

const [name] = process.argv.slice(2);
const scenario = name === undefined ? undefined : logScenarios[name];
const answer =
  scenario === undefined
    ? Object.keys(logScenarios)
    : await reportCrashSearch(scenario(), THOROUGH);
process.stdout.write(`${JSON.stringify(answer)}\n`);
