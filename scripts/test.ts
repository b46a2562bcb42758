/**
 * `npm test`: everything that CI runs, in order, until something fails.
 *
 *     npm test                      all of it
 *     node scripts/run.mjs scripts/test.ts lint layers     only these
 *
 * The last line is `N passed, N failed`: every check counts as one, and so does every test.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Check,
  checks,
  crashes,
  mutants,
  proofs,
  runCheck,
  simulations,
  surfaceCheck,
  testCommand,
} from './checks.ts';

type Tally = { passed: number; failed: number; skipped: number };

type Step = {
  readonly name: string;
  readonly title: string;
  readonly run: () => Promise<Tally>;
};

const root = join(import.meta.dirname, '..');

const steps: readonly Step[] = [
  ...[...checks, ...proofs].map((check) => ({
    name: check.name,
    title: check.title,
    run: () => tallyOfCheck(check),
  })),
  { name: 'unit', title: 'tests of the packages', run: () => tallyOfTests('packages') },
  ...[mutants, crashes, simulations].map((check) => ({
    name: check.name,
    title: check.title,
    run: () => tallyOfCheck(check),
  })),
  { name: 'e2e', title: 'end-to-end tests', run: () => tallyOfTests('e2e') },
];

process.exitCode = await runSteps(process.argv.slice(2));

async function runSteps(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    const known = steps.map((step) => step.name).join(' ');
    process.stderr.write(`there is no step ${unknown.join(', ')}; there are: ${known}\n`);
    return 2;
  }
  const chosen = names.length === 0 ? steps : steps.filter((step) => names.includes(step.name));
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  let done = 0;
  for (const step of chosen) {
    process.stdout.write(`\n=== ${step.name}: ${step.title}\n`);
    const tally = await step.run();
    done++;
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.skipped += tally.skipped;
    if (tally.failed > 0) break;
  }
  const notRun = chosen.slice(done).map((step) => step.name);
  process.stdout.write('\n');
  if (total.failed > 0) process.stdout.write(`failed in: ${chosen[done - 1]?.name}\n`);
  if (notRun.length > 0) process.stdout.write(`not run: ${notRun.join(', ')}\n`);
  if (total.skipped > 0) process.stdout.write(`skipped tests: ${total.skipped}\n`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
}

async function tallyOfCheck(check: Check): Promise<Tally> {
  const { passed, output } = await runCheck(check, root);
  if (!passed) process.stdout.write(`${output.trimEnd()}\n`);
  process.stdout.write(passed ? 'ok\n' : 'FAILED\n');
  const counted = check.counts?.exec(output);
  if (counted) return { passed: Number(counted[1]), failed: Number(counted[2]), skipped: 0 };
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

/** Runs one vitest project. A run that fails without a failed test (a leak, a broken file) counts as one failure. */
async function tallyOfTests(project: string): Promise<Tally> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-report-'));
  const reportFile = join(directory, 'report.json');
  try {
    const code = await runVitest(project, reportFile);
    const tally = readReport(reportFile);
    const ran = tally.passed + tally.failed;
    if (ran === 0) process.stdout.write(`no test of ${project} ran\n`);
    if (tally.failed === 0 && (code !== 0 || ran === 0)) tally.failed = 1;
    if (project !== 'packages' || tally.failed > 0) return tally;
    const { passed, failed } = await tallyOfCheck(surfaceCheck(reportFile));
    return { ...tally, passed: tally.passed + passed, failed };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function runVitest(project: string, reportFile: string): Promise<number> {
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${reportFile}`];
  const command = [...process.execArgv, ...testCommand(project, reporters)];
  const child = spawn(process.execPath, command, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function readReport(reportFile: string): Tally {
  if (!existsSync(reportFile)) return { passed: 0, failed: 0, skipped: 0 };
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Readonly<Record<string, unknown>>;
  const count = (name: string): number => Number(report[name] ?? 0);
  return {
    passed: count('numPassedTests'),
    failed: count('numFailedTests'),
    skipped: count('numPendingTests') + count('numTodoTests'),
  };
}
