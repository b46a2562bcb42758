import type { Readable } from 'node:stream';

/**
 * The process around a command, handed down by the entry point: the only part of the program that looks at
 * the environment, the arguments and the signals.
 */
export interface Terminal {
  /** Without the names of the binary and the script. */
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute folder against which relative paths are meant. */
  readonly workingDirectory: string;
  readonly input: Readable;
  /** Whether input and output are a person's screen. */
  readonly inputIsScreen: boolean;
  readonly errorsAreScreen: boolean;
  /** How many files and sockets the process may have open at once, where the system says so. */
  readonly openFileLimit: () => number | undefined;
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
  /** Calls `listener` at each SIGTERM, SIGINT or SIGHUP, instead of the default end. */
  readonly onSignal: (listener: (signal: NodeJS.Signals) => void) => void;
  /** Calls `listener` for an error that nobody caught. */
  readonly onUncaught: (listener: (error: unknown) => void) => void;
  /** From now on the process goes on where its output cannot be written: to a full volume, to a reader that went away. */
  readonly outliveOutput: () => void;
  /** Ends the process at once. */
  readonly exit: (code: number) => never;
}

/** Exit code of a command. 0: done; 1: failed; 2: used wrongly. */
export type ExitCode = 0 | 1 | 2;
