#!/usr/bin/env node
// Starts Holdfast on any Node.js from version 20 on. Plain JavaScript, because it has to run before it is known
// whether this Node.js can run TypeScript: where it cannot, it starts the one that came with the install.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED_MAJOR = 24;
const launcher = fileURLToPath(import.meta.url);
const packageFolder = dirname(dirname(launcher));
const manifest = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
// In the workspace the package's entry is TypeScript, in the published package it is what was built of it.
const fromSource = manifest.exports['.'].endsWith('.ts');
const entry = join(packageFolder, fromSource ? 'src/main.ts' : 'dist/main.js');
const words = process.argv.slice(2);
const parentPollMs = 250;

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  // What type stripping and the compiler made is kept, which halves the time of a start from source.
  if (fromSource)
    module.enableCompileCache(join(packageFolder, 'node_modules', '.cache', 'compile'));
  else await beginAnew();
  watchNpx(() => process.kill(process.pid, 'SIGTERM'));
  await import(pathToFileURL(entry).href);
} else {
  const node = findNode();
  if (node === undefined) {
    console.error(
      `Holdfast needs Node.js ${NEEDED_MAJOR} or later, and this is ${process.versions.node}. ` +
        'Install it, or run "npm install" in the folder of Holdfast, which brings its own.',
    );
    process.exit(1);
  }
  run(node);
}

/**
 * Becomes a process with the options that a server lacks; returns where it lacks none, or where a process cannot do so.
 * Not from source: who starts the workspace's own sources gives them.
 */
async function beginAnew() {
  const { missingOptions } = await import(
    pathToFileURL(join(packageFolder, 'dist/node-options.js')).href
  );
  const { execArgv: options, env: environment, execPath } = process;
  const missing = missingOptions({ words, options, environment });
  // Whoever has a channel to this process would lose it.
  if (missing.length === 0 || process.connected || process.platform === 'win32') return;
  process.execve?.(execPath, [execPath, ...options, ...missing, launcher, ...words], environment);
}

/**
 * Calls `onOrphaned` when the shell between npx and this process is gone. Why: npx hands SIGTERM to it, most shells die of it
 * without a word to us, and the server would be left behind.
 */
function watchNpx(onOrphaned) {
  if (process.env.npm_lifecycle_event !== 'npx') return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    onOrphaned();
  }, parentPollMs);
  watch.unref();
}

/** The binary of the npm package "node", which is installed next to Holdfast. */
function findNode() {
  const require = createRequire(import.meta.url);
  try {
    const folder = dirname(require.resolve('node/package.json'));
    const binary = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** Becomes a transparent parent: same input and output, signals handed down, exit code handed up. */
function run(node) {
  const child = spawn(node, [launcher, ...words], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  watchNpx(() => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(`${node} cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + (constants.signals[signal] ?? 0));
  });
}
