import { keepProcessAlive } from '@holdfast/env/node';
import { runCommandLine } from './command-line.ts';
import type { Terminal } from './terminal.ts';

/**
 * The entry point of the `holdfast` command: the one place that reads the environment and the arguments,
 * listens to signals and ends the process.
 */
const terminal: Terminal = {
  arguments: process.argv.slice(2),
  environment: process.env,
  workingDirectory: process.cwd(),
  input: process.stdin,
  inputIsScreen: process.stdin.isTTY === true && process.stdout.isTTY === true,
  errorsAreScreen: process.stderr.isTTY === true,
  openFileLimit,
  print: (text) => void process.stdout.write(text),
  printError: (text) => void process.stderr.write(text),
  onSignal: (listener) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, listener);
  },
  onUncaught: (listener) => {
    process.on('uncaughtException', listener);
    process.on('unhandledRejection', listener);
  },
  outliveOutput: () => {
    process.stdout.on('error', () => undefined).off('error', endWithOutput);
  },
  exit: (code) => process.exit(code),
};

process.stdout.on('error', endWithOutput);
// Why: without a listener it ends the process, a server too. The exit code says what went wrong all the same.
process.stderr.on('error', () => undefined);

// A command may wait for nothing but a timer.
keepProcessAlive();
const exitCode = await runCommandLine(terminal);
// What was printed to a pipe may still be on its way.
await Promise.all([process.stdout, process.stderr].map(flushed));
process.exit(exitCode);

function openFileLimit(): number | undefined {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } };
  };
  const limit = userLimits?.open_files?.soft;
  return typeof limit === 'number' ? limit : undefined;
}

/** A reader that went away (`holdfast wal inspect … | head`) is no failure. */
function endWithOutput(error: NodeJS.ErrnoException): never {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
