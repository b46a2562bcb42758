import { describeManifestFinding, inspectManifest } from '@holdfast/kv';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { InspectionOptions } from './inspection.ts';
import { indexFolder, inspecting } from './inspection.ts';

/** Prints the records of a MANIFEST, and whether they are whole. Changes nothing. */
export function manifestInspect(
  terminal: Terminal,
  given: string,
  options: InspectionOptions,
): Promise<ExitCode> {
  return inspecting(terminal, given, options, async ({ env, path, print, refuse }) => {
    const folder = await indexFolder(env, path);
    let findings = 0;
    let damages = 0;
    for await (const finding of inspectManifest(env, folder)) {
      findings++;
      if (finding.kind === 'damage') damages++;
      print(finding, describeManifestFinding(finding));
    }
    if (findings === 0) return refuse(`There is no MANIFEST in ${path}.`);
    return damages === 0 ? 0 : 1;
  });
}
