/**
 * The process of a trial: `node trial-process.ts MODULE TRIAL [WORD...]`, or `FIRST_SEED [COUNT] [WORD...]` of one that is run
 * with one seed after the other until one finds something. Its last line is JSON: what was found, or null.
 * A module that cannot be loaded is no finding; whatever goes wrong later is one.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

type Finding = string | undefined | Promise<string | undefined>;

interface TrialModule {
  readonly trials?: Readonly<Record<string, (...words: string[]) => Finding>>;
  readonly seededTrials?: Readonly<Record<string, (seed: number, ...words: string[]) => Finding>>;
}

const [path = '', name = '', ...words] = process.argv.slice(2);
const { trials = {}, seededTrials = {} } = (await import(
  pathToFileURL(resolve(path)).href
)) as TrialModule;
const trial = trials[name];
const seeded = seededTrials[name];
if (trial === undefined && seeded === undefined) throw new Error(`${path} has no trial ${name}`);
/** That runs. */
let seed: number | undefined;

process.on('uncaughtException', (error) => {
  tell(String(error));
  process.exit(0);
});
// Nothing is left to do, and no answer has come.
process.on('exit', (code) => {
  if (code === 13) tell('it waits for ever');
});
try {
  tell(seeded === undefined ? await trial?.(...words) : await firstFinding(seeded));
} catch (error) {
  tell(String(error));
}

async function firstFinding(
  run: (seed: number, ...words: string[]) => Finding,
): Promise<string | undefined> {
  const [first = '', count = '1', ...more] = words;
  const end = Number(first) + Number(count);
  for (seed = Number(first); seed < end; seed++) {
    const found = await run(seed, ...more);
    if (found !== undefined) return found;
  }
  return undefined;
}

function tell(found: string | undefined): void {
  const where = seed === undefined ? '' : ` (seed ${seed})`;
  const line = { found: found === undefined ? null : `${found}${where}` };
  process.stdout.write(`\n${JSON.stringify(line)}\n`);
}
