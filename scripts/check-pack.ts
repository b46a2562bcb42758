/**
 * Packs every package as it would be published and imports the result with plain Node, away from the workspace.
 * Needs dist, so it runs after the type check.
 *
 *     node scripts/check-pack.ts
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCommand } from './run-command.ts';

type PackedManifest = {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
};

const root = join(import.meta.dirname, '..');
const scope = '@holdfast/';
const workspace = mkdtempSync(join(tmpdir(), 'holdfast-pack-'));
try {
  process.exitCode = await checkPackages();
} finally {
  rmSync(workspace, { recursive: true, force: true });
}

async function checkPackages(): Promise<number> {
  const archives = join(workspace, 'archives');
  const selection = ['--filter', './packages/*'];
  const pack = ['--yes', 'pnpm@12', ...selection, 'pack', '--pack-destination', archives];
  const packed = await runCommand('npx', pack, root);
  if (packed.code !== 0) return complain(`pnpm pack failed:\n${packed.output}`);
  const names = readdirSync(join(root, 'packages'));
  for (const name of names) await unpack(archives, name);
  let problems = 0;
  for (const name of names) problems += await checkPackage(name);
  problems += await checkCommand();
  problems += await checkMergeThread();
  process.stdout.write(`pack: ${names.length} packages packed, ${problems} problems\n`);
  return problems > 0 || names.length === 0 ? 1 : 0;
}

function complain(text: string): number {
  process.stdout.write(`${text}\n`);
  return 1;
}

function directoryOf(name: string): string {
  return join(workspace, 'node_modules', '@holdfast', name);
}

async function unpack(archives: string, name: string): Promise<void> {
  const archive = readdirSync(archives).find((file) => file.startsWith(`holdfast-${name}-`));
  if (archive === undefined) throw new Error(`packages/${name} was not packed`);
  mkdirSync(directoryOf(name), { recursive: true });
  const source = join(archives, archive);
  const unpacked = await runCommand(
    'tar',
    ['-xzf', source, '-C', directoryOf(name), '--strip-components=1'],
    root,
  );
  if (unpacked.code !== 0) throw new Error(`${archive} cannot be unpacked: ${unpacked.output}`);
}

async function checkPackage(name: string): Promise<number> {
  const text = readFileSync(join(directoryOf(name), 'package.json'), 'utf8');
  const manifest = JSON.parse(text) as PackedManifest;
  let problems = 0;
  if (/"(workspace|catalog|link):/.test(text)) {
    problems += complain(`${manifest.name}: package.json still speaks of the workspace`);
  }
  linkDependencies(name, manifest);
  for (const [entry, file] of Object.entries(manifest.exports)) {
    if (!file.startsWith('./dist/')) {
      problems += complain(`${manifest.name}: ${entry} is ${file}, not in dist`);
    }
    // Why: contract suites import vitest, which only runs inside vitest.
    if (entry === './testing' && name !== 'bytes') continue;
    const specifier = `${manifest.name}${entry.slice(1)}`;
    const code = `await import(${JSON.stringify(specifier)})`;
    const imported = await runCommand(
      process.execPath,
      ['--input-type=module', '-e', code],
      workspace,
    );
    if (imported.code !== 0) problems += complain(`${specifier}:\n${imported.output}`);
  }
  return problems;
}

/** The command must run from what is published as well, where Node strips no types. */
async function checkCommand(): Promise<number> {
  const launcher = join(directoryOf('server'), 'bin', 'holdfast.mjs');
  const ran = await runCommand(process.execPath, [launcher, '--version'], workspace);
  if (ran.code === 0 && /^\d+\.\d+\.\d+/.test(ran.output)) return 0;
  return complain(`holdfast --version:\n${ran.output}`);
}

/** A worker thread loads a file by its name, which no import shows: a merge must find the built one. */
async function checkMergeThread(): Promise<number> {
  const code = `
    import { createNodeEnv } from '@holdfast/env/node';
    import { openLocalStore } from '@holdfast/kv';
    const env = await createNodeEnv();
    const settings = { wal: { preallocate: false } };
    const store = await openLocalStore({ env, directory: 'merge-data', settings });
    for (const byte of [1, 2]) {
      const key = Uint8Array.of(byte);
      await store.transact({ operations: [{ kind: 'put', key, value: key }] });
      await store.flush();
    }
    await store.compact();
    const { merges, mergeThreadFailures } = store.status();
    await store.close();
    process.stdout.write(JSON.stringify({ merges, mergeThreadFailures, threads: env.files.threads.startedCount }));
  `;
  const expected = '{"merges":1,"mergeThreadFailures":0,"threads":1}';
  const ran = await runCommand(process.execPath, ['--input-type=module', '-e', code], workspace);
  if (ran.code === 0 && ran.output.trim() === expected) return 0;
  return complain(`a merge on a thread of its own, from what is published:\n${ran.output}`);
}

/** Our own packages come from the archives; those of others from where the workspace installed them. */
function linkDependencies(name: string, manifest: PackedManifest): void {
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    if (dependency.startsWith(scope)) continue;
    const target = realpathSync(join(root, 'packages', name, 'node_modules', dependency));
    const link = join(directoryOf(name), 'node_modules', dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link, 'junction');
  }
}
