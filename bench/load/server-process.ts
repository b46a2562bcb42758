import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** A server under measurement: a process of its own that prints `listening PORT`. */
export interface ServerProcess {
  readonly port: number;
  readonly pid: number;
  /** Largest resident memory so far, in bytes (VmHWM; Linux). */
  peakResidentBytes(): number;
  /** Resets the peak to the present. */
  resetPeak(): void;
  stop(): Promise<void>;
}

/** Starts `command` and waits until a line of its output matches `port`, whose first group is the port. */
export async function startServerProcess(
  command: string,
  args: readonly string[],
  port: RegExp,
  environment: Readonly<Record<string, string>> = {},
  folder: string = process.cwd(),
): Promise<ServerProcess> {
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const found = await waitForPort(child, port);
  const pid = child.pid as number;
  return {
    port: found,
    pid,
    peakResidentBytes: () => {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    resetPeak: () => writePeakReset(pid),
    stop: () => stopChild(child),
  };
}

async function waitForPort(child: ChildProcess, pattern: RegExp): Promise<number> {
  if (child.stdout === null) throw new Error('no output to read');
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const port = pattern.exec(line)?.[1];
    if (port !== undefined) {
      child.stdout.resume();
      return Number(port);
    }
  }
  throw new Error('the server ended before it listened');
}

function writePeakReset(pid: number): void {
  // Why: 5 in clear_refs sets VmHWM back to the present resident size (proc(5)).
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
