/**
 * Makes a folder that any Node.js 24 runs, away from the workspace: the built server and all that it depends on.
 *
 *     node scripts/make-app.ts FOLDER
 *
 * `FOLDER/bin/holdfast.mjs` is the command. What was in the folder is replaced.
 */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCommand } from './run-command.ts';

const root = join(import.meta.dirname, '..');

process.exitCode = await main(process.argv.slice(2));

async function main([folder]: readonly string[]): Promise<number> {
  if (folder === undefined) {
    process.stderr.write('usage: node scripts/make-app.ts FOLDER\n');
    return 2;
  }
  // Why outside the workspace first: pnpm takes what is inside for a part of it.
  const draft = mkdtempSync(join(tmpdir(), 'holdfast-app-'));
  try {
    await run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-b']);
    const deploy = ['--filter', '@holdfast/server', 'deploy', '--prod', '--legacy'];
    await run(['npx', '--yes', 'pnpm@12', ...deploy, '--prefer-offline', draft]);
    rmSync(folder, { recursive: true, force: true });
    // Why copied before it is changed: pnpm's files are links to those of the workspace.
    cpSync(draft, resolve(folder), { recursive: true, verbatimSymlinks: true });
    for (const own of [resolve(folder), ...ownPackages(resolve(folder))]) publish(own);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  process.stdout.write(`${resolve(folder)}: node bin/holdfast.mjs --help\n`);
  return 0;
}

async function run([program = '', ...words]: readonly string[]): Promise<void> {
  const { code, output } = await runCommand(program, words, root, {});
  if (code !== 0) throw new Error(`${program} ${words.join(' ')} failed:\n${output}`);
}

/** The folders of our own packages in pnpm's store of what was deployed. */
function ownPackages(folder: string): string[] {
  const store = join(folder, 'node_modules', '.pnpm');
  return readdirSync(store)
    .filter((name) => name.startsWith('@holdfast+'))
    .map((name) => {
      const short = /^@holdfast\+([a-z0-9-]+)@/.exec(name)?.[1] ?? '';
      return join(store, name, 'node_modules', '@holdfast', short);
    });
}

/** What a registry does to a package: its entries are the built ones. Node strips no types of what is installed. */
function publish(folder: string): void {
  const path = join(folder, 'package.json');
  const { publishConfig, ...manifest } = JSON.parse(readFileSync(path, 'utf8')) as {
    publishConfig?: object;
  };
  if (!existsSync(join(folder, 'dist'))) throw new Error(`${folder} was not built`);
  writeFileSync(path, `${JSON.stringify({ ...manifest, ...publishConfig }, undefined, 2)}\n`);
  rmSync(join(folder, 'src'), { recursive: true, force: true });
}
