/** Finds and reads the files of the workspace for our own checks. It needs no git, so a fixture is read the same way. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

/** One import or re-export of a file, types included. */
export type ImportEdge = { readonly specifier: string; readonly line: number };

/** One broken rule, as `path:line rule: message`. */
export type Violation = {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
};

const roots = ['packages', 'e2e', 'bench', 'scripts', 'docs', 'docker', '.ci', '.github'];
const skippedDirectories = new Set(['node_modules', 'dist', '.turbo', 'coverage']);
const sourcePattern = /\.(ts|mts|mjs|js)$/;

/** Paths, relative to `root` and with `/`, of everything that is or could be tracked. */
export function listFiles(root: string): string[] {
  // Why not `.git`: it is a file in a second work tree, and never tracked.
  const found = readdirSync(root).filter(
    (name) => name !== '.git' && statSync(join(root, name)).isFile(),
  );
  for (const name of roots) walk(root, name, found);
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** The files of `listFiles` that hold code. */
export function listSources(root: string): string[] {
  return listFiles(root).filter((path) => sourcePattern.test(path));
}

function walk(root: string, directory: string, found: string[]): void {
  if (!existsSync(join(root, directory))) return;
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory() && !skippedDirectories.has(entry.name)) walk(root, path, found);
    if (entry.isFile()) found.push(path);
  }
}

/** A file's syntax tree and what is needed to talk about it. Throws when the file cannot be parsed. */
export function parseSource(root: string, path: string): ParsedSource {
  const text = readFileSync(join(root, path), 'utf8');
  const result = parseSync(path, text);
  const [error] = result.errors;
  if (error !== undefined) throw new Error(`${path} cannot be parsed: ${error.message}`);
  return { path, text, result, lineOf: lineFinder(text) };
}

export type ParsedSource = {
  readonly path: string;
  readonly text: string;
  readonly result: ReturnType<typeof parseSync>;
  /** The line, from 1, of an offset in UTF-16 units. */
  readonly lineOf: (offset: number) => number;
};

/** Every module that the file names: imports, type imports, re-exports, import() and `import('x').Y` of a literal. */
export function importsOf(source: ParsedSource): ImportEdge[] {
  const edges: ImportEdge[] = [];
  const add = (node: { readonly value?: unknown; readonly start: number } | null): void => {
    if (typeof node?.value !== 'string') return;
    edges.push({ specifier: node.value, line: source.lineOf(node.start) });
  };
  const visitor = new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
    ImportExpression: (node) => add(node.source as { start: number; value?: unknown }),
  });
  visitor.visit(source.result.program);
  return edges;
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

/** Prints what a check found and sets the exit code. A check that read nothing has failed. */
export function report(name: string, filesRead: number, violations: readonly Violation[]): void {
  for (const { path, line, rule, message } of violations) {
    process.stdout.write(`${path}:${line} ${rule}: ${message}\n`);
  }
  process.stdout.write(`${name}: ${filesRead} files read, ${violations.length} violations\n`);
  if (filesRead === 0) process.stdout.write(`${name}: nothing was read, so nothing was checked\n`);
  process.exitCode = filesRead === 0 || violations.length > 0 ? 1 : 0;
}

/** The workspace to check: `--root DIR`, or the one that this script is in. */
export function rootFromArguments(): string {
  const at = process.argv.indexOf('--root');
  return at === -1 ? join(import.meta.dirname, '..') : (process.argv[at + 1] ?? '.');
}
