import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'launcher-'));
const launcher = join(folder, 'bin', 'holdfast.mjs');

/** What the launcher needs of a published package, and an entry that prints how it was started; `wait`: and waits for its end. */
beforeAll(() => {
  const packageFolder = join(import.meta.dirname, '..');
  const options = new URL('../src/node-options.ts', import.meta.url);
  cpSync(join(packageFolder, 'bin'), join(folder, 'bin'), { recursive: true });
  mkdirSync(join(folder, 'dist'));
  const manifest = { type: 'module', exports: { '.': './dist/index.js' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'dist/node-options.js'), `export * from '${options.href}';`);
  writeFileSync(
    join(folder, 'dist/main.js'),
    `const { execArgv, argv, pid } = process;
console.log(JSON.stringify({ execArgv, words: argv.slice(2), pid }));
if (argv.includes('wait')) setInterval(() => {}, 1000);`,
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

async function started(
  words: readonly string[],
  { options = [], environment = {} }: { options?: readonly string[]; environment?: object } = {},
): Promise<{ readonly young: readonly string[]; readonly words: readonly string[] }> {
  const running = promisify(execFile)(process.execPath, [...options, launcher, ...words], {
    env: { ...environment },
  });
  const { stdout, stderr } = await running;
  const { execArgv, words: received, pid } = JSON.parse(stdout);
  expect(stderr).toBe('');
  expect(pid).toBe(running.child.pid);
  const young = (execArgv as string[]).filter((option) => option.includes('semi-space'));
  return { young, words: received };
}

test('an installed server has a young generation of its own, in the process that was started', async () => {
  const words = ['serve', '--data', 'a folder'];
  expect(await started(words)).toEqual({ young: ['--max-semi-space-size=16'], words });
});

test('who decided about it has decided, and other commands are started as they are', async () => {
  const words = ['serve'];
  const young = ['--max-semi-space-size=4'];
  expect(await started(words, { options: young })).toEqual({ young, words });
  const environment = { NODE_OPTIONS: '--max-semi-space-size=4' };
  expect(await started(words, { environment })).toEqual({ young: [], words });
  expect(await started(['stats'])).toEqual({ young: [], words: ['stats'] });
});

test('what npx has started ends when the shell of npx is killed', async () => {
  // The last word keeps the shell from becoming the process itself.
  const shell = spawn('sh', ['-c', '"$0" "$@"; true', process.execPath, launcher, 'wait'], {
    env: { npm_lifecycle_event: 'npx' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: shell.stdout });
  const ended = once(lines, 'close');
  const [line] = await once(lines, 'line');
  const { pid } = JSON.parse(String(line));
  onTestFailed(() => void process.kill(pid, 'SIGKILL'));
  expect(pid).not.toBe(shell.pid);
  shell.kill('SIGKILL');
  // Its output is closed when the last process that has it has ended.
  await ended;
});
