/** Runs a command without a terminal and collects what it prints. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type CommandResult = { readonly code: number; readonly output: string };

/** Some tools colour what they print where CI is set, whatever else they are told. */
const COLOUR = /\u001b\[[0-9;]*m/g;

/**
 * Why a file and no pipe: native tools that run inside Node write to a pipe that does not block, and lose
 * what it cannot take when the reader is slow.
 */
export async function runCommand(
  command: string,
  commandArguments: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-command-'));
  const path = join(folder, 'output');
  const file = openSync(path, 'a');
  try {
    const child = spawn(command, commandArguments, {
      cwd,
      stdio: ['ignore', file, file],
      env: { ...process.env, ...variables },
      shell: process.platform === 'win32' && command === 'npx',
    });
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve(status ?? 1));
    });
    return { code, output: readFileSync(path, 'utf8').replaceAll(COLOUR, '') };
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
}
