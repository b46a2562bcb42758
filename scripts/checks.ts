/** The checks of `npm test`, in order, as the commands that they are. check-the-checks.ts runs the same ones. */
import { join } from 'node:path';
import { type CommandResult, runCommand } from './run-command.ts';
import { listSources } from './source-files.ts';

export type Check = {
  readonly name: string;
  readonly title: string;
  /** A script and its arguments, as node takes them; it runs in the root that is checked. */
  readonly command: readonly string[];
  /** Finds in the output how many files were read. Why: a check that silently reads nothing passes for ever. */
  readonly filesRead?: RegExp;
  /** True where every source file of the workspace must be among those read. */
  readonly readsEverySource?: boolean;
  /** Finds in the output how many of what it checks have passed and failed, where it is more than one thing. */
  readonly counts?: RegExp;
};

export type CheckResult = { readonly passed: boolean; readonly output: string };

const home = join(import.meta.dirname, '..');
const tool = (path: string): string => join(home, 'node_modules', path);
const script = (name: string): string => join(home, 'scripts', name);

export const checks: readonly Check[] = [
  { name: 'types', title: 'types (tsc -b)', command: [tool('typescript/bin/tsc'), '-b'] },
  {
    name: 'format',
    title: 'format (Biome)',
    command: [tool('@biomejs/biome/bin/biome'), 'check', '--colors=off', '.'],
    filesRead: /Checked (\d+) files/,
    readsEverySource: true,
  },
  {
    name: 'lint',
    title: 'lint (oxlint, type-aware)',
    command: [tool('oxlint/bin/oxlint'), '--deny-warnings', '.'],
    filesRead: /Finished in .* on (\d+) files/,
    readsEverySource: true,
  },
  {
    name: 'layers',
    title: 'layers (real imports)',
    command: [script('check-layers.ts'), '--root', '.'],
    filesRead: /layers: (\d+) files read/,
  },
  {
    name: 'boundaries',
    title: 'boundaries (turbo tags)',
    command: [tool('turbo/bin/turbo'), 'boundaries', '--no-color'],
    filesRead: /Checked (\d+) files/,
  },
  {
    name: 'files',
    title: 'files (names, lengths, state, machine paths)',
    command: [script('check-files.ts'), '--root', '.'],
    filesRead: /files: (\d+) files read/,
    readsEverySource: true,
  },
  {
    name: 'unused',
    title: 'unused files, exports and dependencies (knip)',
    command: [tool('knip/bin/knip.js'), '--no-progress'],
  },
];

/** The checks that try out the others and what is published; they run after them, on the workspace only. */
export const proofs: readonly Check[] = [
  {
    name: 'operations',
    title: 'docs/s3-compatibility.md is what the sources and the SDK say of S3',
    command: [script('s3-surface.ts')],
    filesRead: /operations: (\d+) of the tables/,
  },
  {
    name: 'pack',
    title: 'packed packages run on plain Node',
    command: [script('check-pack.ts')],
  },
  {
    name: 'run',
    title: 'npm start hands on arguments, signals and the exit code',
    command: [script('check-run.ts')],
  },
  {
    name: 'planted',
    title: 'every check finds a planted violation',
    command: [script('check-the-checks.ts')],
  },
];

/** That the tests which docs/s3-compatibility.md names passed in a run of the packages', and show what it says. */
export function surfaceCheck(reportFile: string): Check {
  return {
    name: 'surface',
    title: 'docs/s3-compatibility.md names tests that passed and show it',
    command: [script('s3-surface.ts'), '--report', reportFile],
    filesRead: /operations: (\d+) of the tables/,
  };
}

/** Rules of safety that are broken one at a time: each must be found out. Runs after the tests that find them out. */
export const mutants: Check = {
  name: 'mutants',
  title: 'every rule of safety that is broken is found out',
  command: [script('mutants.ts')],
  counts: /^mutants: (\d+) as they must be, (\d+) not/m,
};

/** The enumeration of crashes: at least 100,000 states, on two cores in three minutes. Runs after the tests. */
export const crashes: Check = {
  name: 'crash',
  title: 'no crash at any operation loses anything',
  command: [script('prove.ts'), '--enough'],
};

/** Clusters by seed, with every fault, on two cores. Runs after the tests. */
export const simulations: Check = {
  name: 'simulation',
  title: 'no cluster that everything happens to loses anything',
  command: [
    join(home, 'packages/server/test/simulation/prove-simulation.ts'),
    '--seed',
    '1',
    '--count',
    '150',
    '--seconds',
    '30',
  ],
};

/** The command that runs the tests of one vitest project. */
export function testCommand(project: string, more: readonly string[]): readonly string[] {
  return [tool('vitest/vitest.mjs'), 'run', '--project', project, ...more];
}

/** Runs a check in `root` and decides from its exit code and from what it says it has read. */
export async function runCheck(check: Check, root: string): Promise<CheckResult> {
  const sourceCount = listSources(root).length;
  if (sourceCount === 0) return { passed: false, output: 'there are no sources to check\n' };
  const { code, output } = await runNode(check.command, root);
  if (code !== 0) return { passed: false, output };
  if (check.filesRead === undefined) return { passed: true, output };
  const read = Number(check.filesRead.exec(output)?.[1] ?? 0);
  const wanted = check.readsEverySource ? sourceCount : 1;
  if (read >= wanted) return { passed: true, output };
  const complaint = `${check.name}: ${read} files were read, of at least ${wanted}\n`;
  return { passed: false, output: output + complaint };
}

/** Runs a script on this Node and collects what it prints. */
export function runNode(command: readonly string[], cwd: string): Promise<CommandResult> {
  return runCommand(process.execPath, [...process.execArgv, ...command], cwd, {
    NO_COLOR: '1',
    DO_NOT_TRACK: '1',
    TURBO_TELEMETRY_DISABLED: '1',
  });
}
