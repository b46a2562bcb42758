/** One violation for every rule that `npm test` enforces, and what the check must say about it. */

export type PlantedViolation = {
  /** The check that must find it. */
  readonly check: string;
  /** The rule as the check names it. */
  readonly rule: string;
  readonly path: string;
  readonly content: string;
};

const lines = (count: number, line: string): string => `${line}\n`.repeat(count);

/** The check is `lint` and the file a package's, unless it says otherwise. */
function inLint(rule: string, path: string, content: string): PlantedViolation {
  return { check: 'lint', rule, path: `packages/${path}`, content: `${content}\n` };
}

function inFiles(rule: string, path: string, content: string): PlantedViolation {
  return { check: 'files', rule, path, content: `${content}\n` };
}

function inLayers(rule: string, path: string, content: string): PlantedViolation {
  return { check: 'layers', rule, path, content: `${content}\n` };
}

const longFunction = `export function long(): void {\n${lines(69, '  void 0;')}}`;

const lintViolations: readonly PlantedViolation[] = [
  inLint('no-restricted-imports', 'wal/src/reads-files.ts', "export { open } from 'node:fs';"),
  inLint('no-restricted-imports', 'kv/src/reads-files.ts', "export { open } from 'fs/promises';"),
  inLint('no-restricted-imports', 'bytes/src/hashes.ts', "export { createHash } from 'crypto';"),
  inLint('no-restricted-imports', 'objects/src/streams.ts', "export { Readable } from 'stream';"),
  inLint('no-restricted-imports', 'env/src/real.ts', "export { open } from 'node:fs';"),
  inLint('no-restricted-imports', 's3/src/client.ts', "export { S3 } from '@aws-sdk/client-s3';"),
  inLint('no-restricted-imports', 's3/src/waits.ts', "export { setTimeout } from 'timers';"),
  inLint('no-restricted-imports', 's3/src/reads.ts', "export { env } from 'node:process';"),
  inLint('no-restricted-imports', 's3/test/waits.ts', "export { setTimeout } from 'timers';"),
  inLint(
    'no-restricted-properties',
    'kv/src/clock.ts',
    'export const now = (): number => Date.now();',
  ),
  inLint('no-restricted-properties', 'env/src/memory/clock.ts', 'export const now = Date.now;'),
  inLint('no-restricted-properties', 'kv/test/clock.ts', 'export const now = Date.now;'),
  inLint('no-restricted-properties', 'wal/src/dice.ts', 'export const roll = Math.random;'),
  inLint('no-restricted-properties', 'raft/src/dice.ts', 'export const roll = Math.random;'),
  inLint('no-restricted-imports', 'raft/src/reads-files.ts', "export { open } from 'node:fs';"),
  inLint('no-restricted-properties', 'objects/src/home.ts', 'export const e = process.env;'),
  inLint('no-restricted-properties', 's3/src/home.ts', 'export const e = process.env;'),
  inLint(
    'no-restricted-properties',
    'server/src/stop.ts',
    'export const e = () => process.exit(1);',
  ),
  inLint(
    'no-restricted-globals',
    'wal/src/waits.ts',
    'export const t = () => setTimeout(() => {}, 1);',
  ),
  inLint(
    'no-restricted-globals',
    'wal/src/repeats.ts',
    'export const t = () => setInterval(() => {}, 1);',
  ),
  inLint(
    'no-restricted-globals',
    'wal/src/turns.ts',
    'export const t = () => setImmediate(() => {});',
  ),
  inLint(
    'no-restricted-globals',
    's3/src/waits-too.ts',
    'export const t = () => setTimeout(() => {}, 1);',
  ),
  inLint(
    'no-restricted-globals',
    's3/test/sleeps.ts',
    'export const t = () => setTimeout(() => {}, 1);',
  ),
  inLint('no-restricted-globals', 'kv/src/timing.ts', 'export const t = () => performance.now();'),
  inLint('no-restricted-globals', 'objects/src/cwd.ts', 'export const c = () => process.cwd();'),
  inLint('no-restricted-globals', 'bytes/src/buffer.ts', 'export const b = () => Buffer.alloc(1);'),
  inLint('no-restricted-globals', 's3/src/prints.ts', "export const p = () => console.log('x');"),
  inLint(
    'no-restricted-globals',
    'objects/src/random.ts',
    'export const c = () => crypto.randomUUID();',
  ),
  inLint(
    'no-restricted-globals',
    'objects/src/fetches.ts',
    "export const f = () => fetch('http://a');",
  ),
  inLint('no-restricted-imports', 's3/src/stops.ts', "export { exit } from 'node:process';"),
  inLint(
    'no-restricted-imports',
    's3/src/times.ts',
    "export { performance } from 'node:perf_hooks';",
  ),
  inLint(
    'no-restricted-imports',
    'kv/test/times.ts',
    "export { performance } from 'node:perf_hooks';",
  ),
  inLint('no-restricted-properties', 's3/src/hrtime.ts', 'export const h = process.hrtime;'),
  inLint('no-restricted-properties', 's3/src/global.ts', 'export const t = globalThis.setTimeout;'),
  inLint(
    'eqeqeq',
    's3/src/equals.ts',
    'export const e = (a: string, b: string): boolean => a == b;',
  ),
  inLint(
    'await-thenable',
    's3/src/awaits.ts',
    'export const a = async (): Promise<number> => await 1;',
  ),
  inLint(
    'no-floating-promises',
    's3/src/floats.ts',
    'async function later(): Promise<void> {}\nexport function f(): void {\n  later();\n}',
  ),
  inLint(
    'no-misused-promises',
    's3/src/misuses.ts',
    'export const f = (a: number[]): void => a.forEach(async (n) => {\n  await Promise.resolve(n);\n});',
  ),
  inLint('no-explicit-any', 's3/src/any.ts', 'export const f = (a: any): unknown => a;'),
  inLint('no-default-export', 's3/src/default.ts', 'export default 1;'),
  inLint('no-mutable-exports', 's3/src/mutable.ts', 'export let a = 1;\na = 2;'),
  inLint('no-var', 's3/src/var.ts', 'var a = 1;\nexport const b = a;'),
  inLint(
    'no-cycle',
    'kv/src/one.ts',
    "import { b } from './two.ts';\nexport const a = (): unknown => b;",
  ),
  inLint(
    'no-cycle',
    'kv/src/two.ts',
    "import { a } from './one.ts';\nexport const b = (): unknown => a;",
  ),
  inLint('filename-case', 's3/src/CamelCase.ts', 'export const a = 1;'),
  inLint('max-lines', 's3/src/long-file.ts', lines(500, '// a line') + 'export const a = 1;'),
  inLint('max-lines-per-function', 's3/src/long-function.ts', longFunction),
];

const layerViolations: readonly PlantedViolation[] = [
  inLayers('layer', 'packages/wal/src/upward.ts', "export { a } from '@holdfast/kv';"),
  inLayers(
    'layer',
    'packages/bytes/src/upward.ts',
    "import type { Env } from '@holdfast/env';\nexport type E = Env;",
  ),
  inLayers('layer', 'packages/raft/src/sideways.ts', "import '@holdfast/env';"),
  inLayers('layer', 'packages/objects/src/sideways.ts', "import '@holdfast/wal';"),
  inLayers('layer', 'packages/s3/src/storage.ts', "export const a = () => import('@holdfast/kv');"),
  inLayers(
    'layer',
    'packages/s3/src/type-only.ts',
    "export type A = import('@holdfast/server').A;",
  ),
  inLayers('layer', 'packages/kv/test/upward.test.ts', "import '@holdfast/objects';"),
  inLayers('layer', 'e2e/inside.test.ts', "import '@holdfast/server';"),
  inLayers('deep-import', 'packages/kv/src/deep.ts', "import '@holdfast/wal/src/index.ts';"),
  inLayers('relative-import', 'packages/kv/src/leaves.ts', "import '../../wal/src/index.ts';"),
  inLayers('ships-tests', 'packages/kv/src/tests.ts', "import './testing/index.ts';"),
  inLayers('ships-tests', 'packages/kv/src/suite.ts', "import '@holdfast/env/testing';"),
  inLayers('adapter', 'packages/kv/src/adapter.ts', "import '@holdfast/env/node';"),
  inLayers('undeclared', 'packages/kv/src/undeclared.ts', "import 'left-pad';"),
  inLayers('undeclared', 'packages/kv/src/undeclared-layer.ts', "import '@holdfast/bytes';"),
  inLayers('unknown-package', 'packages/kv/src/unknown.ts', "import '@holdfast/nowhere';"),
];

const longTest = `describe('a', () => {\n  test('b', () => {\n${lines(70, '    f();')}  });\n});`;

const fileViolations: readonly PlantedViolation[] = [
  inFiles('export-star', 'packages/kv/src/stars.ts', "export * from './index.ts';"),
  inFiles('export-star', 'packages/kv/src/named-star.ts', "export * as all from './index.ts';"),
  inFiles(
    'module-state',
    'packages/kv/src/state.ts',
    'let count = 0;\nexport const next = () => ++count;',
  ),
  inFiles('module-state', 'packages/kv/src/exported.ts', 'export let count = 0;'),
  inFiles(
    'module-state',
    'packages/kv/src/cache.ts',
    'export const cache = new Map<string, string>();',
  ),
  inFiles('clock', 'packages/kv/src/today.ts', 'export const today = () => new Date();'),
  inFiles('clock', 'packages/kv/test/today.ts', 'export const today = () => Date();'),
  inFiles('file-length', 'packages/kv/src/long-file.ts', lines(501, 'export {};')),
  inFiles('function-length', 'packages/kv/test/long.test.ts', longTest),
  inFiles('file-name', 'packages/kv/src/string-utils.ts', 'export {};'),
  inFiles('file-name', 'packages/kv/src/helpers/index.ts', 'export {};'),
  inFiles('file-name', 'packages/kv/src/Upper.ts', 'export {};'),
  inFiles('readme-length', 'packages/kv/README.md', lines(81, 'A line.')),
  inFiles('dead-link', 'docs/links.md', 'See [nothing](nothing.md#there).'),
  // Joined here, so that this file does not break the rule itself.
  inFiles('machine-path', 'docs/planted.md', `See ${['', 'work', 'main'].join('/')}.`),
  inFiles('machine-path', 'packages/kv/src/home.ts', `// ${['', 'home', 'jo', 'x'].join('/')}`),
  inFiles('registry-host', 'docs/host.md', `From ${['registry', 'npmjs', 'org'].join('.')}.`),
];

const otherViolations: readonly PlantedViolation[] = [
  {
    check: 'types',
    rule: 'TS2322',
    path: 'packages/kv/src/wrong.ts',
    content: "export const a: number = 'x';\n",
  },
  {
    check: 'types',
    rule: 'TS2307',
    path: 'packages/wal/src/undeclared.ts',
    content: "export { a } from 'koa';\n",
  },
  {
    check: 'types',
    rule: 'TS2591',
    path: 'packages/wal/src/io.ts',
    content: 'export const p: unknown = process;\n',
  },
  {
    check: 'types',
    rule: 'TS9010',
    path: 'packages/kv/src/inferred.ts',
    content: 'export const a = [1].map(String);\n',
  },
  {
    check: 'types',
    rule: 'TS1294',
    path: 'packages/kv/src/enum.ts',
    content: 'export enum A {\n  one,\n}\n',
  },
  {
    check: 'types',
    rule: 'TS2322',
    path: 'packages/kv/test/wrong.test.ts',
    content: "const a: number = 'x';\nvoid a;\n",
  },
  {
    check: 'format',
    rule: 'format',
    path: 'packages/kv/src/crooked.ts',
    content: 'export const a   = "x"\n',
  },
  {
    check: 'format',
    rule: 'organizeImports',
    path: 'packages/kv/src/order.ts',
    content: "import { z } from 'z';\nimport { a } from 'a';\n\nexport const b = [a, z];\n",
  },
  {
    check: 'unused',
    rule: 'Unused files',
    path: 'packages/kv/src/nobody.ts',
    content: 'export const a = 1;\n',
  },
  {
    check: 'unused',
    rule: 'Unused files',
    path: 'e2e/nobody.ts',
    content: 'export const a = 1;\n',
  },
];

/** What is banned elsewhere and right here. The checks must leave it alone. */
export const permittedFiles: readonly { readonly path: string; readonly content: string }[] = [
  {
    path: 'packages/env/src/node/clock.ts',
    content:
      'export const now = (): number[] => [Date.now(), new Date().getTime(), performance.now()];\n',
  },
  {
    path: 'packages/server/src/main.ts',
    content: "if (process.env['HOME'] === undefined) process.exit(1);\n",
  },
  {
    path: 'packages/kv/test/files.test.ts',
    content: "import { readdirSync } from 'node:fs';\n\nreaddirSync('.');\n",
  },
  {
    path: 'e2e/waits.test.ts',
    content: 'export const later = () => setTimeout(() => Date.now(), 1);\n',
  },
  {
    path: 'packages/kv/src/empty.ts',
    content:
      "export const EMPTY: ReadonlyMap<string, string> = new Map();\nexport const names = ['a'];\n",
  },
];

export const plantedViolations: readonly PlantedViolation[] = [
  ...lintViolations,
  ...layerViolations,
  ...fileViolations,
  ...otherViolations,
];
