/**
 * Keeps the tables of docs/s3-compatibility.md: every operation, request header, query parameter and header of an answer that
 * S3 or this store has, with its state, its difference from AWS and a test that shows it. They are made of the operation
 * table and the notes of packages/s3, of the SDK's model of S3, and of a run of the tests.
 *
 *     node scripts/run.mjs scripts/s3-surface.ts                  the page is what table, notes, model and sources say
 *     node scripts/run.mjs scripts/s3-surface.ts --report FILE    and the tests that it names show it in that run
 *     node scripts/run.mjs scripts/s3-surface.ts --write [FILE]   runs the tests, or takes a run, and writes the tables
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testCommand } from './checks.ts';
import { lineOf, readPage, type WrittenRow, writePage } from './s3-page.ts';
import { factsOf, type Row, readRows } from './s3-rows.ts';
import { readRun, type TestRun } from './s3-run.ts';

/** Of proxies, which signatures leave out; and in a body, not in its head. */
const NO_HEADERS = ['x-amz-cf-id', 'x-amz-trailer-signature'];
const root = join(import.meta.dirname, '..');
const page = join(root, 'docs', 's3-compatibility.md');
const rows = await readRows(root);
const [mode, report = ''] = process.argv.slice(2);
if (mode === '--write') write(report === '' ? runTests() : readRun(report, root));
else check(mode === '--report' ? readRun(report, root) : undefined);

function write(run: TestRun): void {
  const text = readFileSync(page, 'utf8');
  const written = readPage(text);
  const lines = rows.map((row) => [row, lineOf(row, shown(row, run, written))] as const);
  writeFileSync(page, writePage(text, lines));
  check(run);
}

/** Runs the tests of packages/s3. @throws where one fails */
function runTests(): TestRun {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-surface-'));
  try {
    const file = join(directory, 'report.json');
    const more = ['packages/s3/test', '--reporter=dot', '--reporter=json'];
    const command = testCommand('packages', [...more, `--outputFile.json=${file}`]);
    const { status } = spawnSync(process.execPath, [...process.execArgv, ...command], {
      cwd: root,
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error('a test failed: the page is left as it was');
    return readRun(file, root);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The test of a row and where none shows it. Kept as it was while it is true, so that new tests change nothing. */
function shown(row: Row, run: TestRun, written: ReadonlyMap<string, WrittenRow>): WrittenRow {
  if (!row.needsTest) return { test: '', unshown: [] };
  const tests = run.testsOf(factsOf(row), row.name);
  const named = written.get(keyOf(row))?.test ?? '';
  const test = tests.includes(named) ? named : (tests[0] ?? '');
  return { test, unshown: unshownOf(row, run) };
}

function unshownOf({ section, name, operations }: Row, run: TestRun): readonly string[] {
  return operations.filter((each) => !run.shows(`${each} ${section} ${name}`));
}

function keyOf({ section, name }: Row): string {
  return `${section} ${name}`;
}

/** Says what is not so, and fails then. */
function check(run: TestRun | undefined): void {
  const text = readFileSync(page, 'utf8');
  const written = readPage(text);
  const keys = new Set(rows.map(keyOf));
  const problems = [
    ...rows.flatMap((row) => problemsOf(row, text, written.get(keyOf(row)), run)),
    ...[...written.keys()].filter((key) => !keys.has(key)).map((key) => `${key}: no longer there`),
    ...namesInSources()
      .filter((name) => !isListed(name))
      .map((name) => `${name}: not on the page`),
    ...(run?.answerNames() ?? [])
      .filter((name) => !keys.has(`answer ${name.replace(/^x-amz-meta-.*/, 'x-amz-meta-*')}`))
      .map((name) => `answer ${name}: sent in a test, and not on the page`),
  ];
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.stdout.write(`operations: ${rows.length} of the tables, ${problems.length} problems\n`);
  if (problems.length === 0) return;
  process.stdout.write(
    'npm run docs:s3 writes them; notes are in packages/s3/src/surface-notes.ts\n',
  );
  process.exitCode = 1;
}

function problemsOf(
  row: Row,
  text: string,
  written: WrittenRow | undefined,
  run: TestRun | undefined,
): readonly string[] {
  const key = keyOf(row);
  if (written === undefined) return [`${key}: not on the page`];
  if (!text.includes(`\n${lineOf(row, written)}\n`)) return [`${key}: the page says otherwise`];
  if (!row.needsTest) return [];
  if (written.test === '') return [`${key}: is said to be there, and no test shows it`];
  if (run === undefined) return [];
  if (!run.testsOf(factsOf(row), row.name).includes(written.test)) {
    return [`${key}: this test did not pass, or does not show it: ${written.test}`];
  }
  const lost = unshownOf(row, run).filter((each) => !written.unshown.includes(each));
  return lost.map((each) => `${key}: no test shows it with ${each} any more`);
}

/** Names of headers and parameters that the API reads or writes, as its sources have them. */
function namesInSources(): readonly string[] {
  const folder = join(root, 'packages/s3/src');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const found = files.flatMap((name) => {
    if (name === 'surface-notes.ts') return [];
    const text = readFileSync(join(folder, name), 'utf8');
    return [
      ...text.matchAll(/'(x-(?:amz|holdfast)-[a-z0-9-]*[a-z0-9])'/gi),
      ...text.matchAll(/(?:headers\.(?:get|has)|\.parameter|query\.(?:get|has))\(\s*'([^']+)'/g),
      ...text.matchAll(/'(access-control-[a-z-]+)'/gi),
    ].map(([, each = '']) => each.toLowerCase());
  });
  return [...new Set(found)].sort();
}

/** A name of the sources may be a header or how some begin, a parameter of a URL, a field of a form, or a subresource. */
function isListed(name: string): boolean {
  if (NO_HEADERS.includes(name)) return true;
  return rows.some((row) =>
    row.section === 'operation'
      ? row.request.toLowerCase().split(/[?&=]/).includes(name)
      : `${row.name.toLowerCase()}-`.startsWith(`${name}-`),
  );
}
