/**
 * `npm run mutants`: rules of safety are broken in the source, one at a time and in memory only, and each must be found out.
 *
 *     npm run mutants                           each by its pinned seed or test
 *     npm run mutants -- part of a name         those
 *     npm run mutants -- --pick [part of name]  each, or those; where the seed finds nothing any more, another is written into scripts/mutants
 *     npm run mutants -- --fresh [--seeds N]    each by seeds that nobody has chosen, N times as many as usual
 *     npm run mutants -- --fresh --write        and the table in docs/testing.md is written anew
 *
 * Ends with exit code 1 where one lives, or where the runner would not notice. All pinned, and all by fresh seeds, have planted ones beside them.
 */
import { parseArgs } from 'node:util';
import { commitName, writeBetween } from './marked-page.ts';
import { allMutants } from './mutants/all-mutants.ts';
import { type HuntResult, hunt } from './mutants/hunt.ts';
import { inLanes, judge, LANES, type Verdict } from './mutants/judge.ts';
import type { Mutant } from './mutants/mutant.ts';
import { pickSeed, writeSeed } from './mutants/pick-seed.ts';
import { plantedForHunts, plantedMutants } from './mutants/planted-mutants.ts';

const beginning = '<!-- mutants: written by `npm run mutants -- --fresh --write` -->';
const ending = '<!-- end of mutants -->';
const shownLetters = 300;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    fresh: { type: 'boolean', default: false },
    pick: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});
const wanted = positionals.join(' ');
const chosen = allMutants.filter(({ name }) => name.includes(wanted));
const isWhole = chosen.length === allMutants.length;
if (chosen.length === 0) {
  process.stderr.write(`there are:\n${allMutants.map(({ name }) => name).join('\n')}\n`);
  process.exitCode = 2;
} else {
  const run = values.pick ? pickAnew : values.fresh ? runFresh : runPinned;
  process.exitCode = (await run(chosen)) ? 0 : 1;
}

/** Whether all are killed, and the runner sees those that are not. */
async function runPinned(mutants: readonly Mutant[]): Promise<boolean> {
  const startMs = performance.now();
  const planted = new Map(plantedMutants.map(({ mutant, expected }) => [mutant, expected]));
  let right = 0;
  let wrong = 0;
  let killed = 0;
  await judge([...mutants, ...(isWhole ? planted.keys() : [])], (mutant, verdict) => {
    const isRight = verdict.kind === (planted.get(mutant) ?? 'killed');
    if (isRight) right++;
    else wrong++;
    if (isRight && !planted.has(mutant)) killed++;
    if (!isRight) tell(mutant, verdict);
    else if (!isWhole) process.stdout.write(`${mutant.name}: ${wordsOf(verdict)}\n`);
  });
  report('mutants', mutants.length, killed);
  process.stdout.write(`mutants: ${right} as they must be, ${wrong} not, in ${sinceMs(startMs)}\n`);
  return wrong === 0;
}

/** Whether each is killed by its pinned trial, some with another seed. */
async function pickAnew(mutants: readonly Mutant[]): Promise<boolean> {
  const living = new Map<Mutant, Verdict>();
  await judge(mutants, (mutant, verdict) => {
    if (verdict.kind !== 'killed') living.set(mutant, verdict);
  });
  let picked = 0;
  await inLanes([...living], async ([mutant, verdict]) => {
    const seed = await pickSeed(mutant);
    if (typeof seed === 'number') {
      writeSeed(mutant, seed);
      picked++;
      process.stdout.write(`${mutant.name}: seed ${seed}\n`);
    } else {
      tell(mutant, verdict);
      process.stdout.write(`  and none was picked: ${seed}\n`);
    }
  });
  process.stdout.write(`${mutants.length - living.size} as they were, ${picked} picked anew\n`);
  return picked === living.size;
}

/** Whether all are found out by fresh seeds. */
async function runFresh(mutants: readonly Mutant[]): Promise<boolean> {
  const startMs = performance.now();
  const hunted = isWhole ? [...mutants, plantedForHunts] : mutants;
  const all = await hunt(hunted, Number(values.seeds), ({ mutant, by, what, seconds }) => {
    const words = by === undefined ? `LIVES: ${what}` : `found by ${by}: ${what}`;
    const shown = words.slice(0, shownLetters).replaceAll('\n', ' ');
    process.stdout.write(`${mutant.name} (${seconds.toFixed(0)} s): ${shown}\n`);
  });
  const results = all.filter(({ mutant }) => mutant !== plantedForHunts);
  const isHonest = all.every(({ mutant, by }) => mutant !== plantedForHunts || by === undefined);
  const found = results.filter(({ by }) => by !== undefined).length;
  const text = describe(results, found, sinceMs(startMs));
  process.stdout.write(`\n${text}\n`);
  if (values.write && isWhole) writeBetween('testing.md', beginning, ending, text);
  report('mutants by fresh seeds', mutants.length, found);
  if (!isHonest)
    process.stdout.write(`FOUND OUT, though nothing is broken: ${plantedForHunts.name}\n`);
  return isHonest && found === mutants.length;
}

function describe(results: readonly HuntResult[], found: number, took: string): string {
  const date = new Date().toISOString().slice(0, 10);
  return [
    `${found} of ${results.length} found out by fresh seeds, in ${took} on ${LANES} cores; ${date}, commit ${commitName()}.`,
    '',
    '| mutant | found by | s |',
    '| --- | --- | --- |',
    ...results.map(
      ({ mutant, by, seconds }) =>
        `| ${mutant.name} | ${by ?? '**none**'} | ${seconds.toFixed(0)} |`,
    ),
  ].join('\n');
}

/** For `npm run prove`. */
function report(part: string, mutants: number, killed: number): void {
  process.stdout.write(`${JSON.stringify({ part, counts: { mutants, killed } })}\n`);
}

function sinceMs(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(0)} s`;
}

function tell(mutant: Mutant, verdict: Verdict): void {
  const command = `npm run mutants -- ${JSON.stringify(mutant.name)}`;
  process.stdout.write(
    `\nNOT KILLED: ${mutant.name}\n  rule: ${mutant.rule}\n  ${wordsOf(verdict)}\n  again with: ${command}\n`,
  );
}

function wordsOf(verdict: Verdict): string {
  if (verdict.kind === 'killed') return `killed: ${verdict.by.slice(0, shownLetters)}`;
  return verdict.kind === 'refused' ? `refused: ${verdict.why.slice(-1500)}` : 'it lives';
}
