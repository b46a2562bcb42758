/**
 * `npm run bench [-- suite…]`: measures, prints, and writes bench/RESULTS.md when every suite ran.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderMarkdown, type SuiteResult } from './report.ts';
import { measureLargeObjects } from './suites/large-objects.ts';
import { measureLog } from './suites/log.ts';
import { measurePeers } from './suites/peers.ts';
import { measureSmallObjects } from './suites/s3-small.ts';

const SUITES = {
  log: measureLog,
  peers: measurePeers,
  small: measureSmallObjects,
  large: measureLargeObjects,
} as const;

type SuiteName = keyof typeof SUITES;

async function main(asked: readonly string[]): Promise<void> {
  const names = (Object.keys(SUITES) as SuiteName[]).filter(
    (name) => asked.length === 0 || asked.includes(name),
  );
  if (names.length === 0)
    throw new Error(`no such suite; there are ${Object.keys(SUITES).join(', ')}`);
  const root = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const results: SuiteResult[] = [];
  try {
    for (const name of names) {
      process.stderr.write(`measuring ${name}\n`);
      results.push(
        await SUITES[name]((part) => {
          const folder = join(root, part);
          mkdirSync(folder, { recursive: true });
          return folder;
        }),
      );
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const page = renderMarkdown(results, new Date().toISOString().slice(0, 10));
  process.stdout.write(page);
  if (names.length === Object.keys(SUITES).length) {
    writeFileSync(new URL('./RESULTS.md', import.meta.url), page);
  }
}

await main(process.argv.slice(2));
