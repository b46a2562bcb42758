/**
 * Proves that the checks bite: each one passes on a clean workspace, reports every violation that is planted for it,
 * and fails where there is nothing to read.
 *
 *     node scripts/check-the-checks.ts [CHECK...]
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, checks, runCheck, runNode, testCommand } from './checks.ts';
import { makeFixture } from './fixture-workspace.ts';
import { type PlantedViolation, permittedFiles, plantedViolations } from './planted-violations.ts';

const chosen = process.argv.slice(2);
const problems: string[] = [];
let proven = 0;

for (const check of checks) {
  if (chosen.length > 0 && !chosen.includes(check.name)) continue;
  await proveClean(check);
  await proveEmpty(check);
  if (check.name === 'boundaries') await proveBoundaries(check);
  else await provePlanted(check);
}
if (chosen.length === 0 || chosen.includes('tests')) await proveTests();
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`planted: ${proven} proven, ${problems.length} not\n`);
process.exitCode = problems.length > 0 || proven === 0 ? 1 : 0;

function expectThat(condition: boolean, problem: string): void {
  if (condition) proven++;
  else problems.push(problem);
}

async function proveClean(check: Check): Promise<void> {
  const isAboutCode = check.name === 'lint' || check.name === 'files';
  using fixture = makeFixture(isAboutCode ? permittedFiles : []);
  const { passed, output } = await runCheck(check, fixture.directory);
  expectThat(passed, `${check.name} fails on a clean workspace:\n${output}`);
}

async function proveEmpty(check: Check): Promise<void> {
  using fixture = makeFixture([], false);
  const { passed } = await runCheck(check, fixture.directory);
  expectThat(!passed, `${check.name} passes though there is nothing to check`);
}

async function provePlanted(check: Check): Promise<void> {
  const planted = plantedViolations.filter((violation) => violation.check === check.name);
  expectThat(planted.length > 0, `${check.name} has no planted violation`);
  using fixture = makeFixture(planted);
  const { passed, output } = await runCheck(check, fixture.directory);
  expectThat(!passed, `${check.name} passes over planted violations`);
  for (const violation of planted) {
    const said = `${check.name} does not report ${violation.rule} in ${violation.path}`;
    expectThat(isReported(violation, output), said);
  }
}

/** True when the output names the rule and the file together, in whichever order the tool has. */
function isReported({ rule, path }: PlantedViolation, output: string): boolean {
  const sameLine = output
    .split('\n')
    .some((line) => line.includes(path) && line.replaceAll(path, '').includes(rule));
  const escaped = path.replaceAll('.', '\\.');
  const ruleFirst = new RegExp(`\\(?${rule}\\b[^\\[]*\\[${escaped}:`);
  const heading = new RegExp(`^${rule} \\(\\d+\\)\\n(?:\\S.*\\n)*${escaped}\\s`, 'm');
  return sameLine || ruleFirst.test(output) || heading.test(output);
}

/** turbo looks at manifests, so its violation is a declared dependency. */
async function proveBoundaries(check: Check): Promise<void> {
  const manifest = {
    name: '@holdfast/wal',
    version: '0.0.0',
    type: 'module',
    exports: { '.': './src/index.ts' },
    dependencies: { '@holdfast/kv': 'workspace:*' },
  };
  using fixture = makeFixture([
    { path: 'packages/wal/package.json', content: JSON.stringify(manifest) },
    { path: 'packages/s3/src/leaves.ts', content: "import '../../kv/src/index.ts';\n" },
  ]);
  const { passed, output } = await runCheck(check, fixture.directory);
  const said = output.replaceAll(/[\s|]+/g, ' ');
  expectThat(!passed, 'boundaries passes over planted violations');
  expectThat(
    /denylist for `@holdfast\/ ?wal`/.test(said),
    'boundaries does not report the upward dependency',
  );
  expectThat(
    said.includes('packages/s3/src/leaves.ts'),
    'boundaries does not report the import that leaves',
  );
}

/** A run of tests must fail for a failed test, a file or a process left behind, and for no tests at all. */
async function proveTests(): Promise<void> {
  const head = "import { expect, test } from 'vitest';\n";
  const passing = `${head}test('passes', () => expect(1).toBe(1));\n`;
  const failing = `${head}test('fails', () => expect(1).toBe(2));\n`;
  const file = `import { writeFileSync } from 'node:fs';\nimport { tmpdir } from 'node:os';\n${head}
    test('leaves a file', () => writeFileSync(tmpdir() + '/left-file', ''));\n`;
  const child = `import { spawn } from 'node:child_process';\n${head}
    test('leaves a process', () => {
      const options = { detached: true, stdio: 'ignore' } as const;
      spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], options).unref();
    });\n`;
  const empty = await runTests('');
  expectThat(empty.code !== 0, 'a run without tests passes');
  const clean = await runTests(passing);
  expectThat(clean.code === 0, `a run that should pass fails:\n${clean.output}`);
  expectThat((await runTests(failing)).code !== 0, 'a failed test passes');
  const leftFile = await runTests(file);
  expectThat(
    leftFile.code !== 0 && leftFile.output.includes('left-file'),
    `a file that a test left behind is not reported:\n${leftFile.output}`,
  );
  if (process.platform !== 'linux') return;
  const leftProcess = await runTests(child);
  expectThat(
    leftProcess.code !== 0 && /left behind:\s+process \d+/.test(leftProcess.output),
    `a process that a test left behind is not reported:\n${leftProcess.output}`,
  );
  await proveRemains(passing);
}

/** What a run that was killed has left, a process and a folder, is gone after the next one. */
async function proveRemains(passing: string): Promise<void> {
  const content = `import { spawn } from 'node:child_process';\nimport { writeFileSync } from 'node:fs';
    import { tmpdir } from 'node:os';\nimport { test } from 'vitest';\n
    test('is killed', () => {
      const options = { detached: true, stdio: 'ignore' } as const;
      const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600_000)'], options);
      writeFileSync('left.json', JSON.stringify([child.pid, tmpdir()]));
      for (const pid of [process.ppid, process.pid]) process.kill(pid, 'SIGKILL');
    });\n`;
  using fixture = makeFixture([{ path: 'packages/kv/test/planted.test.ts', content }]);
  const { output } = await runNode(testCommand('packages', []), fixture.directory);
  const path = join(fixture.directory, 'left.json');
  if (!existsSync(path)) return expectThat(false, `the run that is to be killed fails:\n${output}`);
  const [pid, folder] = JSON.parse(readFileSync(path, 'utf8')) as [number, string];
  expectThat(existsSync(`/proc/${pid}`) && existsSync(folder), 'the killed run has left nothing');
  await runTests(passing);
  expectThat(!existsSync(folder), `the folder of a killed run is still there: ${folder}`);
  const state = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : 'Z';
  expectThat(/(^|\) )[ZX]/.test(state), `a process of a killed run is still there: ${pid}`);
}

async function runTests(content: string): Promise<{ code: number; output: string }> {
  const path = 'packages/kv/test/planted.test.ts';
  using fixture = makeFixture(content === '' ? [] : [{ path, content }]);
  return await runNode(testCommand('packages', []), fixture.directory);
}
