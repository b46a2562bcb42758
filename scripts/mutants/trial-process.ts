/**
 * The process of a trial: `node trial-process.ts MODULE TRIAL [WORD...]`. Its last line is JSON: what was found, or null.
 * A module that cannot be loaded is no finding; whatever goes wrong later is one.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

type Trial = (...words: string[]) => string | undefined | Promise<string | undefined>;

const [path = '', name = '', ...words] = process.argv.slice(2);
const module = (await import(pathToFileURL(resolve(path)).href)) as {
  readonly trials: Readonly<Record<string, Trial>>;
};
const trial = module.trials[name];
if (trial === undefined) throw new Error(`${path} has no trial ${name}`);

process.on('uncaughtException', (error) => {
  tell(String(error));
  process.exit(0);
});
// Nothing is left to do, and no answer has come.
process.on('exit', (code) => {
  if (code === 13) tell('it waits for ever');
});
try {
  tell(await trial(...words));
} catch (error) {
  tell(String(error));
}

function tell(found: string | undefined): void {
  process.stdout.write(`\n${JSON.stringify({ found: found ?? null })}\n`);
}
