/** A small copy of the workspace in a temporary folder: its real configuration and scripts, and next to no code. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type FixtureFile = { readonly path: string; readonly content: string };

const root = join(import.meta.dirname, '..');
const notCopied = new Set(['README.md', 'CHANGELOG.md', 'LICENSE']);

/** Owns its folder: `using` deletes it. */
export type Fixture = Disposable & { readonly directory: string };

export function makeFixture(files: readonly FixtureFile[], withCode = true): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-planted-'));
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const isCode = entry.name.endsWith('.ts');
    if (!entry.isFile() || notCopied.has(entry.name) || (isCode && !withCode)) continue;
    cpSync(join(root, entry.name), join(directory, entry.name));
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'junction');
  shortenCatalog(directory);
  if (withCode) {
    cpSync(join(root, 'scripts'), join(directory, 'scripts'), { recursive: true });
    for (const name of readdirSync(join(root, 'packages'))) copyPackage(directory, name);
    for (const name of ['e2e', 'bench']) writeManifest(directory, name, {});
    put(directory, 'e2e/nothing.test.ts', 'export const nothing = true;\n');
    put(directory, 'bench/main.ts', 'export const nothing = true;\n');
  }
  for (const { path, content } of files) put(directory, path, content);
  return {
    directory,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The packages of a fixture have no dependencies, so the catalog keeps only what the root asks for. */
function shortenCatalog(directory: string): void {
  const used = readFileSync(join(root, 'package.json'), 'utf8');
  const lines = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8').split('\n');
  const kept = lines.filter((line) => {
    const name = /^ {2}'?([@\w/-]+)'?: \d/.exec(line)?.[1];
    return name === undefined || used.includes(`"${name}"`);
  });
  put(directory, 'pnpm-workspace.yaml', kept.join('\n'));
}

/** A package keeps its manifest without dependencies and its configuration; every entry point becomes one line. */
function copyPackage(directory: string, name: string): void {
  const home = `packages/${name}`;
  for (const file of ['tsconfig.json', 'turbo.json']) {
    if (!existsSync(join(root, home, file))) continue;
    put(directory, `${home}/${file}`, readFileSync(join(root, home, file), 'utf8'));
  }
  const manifest = JSON.parse(readFileSync(join(root, home, 'package.json'), 'utf8')) as {
    exports: Readonly<Record<string, string>>;
  };
  writeManifest(directory, home, { exports: manifest.exports });
  const entries = Object.values(manifest.exports);
  for (const path of name === 'server' ? [...entries, './src/main.ts'] : entries) {
    put(directory, join(home, path), 'export const nothing = true;\n');
  }
}

function writeManifest(
  directory: string,
  home: string,
  more: Readonly<Record<string, unknown>>,
): void {
  const name = `@holdfast/${home.split('/').at(-1)}`;
  const manifest = { name, version: '0.0.0', private: true, type: 'module', ...more };
  put(directory, `${home}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

function put(directory: string, path: string, content: string): void {
  const target = join(directory, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, content);
}
