/** Runs a trial in a process of its own, with or without a mutant, and says what it found. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { testCommand } from '../checks.ts';
import { applyEdit, type Edit, type Neglect, type TestRun, type Trial } from './mutant.ts';

const root = join(import.meta.dirname, '../..');
const breakSource = pathToFileURL(join(import.meta.dirname, 'break-source.ts')).href;
const trialProcess = join(import.meta.dirname, 'trial-process.ts');
/** Why: recovery throws errors that it expects, whose stacks nobody reads. */
const trialFlags = ['--stack-trace-limit=0'];

/** Found something, found nothing, or could not look. */
export type Finding =
  | { readonly kind: 'found'; readonly what: string }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unusable'; readonly why: string };

/** Runs it as it is, or with `broken`; after `limitMs` it is ended, and could not look. */
export async function runTrial(
  trial: Trial,
  broken: Edit | Neglect | undefined,
  limitMs: number,
): Promise<Finding> {
  const edit = broken !== undefined && 'file' in broken ? broken : undefined;
  if (edit !== undefined) {
    try {
      applyEdit(edit, readFileSync(join(root, edit.file), 'utf8'));
    } catch (error) {
      return unusable(String(error));
    }
  }
  if ('test' in trial) {
    const [finding] = await runTests([trial], edit, limitMs);
    return finding ?? unusable('nothing ran');
  }
  const neglect = broken !== undefined && 'duty' in broken ? [JSON.stringify(broken)] : [];
  const command = [...trialFlags, trialProcess, trial.module, ...trial.words, ...neglect];
  const { output, isOverdue } = await runNode(command, edit, limitMs);
  if (isOverdue) return unusable(`it took more than ${limitMs / 1000} s`);
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  try {
    const { found } = JSON.parse(last) as { readonly found: string | null };
    return found === null ? { kind: 'nothing' } : findingOf(found);
  } catch {
    return unusable(output);
  }
}

/** Runs tests in one process, and says of each what it found. With each name, exactly one test of its file must end. */
export async function runTests(
  tests: readonly TestRun[],
  edit: Edit | undefined,
  limitMs: number,
): Promise<Finding[]> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-mutant-'));
  try {
    const report = join(directory, 'report.json');
    const names = tests.map(({ name }) => `${namesOf(name).map(escaped).join('(?: > | )')}$`);
    const words = [
      ...new Set(tests.map(({ test }) => test)),
      '--testNamePattern',
      names.join('|'),
      '--reporter=json',
      `--outputFile=${report}`,
      // Files are loaded by Node itself, so that its hooks apply, also in threads.
      '--experimental.viteModuleRunner=false',
      '--pool=threads',
    ];
    const command = testCommand('packages', words);
    const { output, isOverdue } = await runNode(command, edit, limitMs);
    if (isOverdue) return tests.map(() => unusable(`it took more than ${limitMs / 1000} s`));
    return readReport(report, tests, output);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Of a test and the suites that it is in. */
function namesOf(name: string): string[] {
  return name.split(' > ');
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

type Assertion = {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
};

function readReport(path: string, tests: readonly TestRun[], output: string): Finding[] {
  let report: { readonly testResults: { name: string; assertionResults: Assertion[] }[] };
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as typeof report;
  } catch {
    return tests.map(() => unusable(output));
  }
  return tests.map(({ test, name }) => {
    const ran = report.testResults
      .filter((result) => result.name === join(root, test))
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(
        ({ fullName, status }) =>
          fullName.endsWith(namesOf(name).join(' ')) && /passed|failed/.test(status),
      );
    const [only, ...more] = ran;
    if (only === undefined || more.length > 0) {
      return unusable(`${ran.length} tests of this name ran in ${test}: ${name}\n${output}`);
    }
    if (only.status === 'passed') return { kind: 'nothing' };
    const what = only.failureMessages.join('\n');
    // Why: a machine that is busy must not kill a mutant.
    return /Test timed out/.test(what) ? unusable(what) : findingOf(what);
  });
}

/** Source that does not hold together is no finding, however late that shows: it breaks more than the rule. */
function findingOf(what: string): Finding {
  return /\b(?:ReferenceError|SyntaxError)\b/.test(what) ? unusable(what) : { kind: 'found', what };
}

function unusable(why: string): Finding {
  return { kind: 'unusable', why };
}

function runNode(
  command: readonly string[],
  edit: Edit | undefined,
  limitMs: number,
): Promise<{ readonly output: string; readonly isOverdue: boolean }> {
  const variables =
    edit === undefined
      ? {}
      : { HOLDFAST_MUTANT: JSON.stringify(edit), NODE_OPTIONS: `--import=${breakSource}` };
  const child = spawn(process.execPath, [...process.execArgv, ...command], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables, NO_COLOR: '1' },
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (_, signal) => resolve({ output, isOverdue: signal === 'SIGKILL' }));
  });
}
