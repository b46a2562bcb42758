/**
 * `npm run bench`: measures each figure beside its bound or peer, in one run.
 *
 *     npm run bench                          log, network, peers, small and large; writes bench/RESULTS.md
 *     npm run bench -- log small             only these, printed
 *     npm run bench -- bounds                what does not grow with ten million entries; writes bench/RESULTS-bounds.md
 *     npm run bench -- objects               the same of whole objects, in three times the time; bench/RESULTS-objects.md
 *     npm run bench -- cluster               three nodes beside three of etcd, and fifty kills; bench/RESULTS-cluster.md
 *     npm run bench -- cluster small         the same with few requests and kills, printed
 *
 * `bounds` and `objects` take how many there are, and a folder for what they write, 20 GB of it, which is kept for another
 * run; without one it is a temporary folder, and is removed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectShape } from './load/bounds-entries.ts';
import { renderMarkdown, type SuiteResult } from './report.ts';
import { measureBounds } from './suites/bounds.ts';
import { measureCluster, SMALL, WHOLE } from './suites/cluster.ts';
import { measureLargeObjects } from './suites/large-objects.ts';
import { measureLog } from './suites/log.ts';
import { measureNetwork } from './suites/network.ts';
import { measurePeers } from './suites/peers.ts';
import { measureSmallObjects } from './suites/s3-small.ts';

const SUITES = {
  log: measureLog,
  network: measureNetwork,
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
          const folder = join(root, name, part);
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

/** `kept`: a folder that is not removed, for another run on the same data. */
async function bounds(
  shape: ObjectShape,
  objects: number,
  kept: string | undefined,
): Promise<void> {
  if (!Number.isSafeInteger(objects) || objects < 10_000) throw new Error('10000 objects at least');
  const root = kept ?? mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  try {
    const result = await measureBounds(root, objects, shape);
    const name = shape === 'objects' ? 'objects' : 'bounds';
    const page = renderMarkdown([result], new Date().toISOString().slice(0, 10), name);
    process.stdout.write(page);
    writeFileSync(new URL(`./RESULTS-${name}.md`, import.meta.url), page);
  } finally {
    if (kept === undefined) rmSync(root, { recursive: true, force: true });
  }
}

async function cluster(mode: string | undefined): Promise<void> {
  const isSmall = mode === 'small';
  const root = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  try {
    const result = await measureCluster(root, isSmall ? SMALL : WHOLE);
    const page = renderMarkdown([result], new Date().toISOString().slice(0, 10), 'cluster');
    process.stdout.write(page);
    if (isSmall) return;
    writeFileSync(new URL('./RESULTS-cluster.md', import.meta.url), page);
    for (const { name, svg } of result.pictures ?? []) {
      writeFileSync(new URL(`./${name}`, import.meta.url), svg);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const [first, ...others] = process.argv.slice(2);
if (first === 'bounds' || first === 'objects') {
  const shape = first === 'bounds' ? 'records' : 'objects';
  await bounds(shape, Number(others[0] ?? 10_000_000), others[1]);
} else if (first === 'cluster') await cluster(others[0]);
else await main(process.argv.slice(2));
