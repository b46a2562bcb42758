import type { TestContext } from 'vitest';
import { expect } from 'vitest';
import { runCommand } from './command.ts';

/** Only what hangs ends here: five files may install, one after the other, and dpkg syncs each file that it unpacks. */
const INSTALL_LIMIT_MS = 1_800_000;

/** A program of the machine that tests drive, and how it gets there in CI. */
export interface ClientProgram {
  readonly command: string;
  /** Arguments with which it succeeds where it is whole, libraries included. */
  readonly probe: readonly string[];
  /** Debian's package of it; without one CI must bring it. */
  readonly package?: string;
}

/** undefined where the program runs, else why not. In CI it is installed first where it is not there. */
export async function whyMissing(program: ClientProgram): Promise<string | undefined> {
  if (await runs(program)) return undefined;
  const missing = `no "${program.command}" that runs on this machine`;
  if (!inContinuousIntegration() || program.package === undefined) return missing;
  const installed = await install(program.package);
  return (await runs(program)) ? undefined : `${missing}, and apt-get did not help: ${installed}`;
}

/** The test that a skipped suite stands for: skipped with the reason, and in CI it fails. */
export function expectPresence(context: TestContext, missing: string | undefined): void {
  if (missing !== undefined && !inContinuousIntegration()) {
    context.skip(`${missing}: its tests cannot run`);
  }
  expect(missing).toBeUndefined();
}

function inContinuousIntegration(): boolean {
  return process.env['CI'] !== undefined;
}

async function runs({ command, probe }: ClientProgram): Promise<boolean> {
  try {
    return (await runCommand(command, probe)).exitCode === 0;
  } catch {
    return false;
  }
}

async function install(name: string): Promise<string> {
  // Another file of tests may be installing something: without it, that one's lock is an error at once. -1: however long.
  const patience = ['-o', 'DPkg::Lock::Timeout=-1'];
  const words = ['apt-get', ...patience, 'install', '--yes', '--no-install-recommends', name];
  const [program = '', ...rest] = process.getuid?.() === 0 ? words : ['sudo', '-n', ...words];
  try {
    const { exitCode, errors } = await runCommand(program, rest, {
      environment: { DEBIAN_FRONTEND: 'noninteractive' },
      limitMs: INSTALL_LIMIT_MS,
    });
    return `exit code ${exitCode} ${errors.trim()}`;
  } catch (error) {
    return String(error);
  }
}
