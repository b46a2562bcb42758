/**
 * `npm run prove:crash`: every crash that can be enumerated, in two processes at a time.
 *
 *     npm run prove:crash                       all searches
 *     npm run prove:crash -- wal/append         those whose name contains this
 *     npm run prove:crash -- --enough           as much of each as CI searches
 *     npm run prove:crash -- --write            and the page in docs/testing.md is written anew
 *
 * Ends with exit code 1 where a crash lost something, or where fewer states than promised were searched.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { answerOf } from './child-answer.ts';
import { commitName, writeBetween } from './marked-page.ts';

type Counts = {
  readonly points: number;
  readonly exhaustivePoints: number;
  readonly disks: number;
  readonly states: number;
  readonly recoveryStates: number;
  readonly proceedingStates: number;
};

type Report = Counts & { readonly violation?: string; readonly fingerprints: string };

type Search = { readonly name: string; readonly packageName: string; readonly scenario: string };

type Result = { readonly name: string; readonly report: Report; readonly seconds: number };

const root = join(import.meta.dirname, '..');
const beginning = '<!-- crash states: written by `npm run prove:crash -- --write` -->';
const ending = '<!-- end of crash states -->';

/** Packages with a `test/crash/prove.ts`, those with the longest searches first. */
const packages = ['kv', 'wal'];
const parallel = Math.min(2, availableParallelism());
const fewestStates = 100_000;
const mostSeconds = 180;
/** Why: recovery throws errors that it expects, whose stacks nobody reads; and it makes garbage that dies young. */
const nodeFlags = ['--stack-trace-limit=0', '--max-semi-space-size=64'];
const fingerprintDigits = 16;

process.exitCode = await prove(process.argv.slice(2));

async function prove(words: readonly string[]): Promise<number> {
  const wanted = words.filter((word) => !word.startsWith('--'));
  const all = (await Promise.all(packages.map(searchesOf))).flat();
  const searches = all.filter(
    ({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)),
  );
  if (searches.length === 0) {
    process.stderr.write(`there are: ${all.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  const startMs = performance.now();
  const isEnough = words.includes('--enough');
  const results = await runAll(searches, isEnough);
  const seconds = (performance.now() - startMs) / 1000;
  const text = describe(results, seconds);
  process.stdout.write(`\n${text}\n`);
  const violated = results.filter(({ report }) => report.violation !== undefined);
  for (const { name, report } of violated) {
    process.stdout.write(`\nVIOLATION in ${name}: ${report.violation}\n`);
  }
  const counts = { states: distinctStates(results), violations: violated.length };
  process.stdout.write(`\n${JSON.stringify({ part: 'crash states', counts })}\n`);
  if (words.includes('--write') && wanted.length === 0 && !isEnough) {
    writeBetween('testing.md', beginning, ending, text);
  }
  const tooFew = wanted.length === 0 && distinctStates(results) < fewestStates;
  if (tooFew) process.stdout.write(`\nfewer than ${fewestStates} states\n`);
  return violated.length > 0 || tooFew ? 1 : 0;
}

async function searchesOf(packageName: string): Promise<Search[]> {
  const child = startOf(packageName);
  const scenarios = (await answerOf(child)) as readonly string[];
  child.kill();
  return scenarios.map((scenario) => ({
    name: `${packageName}/${scenario}`,
    packageName,
    scenario,
  }));
}

async function runAll(searches: readonly Search[], isEnough: boolean): Promise<Result[]> {
  const waiting = [...searches];
  const results: Result[] = [];
  const work = async (): Promise<void> => {
    const children = new Map<string, ChildProcess>();
    for (let search = waiting.shift(); search !== undefined; search = waiting.shift()) {
      const startMs = performance.now();
      const report = await runSearch(search, isEnough, children);
      const seconds = (performance.now() - startMs) / 1000;
      results.push({ name: search.name, report, seconds });
      const states = report.fingerprints.length / fingerprintDigits;
      const verdict = report.violation === undefined ? '' : ', VIOLATION';
      process.stdout.write(
        `${search.name}: ${states} states in ${seconds.toFixed(1)} s${verdict}\n`,
      );
    }
    for (const child of children.values()) child.kill();
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return searches.flatMap(({ name }) => results.filter((result) => result.name === name));
}

/** `children`: a process for each package. Why not for each search: to compile the code takes two seconds. */
async function runSearch(
  { packageName, scenario }: Search,
  isEnough: boolean,
  children: Map<string, ChildProcess>,
): Promise<Report> {
  let child = children.get(packageName);
  if (child === undefined) {
    child = startOf(packageName);
    children.set(packageName, child);
    await answerOf(child);
  }
  child.send({ name: scenario, isEnough });
  return (await answerOf(child)) as Report;
}

function startOf(packageName: string): ChildProcess {
  const script = join(root, 'packages', packageName, 'test', 'crash', 'prove.ts');
  return fork(script, { execArgv: [...process.execArgv, ...nodeFlags], cwd: root });
}

function describe(results: readonly Result[], seconds: number): string {
  const rows = results.map(({ name, report, seconds: took }) =>
    row([
      name,
      `${report.points} (${report.exhaustivePoints})`,
      report.disks,
      report.states,
      report.recoveryStates,
      report.proceedingStates,
      took.toFixed(1),
    ]),
  );
  const violations = results.filter(({ report }) => report.violation !== undefined).length;
  const date = new Date().toISOString().slice(0, 10);
  const total =
    `${distinctStates(results)} states, all different, in ${seconds.toFixed(0)} s ` +
    `(at most ${mostSeconds} are meant) on ${parallel} cores, ${violations} violations; ${date}, commit ${commitName()}.`;
  return [
    total,
    '',
    row(['search', 'points (exhaustive)', 'disks made', 'states', 'of recovery', 'after it', 's']),
    row(['---', '---', '---', '---', '---', '---', '---']),
    ...rows,
  ].join('\n');
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Over all searches: a disk that two of them meet counts once. */
function distinctStates(results: readonly Result[]): number {
  const all = new Set<string>();
  for (const { report } of results) {
    const { fingerprints } = report;
    for (let at = 0; at < fingerprints.length; at += fingerprintDigits) {
      all.add(fingerprints.slice(at, at + fingerprintDigits));
    }
  }
  return all.size;
}
