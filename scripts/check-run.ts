/**
 * Proves that run.mjs, which `npm start` goes through, is a transparent parent: the script runs on the pinned Node,
 * gets its arguments and the signals, and its exit code is handed up, also when npm and its shell are gone; and that each
 * command of the workspace has a help, which names it.
 *
 *     node scripts/check-run.ts
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Only what hangs ends here: a start is a second, and on a machine that is busy, or whose disk stalls, a minute. */
const limitMs = 120_000;
const signalExitCode = 7;

const runner = join(import.meta.dirname, 'run.mjs');
const directory = mkdtempSync(join(tmpdir(), 'holdfast-run-'));
const script = join(directory, 'script.mjs');
writeFileSync(
  script,
  `for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      console.log('stopped by ' + signal);
      process.exit(${signalExitCode});
    });
  }
  setInterval(() => {}, 1000);
  console.log('ready ' + process.version + ' ' + process.argv.slice(2).join(' '));
`,
);

const problems: string[] = [];
proveHelp();
try {
  await proveSignal('SIGTERM');
  await proveSignal('SIGINT');
  if (process.platform !== 'win32') await proveOrphan();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`run: ${problems.length} problems\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

function proveHelp(): void {
  const manifest = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8');
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
  let asked = 0;
  for (const [name, command] of Object.entries(scripts)) {
    const path = /^node scripts\/run\.mjs (\S+\.ts)$/u.exec(command)?.[1];
    if (path === undefined) continue;
    const help = execFileSync('node', [runner, path, '--help'], { encoding: 'utf8' });
    const itself = name === 'test' ? 'npm test' : `npm run ${name}`;
    expectThat(help.includes(itself), `${itself} -- --help does not say how it is called: ${help}`);
    expectThat(!/^ ?\*|import /mu.test(help), `${itself} -- --help is not its comment: ${help}`);
    asked += 1;
  }
  expectThat(asked > 5, `only ${asked} commands were asked for their help`);
}

async function proveSignal(signal: NodeJS.Signals): Promise<void> {
  const child = spawn('node', [runner, script, '--port', '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const ready = await outputUntil(child, /ready .*\n/);
  expectThat(ready.includes(`ready ${process.version} --port 1\n`), `the script said: ${ready}`);
  child.kill(signal);
  const code = await ended;
  expectThat(code === signalExitCode, `after ${signal} the exit code is ${String(code)}`);
}

/** npm's shell dies of SIGTERM and tells nobody: the script must be stopped all the same. */
async function proveOrphan(): Promise<void> {
  // Why the second command: a shell replaces itself with the last one, and then it would not be there to die.
  const command = `node "${runner}" "${script}"; true`;
  const shell = spawn('sh', ['-c', command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, npm_lifecycle_event: 'start' },
  });
  await outputUntil(shell, /ready .*\n/);
  shell.kill('SIGKILL');
  const said = await outputUntil(shell, /stopped by \w+\n/);
  expectThat(said.includes('stopped by SIGTERM'), `an orphan is not stopped: ${said}`);
}

/** What the process prints until the pattern comes, its end, or the limit. */
function outputUntil(child: ChildProcess, pattern: RegExp): Promise<string> {
  let output = '';
  return new Promise((resolve) => {
    const timer = setTimeout(finish, limitMs);
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      if (pattern.test(output)) finish();
    };
    child.stdout?.on('data', collect);
    child.stdout?.once('end', finish);
    function finish(): void {
      clearTimeout(timer);
      child.stdout?.off('data', collect);
      child.stdout?.off('end', finish);
      resolve(output);
    }
  });
}

function expectThat(condition: boolean, problem: string): void {
  if (!condition) problems.push(problem);
}
