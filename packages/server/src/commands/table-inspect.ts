import type { Env } from '@holdfast/env';
import { describeTableFinding, inspectTable } from '@holdfast/kv';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { InspectionOptions } from './inspection.ts';
import { indexFolder, inspecting } from './inspection.ts';

/** Prints what is in a sorted table, or in all of a folder, and whether it is whole. Changes nothing. */
export function tableInspect(
  terminal: Terminal,
  given: string,
  options: InspectionOptions,
): Promise<ExitCode> {
  return inspecting(terminal, given, options, async ({ env, path, print, refuse }) => {
    const tables = await tablesOf(env, path);
    if (tables.length === 0) return refuse(`There is no table in ${path}.`);
    let damages = 0;
    for (const table of tables) {
      for await (const finding of inspectTable(env, table)) {
        if (finding.kind === 'end') damages += finding.damages;
        print(finding, describeTableFinding(finding));
      }
    }
    return damages === 0 ? 0 : 1;
  });
}

async function tablesOf(env: Env, path: string): Promise<string[]> {
  if ((await env.files.stat(path))?.kind === 'file') return [path];
  const folder = await indexFolder(env, path);
  const names = await env.files.list(folder);
  return names.filter((name) => name.endsWith('.table')).map((name) => `${folder}/${name}`);
}
