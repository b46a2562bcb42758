/**
 * Makes sure that node_modules is what pnpm-lock.yaml says, and does nothing at all when it is.
 *
 * A stamp in node_modules holds the hash of the lockfile and the manifests that were installed. Several starts at
 * once are safe: one installs, the others wait for it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The root of the workspace. */
export const rootDirectory = dirname(dirname(fileURLToPath(import.meta.url)));

/** Node 24 from the npm package `node`; there after an install. */
export const nodeBinary = join(
  rootDirectory,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
);

const pnpmVersion = 'pnpm@12';
const oldestNodeMajor = 20;
const lockWaitMs = 600_000;
const lockPollMs = 200;

const stampFile = join(rootDirectory, 'node_modules', '.holdfast-install-stamp');
const lockDirectory = join(rootDirectory, '.holdfast-install-lock');
const lockOwnerFile = join(lockDirectory, 'pid');

/** Installs the dependencies if they differ from the lockfile. Rejects with a message for people. */
export async function installIfNeeded() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < oldestNodeMajor) {
    throw new Error(
      `Node.js ${oldestNodeMajor} or later is needed to start; this is ${process.version}.`,
    );
  }
  const stamp = await wantedStamp();
  if (await isInstalled(stamp)) return;
  await takeLock();
  try {
    // Why: another start may have installed while this one waited for the lock.
    if (await isInstalled(stamp)) return;
    process.stderr.write(
      'holdfast: installing the dependencies named in pnpm-lock.yaml (once; about a minute) ...\n',
    );
    await installQuietly();
    await writeFile(stampFile, stamp);
  } finally {
    await rm(lockDirectory, { recursive: true, force: true });
  }
}

/** What an up-to-date install is stamped with: everything that decides what pnpm links, and the platform. */
async function wantedStamp() {
  const packageDirectories = readdirSync(join(rootDirectory, 'packages')).map((name) =>
    join('packages', name),
  );
  const manifests = ['', 'e2e', 'bench', ...packageDirectories]
    .map((directory) => join(directory, 'package.json'))
    .filter((path) => existsSync(join(rootDirectory, path)));
  manifests.sort((a, b) => (a < b ? -1 : 1));
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const path of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    const content = await readFile(join(rootDirectory, path), 'utf8');
    hash.update(`${path} ${content.length}\n${content}`);
  }
  return hash.digest('hex');
}

async function isInstalled(stamp) {
  if (!existsSync(nodeBinary)) return false;
  return (await readFile(stampFile, 'utf8').catch(() => '')) === stamp;
}

/** Runs pnpm without a terminal, and shows what it said only when it failed. */
function installQuietly() {
  const installArguments = ['install', '--frozen-lockfile', '--config.confirm-modules-purge=false'];
  const child = spawn('npx', ['--yes', pnpmVersion, ...installArguments], {
    cwd: rootDirectory,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`npx could not be run: ${cause.message}`)));
    child.once('close', (code, signal) => {
      if (code === 0) {
        resolve();
        return;
      }
      process.stderr.write(Buffer.concat(output));
      reject(new Error(`the dependencies could not be installed (pnpm: ${signal ?? code}).`));
    });
  });
}

/** Waits until this process owns the lock directory; a lock whose owner is gone is taken over. */
async function takeLock() {
  const deadline = Date.now() + lockWaitMs;
  for (let waits = 0; Date.now() < deadline; waits++) {
    if (await tryLock()) return;
    const owner = Number(await readFile(lockOwnerFile, 'utf8').catch(() => ''));
    if (owner > 0 && !isAlive(owner)) {
      await discardLockOf(owner);
      continue;
    }
    if (waits === 0) process.stderr.write('holdfast: waiting for another install to finish ...\n');
    await sleep(lockPollMs);
  }
  throw new Error(`another install did not finish; if none is running, delete ${lockDirectory}.`);
}

/**
 * Invariant: the directory appears together with the owner's pid in it, so a lock without an owner is never seen.
 * Renaming onto a directory that is not empty fails, on every platform.
 */
async function tryLock() {
  const ownDirectory = `${lockDirectory}-${process.pid}`;
  await rm(ownDirectory, { recursive: true, force: true });
  await mkdir(ownDirectory);
  await writeFile(join(ownDirectory, 'pid'), String(process.pid));
  try {
    await rename(ownDirectory, lockDirectory);
    return true;
  } catch {
    await rm(ownDirectory, { recursive: true, force: true });
    return false;
  }
}

/** Moves a dead owner's lock away; when somebody else's came in between, it is put back. */
async function discardLockOf(owner) {
  const discarded = `${lockDirectory}-${process.pid}-stale`;
  try {
    await rename(lockDirectory, discarded);
  } catch {
    return;
  }
  const moved = Number(await readFile(join(discarded, 'pid'), 'utf8').catch(() => ''));
  if (moved !== owner) await rename(discarded, lockDirectory).catch(() => undefined);
  await rm(discarded, { recursive: true, force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
