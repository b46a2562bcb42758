/**
 * Global set-up of every vitest project: gives the run a temporary folder of its own, and fails it when tests leave
 * a file in there or a process behind. What a run that was killed has left is removed first.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  end,
  inMemoryOf,
  processes,
  removeRemains,
  runPrefix,
  runVariable,
} from './test-remains.ts';

const temporaryVariables = ['TMPDIR', 'TEMP', 'TMP'];

/** vitest calls this before the first worker starts, and what it returns after the last has ended. */
export function setup(): () => void {
  removeRemains();
  const directory = mkdtempSync(join(tmpdir(), runPrefix()));
  const runId = directory;
  const before = new Map(temporaryVariables.map((name) => [name, process.env[name]]));
  for (const name of temporaryVariables) process.env[name] = directory;
  process.env[runVariable] = runId;
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    const left = leftProcesses(runId);
    const files = readdirSync(directory);
    rmSync(directory, { recursive: true, force: true });
    const inMemory = inMemoryOf(basename(directory));
    for (const path of inMemory) rmSync(path, { recursive: true, force: true });
    const leaks = [
      ...left.map((found) => `process ${found}`),
      ...files.map((name) => `file ${name} in the temporary folder`),
      ...inMemory.map((path) => `file ${path}`),
    ];
    if (leaks.length > 0) throw new Error(`the tests left behind:\n  ${leaks.join('\n  ')}`);
  };
}

/** Processes of this run that are neither vitest nor one of its workers, which are its own children. What is found is ended. */
function leftProcesses(runId: string): string[] {
  const found = processes().filter(
    ({ pid, parent, environment }) =>
      environment.includes(`${runVariable}=${runId}`) &&
      pid !== process.pid &&
      parent !== process.pid,
  );
  for (const { pid } of found) end(pid);
  return found.map(({ pid, command }) => `${pid}: ${command}`);
}
