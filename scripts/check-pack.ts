/**
 * Packs every package as it would be published and imports the result with plain Node, away from the workspace.
 * Needs dist, so it runs after the type check.
 *
 *     node scripts/check-pack.ts
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PackedManifest, PublishedPackages } from './published-packages.ts';
import { runCommand } from './run-command.ts';

/** As `bin/holdfast.mjs` says it. */
const NODE_RANGE = '>=24';

const workspace = mkdtempSync(join(tmpdir(), 'holdfast-pack-'));
try {
  process.exitCode = await checkPackages(await PublishedPackages.layOut(workspace));
} finally {
  rmSync(workspace, { recursive: true, force: true });
}

async function checkPackages(published: PublishedPackages): Promise<number> {
  const { names } = published;
  let problems = 0;
  for (const name of names) problems += await checkPackage(published.manifestText(name));
  problems += await checkCommand(published.launcher);
  problems += await checkMergeThread();
  process.stdout.write(`pack: ${names.length} packages packed, ${problems} problems\n`);
  return problems > 0 || names.length === 0 ? 1 : 0;
}

function complain(text: string): number {
  process.stdout.write(`${text}\n`);
  return 1;
}

async function checkPackage(text: string): Promise<number> {
  const manifest = JSON.parse(text) as PackedManifest;
  let problems = 0;
  if (/"(workspace|catalog|link):/.test(text)) {
    problems += complain(`${manifest.name}: package.json still speaks of the workspace`);
  }
  problems += checkRequirements(manifest);
  for (const [entry, file] of Object.entries(manifest.exports)) {
    if (!file.startsWith('./dist/')) {
      problems += complain(`${manifest.name}: ${entry} is ${file}, not in dist`);
    }
    // Why: contract suites import vitest, which only runs inside vitest.
    if (entry === './testing' && manifest.name !== '@holdfast/bytes') continue;
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

/** What an install checks: the Node that runs it, and what else a project has. */
function checkRequirements(manifest: PackedManifest): number {
  const { name, private: isPrivate = false, engines, peerDependencies = {} } = manifest;
  let problems = 0;
  if (!isPrivate && engines?.node !== NODE_RANGE) {
    problems += complain(`${name}: engines.node is not ${NODE_RANGE}`);
  }
  for (const [peer, range] of Object.entries(peerDependencies)) {
    // Why: npm refuses to install beside another version, and few who install us use the contract suites, which need it.
    if (range !== '*') problems += complain(`${name}: the peer ${peer} is ${range}, not *`);
  }
  return problems;
}

/** The command must run from what is published as well, where Node strips no types. */
async function checkCommand(launcher: string): Promise<number> {
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
    const settings = { wal: { preallocate: false }, mergeThreadSizeBytes: 0 };
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
