import { describeStoreFinding, verifyStore } from '@holdfast/kv';
import type { ExitCode, Terminal } from '../terminal.ts';
import { inspecting } from './inspection.ts';

/** Reads and checks all of a data folder. Changes nothing, takes no lock. */
export function verify(
  terminal: Terminal,
  options: { readonly data: string; readonly json: boolean },
): Promise<ExitCode> {
  return inspecting(terminal, options.data, options, async ({ env, path, print, refuse }) => {
    let damages: number | undefined;
    for await (const finding of verifyStore(env, path)) {
      if (finding.kind === 'end') damages = finding.damages;
      print(finding, describeStoreFinding(finding));
    }
    if (damages === undefined) return refuse(`There is no store in ${path}.`);
    return damages === 0 ? 0 : 1;
  });
}
