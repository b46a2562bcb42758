/**
 * Keeps docs/s3-operations.md: every operation that S3 has, as the operation table of packages/s3 has it, with the test that
 * shows it. Checks the page; `--write` writes it anew.
 *
 *     node scripts/run.mjs scripts/s3-operations.ts [--write]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs', 's3-operations.md');
const testFolders = ['packages/s3/test', 'e2e'];
/** Operations that no SDK has: all tests of a file are theirs. */
const ownFiles: ReadonlyMap<string, string> = new Map([
  ['PostObject', 'packages/s3/test/post-object.test.ts'],
  ['Preflight', 'packages/s3/test/cors.test.ts'],
]);
/** Where the SDK has another name for it. */
const sdkNames: ReadonlyMap<string, string> = new Map([
  ['DeleteBucketLifecycleConfiguration', 'DeleteBucketLifecycle'],
]);

/** What is used of the table. */
interface OperationEntry {
  readonly name: string;
  readonly run?: unknown;
  readonly copy?: Pick<OperationEntry, 'name' | 'run'>;
}

interface Row {
  readonly name: string;
  /** `PUT bucket?cors` */
  readonly request: string;
  readonly exists: boolean;
}

interface NamedTest {
  readonly path: string;
  readonly title: string;
  readonly text: string;
}

/** How the page says where a test is. */
const testCell = ({ path, title }: NamedTest): string =>
  `\`${path}\`: ${title.replaceAll('|', '\\|')}`;

// Why so: it is what the package keeps to itself, and no import of the workspace leads there.
const table = pathToFileURL(join(root, 'packages/s3/src/operation-table.ts')).href;
const { OPERATIONS } = (await import(table)) as {
  OPERATIONS: Readonly<Record<string, ReadonlyMap<string, OperationEntry>>>;
};
const rows = allRows();
// Those that try refusals come last: they name operations that they hardly show.
const tests = testFolders
  .flatMap(readTests)
  .sort((left, right) => Number(isAside(left)) - Number(isAside(right)));
if (process.argv.includes('--write')) {
  writeFileSync(page, render());
  process.stdout.write(`${page}: ${rows.length} operations\n`);
} else {
  const problems = check(readFileSync(page, 'utf8'));
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.stdout.write(
    `operations: ${rows.length} of the table, ${tests.length} tests, ${problems.length} problems\n`,
  );
  if (problems.length > 0) {
    process.stdout.write('node scripts/run.mjs scripts/s3-operations.ts --write\n');
    process.exitCode = 1;
  }
}

function allRows(): Row[] {
  const found: Row[] = [];
  for (const [level, methods] of Object.entries(OPERATIONS)) {
    for (const [key, entry] of methods) {
      const [method = '', subresource = ''] = key.split(' ');
      const request = `${method} ${level}${subresource === '' ? '' : `?${subresource}`}`;
      found.push(rowOf(entry, request));
      if (entry.copy) found.push(rowOf(entry.copy, `${request}, x-amz-copy-source`));
    }
  }
  return found;
}

function rowOf({ name, run }: Pick<OperationEntry, 'name' | 'run'>, request: string): Row {
  return { name, request, exists: run !== undefined };
}

/** The tests of a folder by their titles; what stands outside of any is under no title. */
function readTests(folder: string): NamedTest[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'));
  return files.sort().flatMap((name) => {
    const path = `${folder}/${name.replaceAll('\\', '/')}`;
    const pieces = readFileSync(join(root, path), 'utf8').split(/^ *test(?:\.each\([^)]*\))?\(/m);
    return pieces.slice(1).flatMap((text) => {
      const title = /^\s*'((?:[^'\\]|\\.)*)'/.exec(text)?.[1];
      return title === undefined ? [] : [{ path, title: title.replaceAll("\\'", "'"), text }];
    });
  });
}

function isAside({ path }: NamedTest): boolean {
  return /\/(access|errors|fuzz|connection)\b/.test(path);
}

/** Whether a test uses the operation: by the command of the SDK, by its S3 name, or as a request. */
function uses({ text, path: file }: NamedTest, { name, request }: Row): boolean {
  const ownFile = ownFiles.get(name);
  if (ownFile !== undefined) return file === ownFile;
  const sdkName = sdkNames.get(name) ?? name;
  if (new RegExp(`\\b${sdkName}(V2)?(Command)?\\b`).test(text)) return true;
  const [method = '', target = ''] = request.split(/[ ,]/);
  const [level, subresource] = target.split('?');
  if (subresource === undefined) return false;
  const path = level === 'object' ? '/[^\'"`?]+/[^\'"`?]+' : '/[^\'"`?/]+';
  return new RegExp(`['"\`]${method}['"\`][^\\n]{0,60}${path}\\?${subresource}\\b`).test(text);
}

function testOf(row: Row): NamedTest | undefined {
  return tests.find((each) => uses(each, row));
}

function render(): string {
  const lines = rows.map((row) => {
    const test = row.exists ? testOf(row) : undefined;
    const cells = [row.name, row.request, row.exists ? 'yes' : 'no', test ? testCell(test) : ''];
    return `| ${cells.join(' | ')} |`;
  });
  return `# Operations

Written by \`npm run docs:s3\` from the operation table of \`packages/s3\` and from the titles of the tests; \`npm test\` fails where a
state is not that of the table, an operation has no test, or a test is no longer there. **no** is answered with \`501
NotImplemented\` and the operation's name. How an operation differs from AWS is in [s3-compatibility.md](s3-compatibility.md).

| Operation | Request | State | A test that shows it |
| --- | --- | --- | --- |
${lines.join('\n')}
`;
}

/** What is not as the table and the tests say. A test that came to be is no problem: the page names one of many. */
function check(text: string): string[] {
  const written = new Map<string, readonly string[]>();
  for (const line of text.split('\n').filter((each) => each.startsWith('| '))) {
    const [name = '', ...cells] = line.slice(2, -2).split(' | ');
    written.set(`${name} ${cells[0]}`, cells);
  }
  const known = new Map(tests.map((test) => [testCell(test), test]));
  return rows.flatMap((row) => {
    const cells = written.get(`${row.name} ${row.request}`);
    if (cells === undefined) return [`${row.name} is not on the page`];
    const [, state, ...shown] = cells;
    if (state !== (row.exists ? 'yes' : 'no')) return [`${row.name} is said to be '${state}'`];
    if (!row.exists) return [];
    const test = known.get(shown.join(' | ').trim());
    if (test === undefined) return [`${row.name}: there is no such test: ${shown.join(' | ')}`];
    return uses(test, row) ? [] : [`${row.name} is not in its test: ${test.title}`];
  });
}
