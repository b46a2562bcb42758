/** Folders of runs of tests, named after the process that they belong to, and what a killed one has left behind. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Every process that the tests start inherits this variable, orphans and servers included: the folder of the run. */
export const runVariable = 'TESTS_OF_HOLDFAST';
/** In memory; only Linux has it. A test names what it makes here after the folder of its run. */
const memoryFolder = '/dev/shm';
/** A process that was killed ends when its disk lets it: twenty seconds. */
const mostLooks = 400;
const lookMs = 50;

/** What the folder of a run of this process is called, up to a random end. */
export function runPrefix(): string {
  return `holdfast-test-${spaceOfIds()}-${process.pid}-`;
}

/** Names in the folder in memory that belong to the run of this name. */
export function inMemoryOf(run: string): string[] {
  return namesIn(memoryFolder)
    .filter((name) => name.startsWith(`${run}-`))
    .map((name) => join(memoryFolder, name));
}

/** Ends and removes what runs have left whose process is gone: processes, mounts, loop devices, folders. */
export function removeRemains(): void {
  const ofThisSpace = new RegExp(`^holdfast-test-${spaceOfIds()}-(\\d+)-`);
  for (const place of [tmpdir(), memoryFolder]) {
    for (const name of namesIn(place)) {
      const owner = ofThisSpace.exec(name)?.[1];
      if (owner !== undefined && !isAlive(Number(owner))) removeFolder(join(place, name));
    }
  }
}

function removeFolder(folder: string): void {
  endAllOf(folder);
  for (const mounted of mountsIn(folder)) spawnSync('umount', ['--lazy', mounted]);
  for (const device of loopDevicesOn(folder)) spawnSync('losetup', ['--detach', device]);
  rmSync(folder, { recursive: true, force: true });
}

/** Looks again until none is left. Why: one that is ending still writes into the folder, and one that was looked at may have had a child. */
function endAllOf(folder: string): void {
  for (let look = 0; look < mostLooks; look++) {
    const found = processes().filter(({ environment }) =>
      environment.includes(`${runVariable}=${folder}`),
    );
    if (found.length === 0) return;
    for (const { pid } of found) end(pid);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookMs);
  }
}

/** Kills a process, where it has not ended by itself since it was looked at. */
export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly environment: readonly string[];
}

/** All that this user may look into. Only Linux says what environment a process was started with; elsewhere none. */
export function processes(): RunningProcess[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const status = textOf(`/proc/${name}/status`);
      const environment = textOf(`/proc/${name}/environ`).split('\0');
      const parent = Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]);
      const command = textOf(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
      return status === '' ? [] : [{ pid: Number(name), parent, command, environment }];
    });
}

/** Why: containers that share a folder have the same ids for other processes. */
function spaceOfIds(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '';
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function mountsIn(folder: string): string[] {
  const points = textOf('/proc/self/mounts').split('\n');
  return points.map((line) => line.split(' ')[1] ?? '').filter((at) => at.startsWith(`${folder}/`));
}

function loopDevicesOn(folder: string): string[] {
  return namesIn('/sys/block')
    .filter((name) => textOf(`/sys/block/${name}/loop/backing_file`).startsWith(`${folder}/`))
    .map((name) => `/dev/${name}`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Empty where it cannot be read. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
