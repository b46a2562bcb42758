/**
 * Global set-up of every vitest project: gives the run a temporary folder of its own, and fails it when tests leave
 * a file in there or a process behind.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Every process that the tests start inherits this variable, orphans included. */
const runVariable = 'HOLDFAST_TEST_RUN';
const temporaryVariables = ['TMPDIR', 'TEMP', 'TMP'];

/** vitest calls this before the first worker starts, and what it returns after the last has ended. */
export function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  const runId = directory;
  const before = new Map(temporaryVariables.map((name) => [name, process.env[name]]));
  for (const name of temporaryVariables) process.env[name] = directory;
  process.env[runVariable] = runId;
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    const processes = leftProcesses(runId);
    const files = readdirSync(directory);
    rmSync(directory, { recursive: true, force: true });
    const leaks = [
      ...processes.map((found) => `process ${found}`),
      ...files.map((name) => `file ${name} in the temporary folder`),
    ];
    if (leaks.length > 0) throw new Error(`the tests left behind:\n  ${leaks.join('\n  ')}`);
  };
}

/**
 * Processes of this run that are neither vitest nor one of its workers, which are its own children. Only Linux says
 * what environment a process was started with; elsewhere nothing is looked for. What is found is ended.
 */
function leftProcesses(runId: string): string[] {
  if (process.platform !== 'linux') return [];
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const facts = factsOf(pid);
    if (facts === undefined || Number(pid) === process.pid) continue;
    if (!facts.environment.includes(`${runVariable}=${runId}`)) continue;
    if (facts.parent === process.pid) continue;
    found.push(`${pid}: ${facts.command}`);
    process.kill(Number(pid), 'SIGKILL');
  }
  return found;
}

function factsOf(
  pid: string,
): { environment: string[]; parent: number; command: string } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return {
      environment: readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'),
      parent: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]),
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    };
  } catch {
    return undefined;
  }
}
