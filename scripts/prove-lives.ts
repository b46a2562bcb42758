/**
 * `npm run prove:lives`: lives of a log and of a store on disks that are cut off, fail, cannot read or are full, by seed, in a process each;
 * as many seeds as a minute takes, and no more than are meant.
 *
 *     npm run prove:lives                    all of them
 *     npm run prove:lives -- kv              of a store only
 *     npm run prove:lives -- kv 1234         from this seed on
 *
 * Ends with exit code 1 where one has lost something, or met an error without a code; its seed is printed.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { answerOf } from './child-answer.ts';

/** What a seed answers. */
type Outcome = { readonly lives: number; readonly violation?: string };

type Result = { readonly runs: number; readonly lives: number; readonly violations: string[] };

const root = join(import.meta.dirname, '..');
const mostMs = 60_000;
/** None of those that the tests of the packages run. */
const firstSeed = 50_000;
/** Seeds of each package with a `test/crash/prove-lives.ts`. */
const seedsOf: Readonly<Record<string, number>> = { kv: 250, wal: 900 };
/** Why: recovery throws errors that it expects, whose stacks nobody reads; and it makes garbage that dies young. */
const nodeFlags = ['--stack-trace-limit=0', '--max-semi-space-size=64'];

process.exitCode = await prove(process.argv.slice(2));

async function prove([wanted, from]: readonly string[]): Promise<number> {
  const names = Object.keys(seedsOf).filter((name) => wanted === undefined || wanted === name);
  if (names.length === 0) {
    process.stderr.write(`there are: ${Object.keys(seedsOf).join(', ')}\n`);
    return 2;
  }
  const first = from === undefined ? firstSeed : Number(from);
  const results = await Promise.all(names.map((name) => runSeeds(name, first)));
  const violations = results.flatMap((result) => result.violations);
  for (const violation of violations) process.stdout.write(`\nVIOLATION in ${violation}\n`);
  const runs = results.reduce((sum, result) => sum + result.runs, 0);
  const lives = results.reduce((sum, result) => sum + result.lives, 0);
  const counts = { runs, lives, violations: violations.length };
  process.stdout.write(`\n${JSON.stringify({ part: 'lives', counts })}\n`);
  return violations.length > 0 || runs === 0 ? 1 : 0;
}

async function runSeeds(packageName: string, first: number): Promise<Result> {
  const script = join(root, 'packages', packageName, 'test', 'crash', 'prove-lives.ts');
  const child = fork(script, { execArgv: [...process.execArgv, ...nodeFlags], cwd: root });
  await answerOf(child);
  const violations: string[] = [];
  const untilMs = performance.now() + mostMs;
  const end = first + (seedsOf[packageName] ?? 0);
  let lives = 0;
  let seed = first;
  for (; seed < end && performance.now() < untilMs; seed++) {
    child.send(seed);
    const outcome = (await answerOf(child)) as Outcome;
    lives += outcome.lives;
    if (outcome.violation === undefined) continue;
    violations.push(`${packageName}, seed ${seed}: ${outcome.violation}`);
  }
  child.kill();
  process.stdout.write(`${packageName}: seeds ${first} to ${seed - 1}, ${lives} lives\n`);
  return { runs: seed - first, lives, violations };
}
