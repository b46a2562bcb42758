/**
 * The rules that no linter has: names and lengths of files, module-level state, `export *`, the clock behind
 * `new Date()`, long functions in tests, dead links, and paths or hosts of one machine.
 *
 *     node scripts/check-files.ts [--root DIR]
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Expression, type Span, Visitor } from 'oxc-parser';
import {
  listFiles,
  listSources,
  type ParsedSource,
  parseSource,
  report,
  rootFromArguments,
  type Violation,
} from './source-files.ts';

const maxFileLines = 500;
const maxFunctionLines = 70;
const maxReadmeLines = 80;

const bannedWords = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc']);
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Calls of these make lists of tests, which are not functions to be read in one go. */
const suiteFunctions = new Set(['describe', 'it', 'test', 'suite']);
const emptyContainers = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Array']);

/** Written so that this file does not match itself. */
const machinePatterns: ReadonlyMap<string, RegExp> = new Map([
  [
    'machine-path',
    /(^|[^\w.-])\/(work|root|tmp\/brief)\/|\/(home|Users)\/[a-z][\w.-]*\/|[A-Z]:\\Users\\/,
  ],
  [
    'registry-host',
    /\bregistry\.(npmjs|yarnpkg)\b|\b[\w.-]*(artifactory|verdaccio|nexus)[\w-]*\.[\w.-]+|_auth[T]oken/,
  ],
]);

const root = rootFromArguments();
const violations: Violation[] = [];
const files = listFiles(root);
const sources = listSources(root);

for (const path of files) checkText(path, readFileSync(join(root, path), 'utf8'));
for (const path of sources) {
  checkName(path);
  checkSource(parseSource(root, path));
}
report('files', sources.length, violations);

function checkText(path: string, text: string): void {
  const lines = text.split('\n');
  for (const [rule, pattern] of machinePatterns) {
    lines.forEach((line, index) => {
      const found = pattern.exec(line)?.[0];
      if (found !== undefined) refuse(path, index + 1, rule, `'${found.trim()}' is of one machine`);
    });
  }
  if (path.endsWith('.md')) checkLinks(path, lines);
  if (/^packages\/[^/]+\/README\.md$/.test(path) && lines.length > maxReadmeLines) {
    refuse(path, lines.length, 'readme-length', `more than ${maxReadmeLines} lines`);
  }
}

/** A relative link of a document must lead to something. */
function checkLinks(path: string, lines: readonly string[]): void {
  lines.forEach((line, index) => {
    for (const [, target = ''] of line.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target) || existsSync(join(root, dirname(path), target))) continue;
      refuse(path, index + 1, 'dead-link', `'${target}' is not there`);
    }
  });
}

function checkName(path: string): void {
  for (const part of path.split('/').slice(path.startsWith('packages/') ? 1 : 0)) {
    const stem = part.replace(/\.(test\.|config\.|d\.)?(ts|mts|mjs|js)$/, '');
    if (stem.startsWith('.')) continue;
    if (!kebabCase.test(stem)) refuse(path, 1, 'file-name', `'${part}' is not in kebab-case`);
    const banned = stem.split('-').find((word) => bannedWords.has(word));
    if (banned !== undefined)
      refuse(path, 1, 'file-name', `'${banned}' says nothing: name the idea`);
  }
}

function checkSource(source: ParsedSource): void {
  const { path } = source;
  const lineCount = source.text.trimEnd().split('\n').length;
  if (lineCount > maxFileLines) {
    refuse(path, lineCount, 'file-length', `${lineCount} lines, ${maxFileLines} are the limit`);
  }
  const isShipped = /^packages\/[^/]+\/(src|bin)\//.test(path);
  if (isShipped) checkModuleState(source);
  checkTree(source);
}

/** Invariant: a module holds nothing that two servers in one process could share and change. */
function checkModuleState(source: ParsedSource): void {
  for (const statement of source.result.program.body) {
    const declaration =
      statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declaration?.type !== 'VariableDeclaration' || declaration.declare) continue;
    const line = source.lineOf(declaration.start);
    if (declaration.kind !== 'const') {
      refuse(source.path, line, 'module-state', `a module-level '${declaration.kind}'`);
    }
    for (const { id, init } of declaration.declarations) {
      // Why: a constant that is named empty is one that nobody fills.
      const isNamedEmpty = id.type === 'Identifier' && /^(empty|EMPTY)/.test(id.name);
      if (isEmptyContainer(init) && !isNamedEmpty) {
        refuse(source.path, line, 'module-state', 'a module-level container that starts empty');
      }
    }
  }
}

function isEmptyContainer(init: Expression | null): boolean {
  if (init?.type === 'ArrayExpression') return init.elements.length === 0;
  if (init?.type !== 'NewExpression' || init.callee.type !== 'Identifier') return false;
  return emptyContainers.has(init.callee.name) && init.arguments.length === 0;
}

function checkTree(source: ParsedSource): void {
  const { path } = source;
  const readsRealTime = path.startsWith('packages/env/src/node/') || !path.startsWith('packages/');
  const isTest = /^packages\/[^/]+\/(test|src\/testing)\/|^e2e\//.test(path);
  const refuseClock = (node: Span): void =>
    refuse(path, source.lineOf(node.start), 'clock', 'the real time comes through the Clock port');
  const functions: Span[] = [];
  const suiteCalls: Span[] = [];
  const collect = (node: Span): void => {
    functions.push(node);
  };
  const visitor = new Visitor({
    ExportAllDeclaration: (node) =>
      refuse(path, source.lineOf(node.start), 'export-star', 'name what is exported'),
    NewExpression: (node) => {
      if (readsRealTime || !isNamed(node.callee, 'Date')) return;
      if (node.arguments.length === 0) refuseClock(node);
    },
    CallExpression: (node) => {
      if (!readsRealTime && isNamed(node.callee, 'Date')) refuseClock(node);
      if (isSuiteCall(node.callee)) suiteCalls.push(node);
    },
    FunctionDeclaration: collect,
    FunctionExpression: collect,
    ArrowFunctionExpression: collect,
  });
  visitor.visit(source.result.program);
  if (isTest) checkTestFunctions(source, functions, suiteCalls);
}

/** Functions of tests are as short as others, but the tests that they list are not counted to them. */
function checkTestFunctions(
  source: ParsedSource,
  functions: readonly Span[],
  suiteCalls: readonly Span[],
): void {
  const linesOf = (span: Span): number =>
    source.lineOf(span.end - 1) - source.lineOf(span.start) + 1;
  for (const found of functions) {
    const listed = suiteCalls.filter((call) => isInside(call, found));
    const outermost = listed.filter((call) => !listed.some((other) => isInside(call, other)));
    const own = linesOf(found) - outermost.reduce((sum, call) => sum + linesOf(call), 0);
    if (own <= maxFunctionLines) continue;
    const message = `${own} lines, ${maxFunctionLines} are the limit`;
    refuse(source.path, source.lineOf(found.start), 'function-length', message);
  }
}

function isInside(inner: Span, outer: Span): boolean {
  const isSame = inner.start === outer.start && inner.end === outer.end;
  return !isSame && inner.start >= outer.start && inner.end <= outer.end;
}

/** True for `describe(...)`, `it.each(table)(...)`, `test.for(table)(...)` and the like. */
function isSuiteCall(callee: Expression): boolean {
  if (callee.type === 'Identifier') return suiteFunctions.has(callee.name);
  if (callee.type === 'MemberExpression') return isSuiteCall(callee.object);
  if (callee.type === 'CallExpression') return isSuiteCall(callee.callee);
  return false;
}

function isNamed(node: Expression, name: string): boolean {
  return node.type === 'Identifier' && node.name === name;
}

function refuse(path: string, line: number, rule: string, message: string): void {
  violations.push({ path, line, rule, message: `${message} (${basename(path)})` });
}
