import { resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { isFileInTheWay, reportFailure } from '../failure.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export interface InspectionOptions {
  /** One JSON object a line instead of text. */
  readonly json: boolean;
}

/** What a command that only looks does with what it was given. */
export interface Inspection {
  readonly env: Env;
  /** Absolute. */
  readonly path: string;
  /** Prints one finding in the form that was asked for. */
  readonly print: (finding: object, text: string) => void;
  /** Says on standard error why there is nothing to look at. */
  readonly refuse: (sentence: string) => ExitCode;
}

/** The frame of the commands that look at files: reads only, takes no lock. */
export async function inspecting(
  terminal: Terminal,
  given: string,
  options: InspectionOptions,
  look: (inspection: Inspection) => Promise<ExitCode>,
): Promise<ExitCode> {
  const path = resolve(terminal.workingDirectory, given);
  const env = await createNodeEnv();
  const refuse = (sentence: string): ExitCode => {
    terminal.printError(`holdfast: ${sentence}\n`);
    return 1;
  };
  try {
    return await look({
      env,
      path,
      refuse,
      print: (finding, text) => {
        terminal.print(`${options.json ? JSON.stringify(finding) : text}\n`);
      },
    });
  } catch (error) {
    const isMissing = error instanceof FileError && error.code === 'FILE_NOT_FOUND';
    if (isMissing && !isFileInTheWay(error)) {
      return refuse(`${error.path} is not there.`);
    }
    return reportFailure(terminal, error, { directory: path });
  } finally {
    await env.digests.close();
  }
}

/** A data folder has its index in `kv`. */
export async function indexFolder(env: Env, given: string): Promise<string> {
  const inside = `${given}/kv`;
  return (await env.files.stat(inside))?.kind === 'directory' ? inside : given;
}
