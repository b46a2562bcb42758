import { resolve } from 'node:path';
import { describeSalvageFinding, salvageStore } from '@holdfast/kv';
import type { ExitCode, Terminal } from '../terminal.ts';
import { inspecting } from './inspection.ts';

/** Copies what still verifies into a new folder. Changes nothing in the old one. */
export function salvage(
  terminal: Terminal,
  options: { readonly data: string; readonly to: string; readonly json: boolean },
): Promise<ExitCode> {
  const target = resolve(terminal.workingDirectory, options.to);
  return inspecting(terminal, options.data, options, async ({ env, path, print, refuse }) => {
    if ((await env.files.stat(`${path}/wal`)) === undefined) {
      return refuse(`There is no store in ${path}.`);
    }
    let lost = false;
    for await (const finding of salvageStore(env, path, target)) {
      if (finding.kind !== 'end') lost = true;
      print(finding, describeSalvageFinding(finding));
    }
    return lost ? 1 : 0;
  });
}
