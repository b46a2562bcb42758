/**
 * Runs one script of the workspace on the pinned Node 24, whatever Node (20 or later) started it:
 *
 *     node scripts/run.mjs SCRIPT [ARGUMENTS...]
 *
 * Of a script of the workspace, the comment at its head is its help: `--help` prints it.
 *
 * The dependencies are installed first where they are missing or older than the lockfile. This file and
 * install.mjs are the only ones that an older Node has to understand, so they are plain JavaScript without imports
 * from outside Node.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { installIfNeeded, nodeBinary, rootDirectory } from './install.mjs';

/**
 * The one place for Node's own options: every script of the workspace, the server included, runs with these.
 * Why a small young generation: network buffers of 64 KiB hang on it, and are given back sooner. Why not 8 MiB: it is
 * collected twice as often, and what is in flight is copied each time, mostly by helper threads that want a core too.
 */
const nodeFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=16'];

/** What type stripping and the compiler made is kept here, for every process that a script starts: CI starts some thousand. */
const compileCache = join(rootDirectory, 'node_modules', '.cache', 'compile');

const forwardedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const parentPollMs = 250;

/** Runs the script with our standard streams and signals, and resolves with the exit code that it earned. */
function runScript(scriptArguments) {
  const binDirectory = join(rootDirectory, 'node_modules', '.bin');
  const child = spawn(nodeBinary, [...nodeFlags, ...scriptArguments], {
    cwd: rootDirectory,
    stdio: 'inherit',
    env: {
      NODE_COMPILE_CACHE: compileCache,
      ...process.env,
      PATH: `${binDirectory}${delimiter}${process.env.PATH ?? ''}`,
    },
  });
  for (const signal of forwardedSignals) {
    // Why: on a terminal, Ctrl-C reaches the whole process group, and a second copy would read as "stop at once".
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  const watch = watchParent(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearInterval(watch);
      resolve(code ?? 128 + (constants.signals[signal] ?? 1));
    });
  });
}

/**
 * Calls `onOrphaned` when npm, or the shell between npm and this process, is gone. Why: npm hands SIGTERM to its
 * shell, most shells die of it without a word to us, and the server would be left behind.
 */
function watchParent(onOrphaned) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    onOrphaned();
  }, parentPollMs);
  return watch;
}

/** The comment at the head of a script of ours that is asked for its help. Others have a help of their own. */
function helpOf([script, ...words]) {
  const isAsked =
    script.endsWith('.ts') && words.some((word) => word === '--help' || word === '-h');
  if (!isAsked) return undefined;
  const source = readFileSync(join(rootDirectory, script), 'utf8');
  const comment = source.slice('/**\n'.length, source.indexOf('\n */'));
  return `${comment.replaceAll(/^ \* ?/gmu, '')}\n`;
}

const scriptArguments = process.argv.slice(2);
const help = scriptArguments.length === 0 ? undefined : helpOf(scriptArguments);
if (scriptArguments.length === 0) {
  process.stderr.write('usage: node scripts/run.mjs SCRIPT [ARGUMENTS...]\n');
  process.exitCode = 2;
} else if (help !== undefined) {
  process.stdout.write(help);
} else {
  try {
    await installIfNeeded();
    process.exitCode = await runScript(scriptArguments);
  } catch (error) {
    process.stderr.write(`holdfast: ${error.message}\n`);
    process.exitCode = 1;
  }
}
