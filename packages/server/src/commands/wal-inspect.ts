import { resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import type { WalFinding } from '@holdfast/wal';
import { describeFinding, inspectWal } from '@holdfast/wal';
import { describeFailure } from '../failure.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

/** What a log holds, in numbers. */
interface Summary {
  segments: number;
  batches: number;
  records: number;
  /** Files with something that is neither a whole batch nor unused space. */
  readonly damaged: string[];
  /** Segments that a newer Holdfast wrote. */
  readonly newer: string[];
}

/** Prints what is in the log of a data folder, and whether it is whole. Changes nothing, takes no lock. */
export async function walInspect(
  terminal: Terminal,
  folder: string,
  options: { readonly json: boolean },
): Promise<ExitCode> {
  const given = resolve(terminal.workingDirectory, folder);
  const env = await createNodeEnv();
  try {
    const directory = await logFolder(env, given);
    if (!(await env.files.list(directory)).some((name) => name.endsWith('.wal'))) {
      terminal.printError(`holdfast: There is no log in ${given}.\n`);
      return 1;
    }
    const summary: Summary = { segments: 0, batches: 0, records: 0, damaged: [], newer: [] };
    const print = options.json ? jsonPrinter(terminal, directory) : textPrinter(terminal);
    for await (const finding of inspectWal(env, directory)) {
      count(summary, finding);
      print.finding(finding);
    }
    print.end(summary);
    return summary.damaged.length + summary.newer.length === 0 ? 0 : 1;
  } catch (error) {
    const missing = error instanceof FileError && error.code === 'FILE_NOT_FOUND';
    const failure = missing
      ? { exitCode: 1 as const, message: `There is no log in ${given}.` }
      : describeFailure(error, { directory: given });
    terminal.printError(`holdfast: ${failure.message}\n`);
    return failure.exitCode;
  } finally {
    await env.digests.close();
  }
}

/** A data folder has its log in `wal`. */
async function logFolder(env: Env, given: string): Promise<string> {
  const inside = `${given}/wal`;
  return (await env.files.stat(inside))?.kind === 'directory' ? inside : given;
}

function count(summary: Summary, finding: WalFinding): void {
  if (finding.kind === 'segment') {
    summary.segments += 1;
    if (typeof finding.header === 'string') summary[finding.header].push(finding.file);
  } else if (finding.kind === 'batch') {
    summary.batches += 1;
    summary.records += finding.header.count;
  } else if (finding.kind === 'end' && finding.problem !== undefined) {
    summary.damaged.push(finding.file);
  }
}

interface Printer {
  finding(finding: WalFinding): void;
  end(summary: Summary): void;
}

function textPrinter(terminal: Terminal): Printer {
  return {
    finding: (finding) => terminal.print(`${describeFinding(finding)}\n`),
    end: ({ segments, batches, records, damaged, newer }) => {
      terminal.print(`${segments} segments, ${batches} batches, ${records} records.\n`);
      for (const file of damaged) {
        terminal.print(
          `${file} is damaged, or torn by a crash at its end: a start of the store tells which, and says so.\n`,
        );
      }
      for (const file of newer) {
        terminal.print(`${file} was written by a newer Holdfast: look at it with that one.\n`);
      }
    },
  };
}

/** One document, written as it is found, because a log may be long. */
function jsonPrinter(terminal: Terminal, directory: string): Printer {
  let separator = '';
  return {
    finding: (finding) => {
      if (separator === '')
        terminal.print(`{"directory":${JSON.stringify(directory)},"findings":[`);
      terminal.print(`${separator}\n${JSON.stringify(finding)}`);
      separator = ',';
    },
    end: (summary) => terminal.print(`\n],"summary":${JSON.stringify(summary)}}\n`),
  };
}
