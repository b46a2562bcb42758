import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The root of the workspace. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));
export const LAUNCHER: string = fileURLToPath(
  new URL('../../packages/server/bin/holdfast.mjs', import.meta.url),
);

/** Only what hangs ends here: an upload of a client is seconds, and on a machine that has much else to do some minutes. */
const LIMIT_MS = 600_000;

export interface CommandResult {
  /** -1 where a signal ended it. */
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly workingDirectory?: string;
  readonly limitMs?: number;
}

/** The environment of the test run without what Holdfast or the AWS CLI would take up from it. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(HOLDFAST_|MINIO_|AWS_|NODE_OPTIONS$|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...extra };
}

/** Runs a program to its end. Rejects only where it cannot be started or takes too long. */
export async function runCommand(
  program: string,
  commandArguments: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(program, commandArguments, {
    cwd: options.workingDirectory ?? ROOT,
    env: cleanEnvironment(options.environment),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.limitMs ?? LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  // A program that ends without reading its input is judged by its exit code.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode: exitCode ?? -1, output, errors };
}

/** Runs `holdfast` with the arguments. */
export function runHoldfast(
  commandArguments: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, [LAUNCHER, ...commandArguments], options);
}
