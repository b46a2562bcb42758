/**
 * `npm run prove`: all parts of the proof, one after the other, and one page of what they have counted.
 *
 *     npm run prove                        everything
 *     npm run prove -- --part kills        some of it
 *     npm run prove -- --write             and the page in docs/testing.md is written anew
 *     npm run prove -- bit-rot             a proof that is too long for the page: bit-rot, scale
 *
 * Ends with exit code 1 where anything was violated, where a mutant lives, or where a part has done nothing.
 */
import { spawn } from 'node:child_process';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { ROOT } from '../harness/command.ts';
import { dateAndCommit, writeTestingPage } from '../harness/written-page.ts';
import type { PartRun } from './proof-page.ts';
import { describePage, judgePart } from './proof-page.ts';

interface Part {
  readonly name: string;
  /** As Node.js takes it, in the root of the workspace. */
  readonly command: readonly string[];
}

const VITEST = ['node_modules/vitest/vitest.mjs', 'run', '--project'];

const e2e = (...names: readonly string[]): readonly string[] => [
  ...VITEST,
  'e2e',
  ...names.map((name) => `e2e/${name}.test.ts`),
];

const PARTS: readonly Part[] = [
  {
    name: 'simulation',
    command: [
      'packages/server/test/simulation/prove-simulation.ts',
      '--seed',
      '1',
      '--count',
      '200',
      '--seconds',
      '30',
    ],
  },
  { name: 'crash states', command: ['scripts/prove.ts'] },
  { name: 'lives', command: ['scripts/prove-lives.ts'] },
  { name: 'power cuts', command: e2e('power-cut') },
  { name: 'kills', command: e2e('crash-consistency', 'linearizability') },
  { name: 'cluster', command: e2e('cluster-faults', 'cluster-partition') },
  { name: 'system-call faults', command: e2e('system-call-faults') },
  { name: 'golden folders', command: e2e('golden') },
  { name: 'mutants', command: ['scripts/mutants.ts'] },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    part: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  if (positionals.length > 0) {
    return (await run({ name: 'prove', command: [...VITEST, 'prove', ...positionals] })).exitCode;
  }
  const { part: wanted, write } = values;
  const chosen = PARTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  if (chosen.length === 0) {
    process.stderr.write(`there are: ${PARTS.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  const when = dateAndCommit();
  const results = [];
  for (const part of chosen) {
    process.stdout.write(`\n=== ${part.name}\n`);
    results.push(judgePart(await run(part)));
  }
  const page = describePage(results, when);
  process.stdout.write(`\n${page}\n`);
  const isProven = results.every(({ faults }) => faults.length === 0);
  if (write && wanted.length === 0) await writeTestingPage('page', page);
  return isProven ? 0 : 1;
}

/** Runs it, shows what it prints, and keeps it. */
async function run({ name, command }: Part): Promise<PartRun> {
  const beganMs = performance.now();
  const child = spawn(process.execPath, [...process.execArgv, ...command], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += stripVTControlCharacters(text);
    process.stdout.write(text);
  });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });
  return { name, exitCode, output, seconds: (performance.now() - beganMs) / 1000 };
}
