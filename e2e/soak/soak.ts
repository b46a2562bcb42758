/**
 * `npm run soak`: mixed load on the published server, with kills, for an hour.
 *
 *     npm run soak -- --minutes 60 --nodes 3
 *     npm run soak -- --write         and docs/soak.svg, docs/soak.csv and docs/testing.md say what was seen
 *
 * Ends with exit code 1 where an acknowledged write was lost or never compared, where an answer was wrong, or where memory or
 * descriptors are not flat (`flatness.ts` has the rule). Ctrl-C, or SIGTERM, ends it early, and what was seen until then is judged.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ROOT, runCommand } from '../harness/command.ts';
import { reportProof } from '../harness/proof-report.ts';
import { runSeed } from '../harness/seeded-dice.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { dateAndCommit, writeTestingPage } from '../harness/written-page.ts';
import type { Flatness, Sample } from './flatness.ts';
import { judgeFlatness } from './flatness.ts';
import type { PlannedKill } from './kill-plan.ts';
import { planKills } from './kill-plan.ts';
import type { SoakCounts } from './soak-load.ts';
import { SoakLoad } from './soak-load.ts';
import { plotSoak } from './soak-plot.ts';
import { SoakTarget } from './soak-target.ts';

const MINUTE_MS = 60_000;
const SAMPLE_EVERY_MS = 5_000;
const TICK_MS = 100;
const LANES = 6;
const MIB = 1024 * 1024;

interface SoakResult {
  readonly seed: number;
  readonly nodes: number;
  readonly minutes: number;
  readonly kills: readonly PlannedKill[];
  readonly counts: SoakCounts;
  readonly samples: readonly Sample[];
  readonly flatness: readonly Flatness[];
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    nodes: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
});
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort();
  });
}
const when = dateAndCommit();
const result = await soak(Number(values.minutes), values.nodes === '1' ? 1 : 3);
const text = describe(result);
process.stdout.write(`${text}\n`);
reportProof({
  part: 'soak',
  counts: {
    kills: result.kills.length + result.nodes,
    acknowledged: result.counts.verified,
    violations: result.counts.violations.length,
  },
});
if (values.write) await write(result, text);
process.exitCode = hasPassed(result) ? 0 : 1;

async function soak(minutes: number, nodes: 1 | 3): Promise<SoakResult> {
  const seed = runSeed();
  process.stdout.write(`seed ${seed}: repeat with HOLDFAST_SEED=${seed}\n`);
  await using folder = await temporaryFolder();
  const launcher = await layOutPublished(join(folder.path, 'published'));
  await using target = await SoakTarget.start(nodes, join(folder.path, 'data'), launcher);
  const load = new SoakLoad({ seed, lanes: LANES, client: () => target.client() });
  const plan = planKills(target.names, minutes * MINUTE_MS, seed);
  const { samples, kills, lengthMs } = await watch(target, load, plan.kills, minutes * MINUTE_MS);
  await load.end();
  await target.killAll();
  await target.startAll();
  await load.verifyAll();
  const exitCodes = await target.stopAll();
  const { counts } = load;
  if (exitCodes.some((code) => code !== 0))
    counts.violations.push(`exit codes ${exitCodes.join(' ')}`);
  const flatness = judgeFlatness(samples, plan.judged);
  return { seed, nodes, minutes: lengthMs / MINUTE_MS, kills, counts, samples, flatness };
}

/** Samples, and carries out the plan, until the time is over. */
async function watch(
  target: SoakTarget,
  load: SoakLoad,
  planned: readonly PlannedKill[],
  lengthMs: number,
): Promise<{ samples: Sample[]; kills: PlannedKill[]; lengthMs: number }> {
  const beganMs = performance.now();
  const samples: Sample[] = [];
  const kills: PlannedKill[] = [];
  const waiting = [...planned];
  let atMs = 0;
  let sampledMs = -SAMPLE_EVERY_MS;
  while (atMs < lengthMs && !stop.signal.aborted && load.counts.violations.length === 0) {
    atMs = performance.now() - beganMs;
    if (atMs - sampledMs >= SAMPLE_EVERY_MS) {
      samples.push(...target.samples(atMs));
      sampledMs = atMs;
    }
    const [next] = waiting;
    if (next !== undefined && atMs >= next.atMs) {
      waiting.shift();
      kills.push({ ...next, atMs });
      await target.kill(next.node);
      await delay(next.downMs);
      await target.restart(next.node);
      say(kills.length, load.counts);
    }
    await delay(TICK_MS);
  }
  return { samples, kills, lengthMs: atMs };
}

function say(kills: number, { acknowledged, verified, failed, violations }: SoakCounts): void {
  const writes = `${acknowledged} acknowledged, ${verified} of them read, ${failed} failed`;
  process.stdout.write(`${kills} kills, ${writes}, ${violations.length} violations\n`);
}

async function layOutPublished(folder: string): Promise<string> {
  await mkdir(folder);
  const script = join(ROOT, 'scripts', 'lay-out-published.ts');
  const { exitCode, output, errors } = await runCommand(
    process.execPath,
    [...process.execArgv, script, folder],
    { limitMs: 5 * MINUTE_MS },
  );
  if (exitCode !== 0) throw new Error(output + errors);
  return output.trim().split('\n').at(-1) ?? '';
}

function hasPassed({ counts, flatness, kills }: SoakResult): boolean {
  const { acknowledged, verified, violations } = counts;
  const isProven = violations.length === 0 && acknowledged > 0 && verified === acknowledged;
  return isProven && kills.length > 0 && flatness.every(({ isFlat }) => isFlat);
}

function describe(result: SoakResult): string {
  const { counts, flatness, kills, minutes, nodes, seed } = result;
  const { acknowledged, verified, answered, failed, violations } = counts;
  const kinds = Object.entries(answered).map(([kind, count]) => `${count} ${kind}`);
  return [
    `${minutes.toFixed(1)} minutes, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${kills.length} times kill -9, ` +
      `and all of them at the end; ${acknowledged} writes acknowledged, ${verified} of them read and compared, ` +
      `${violations.length} violations; ${when}, seed ${seed}.`,
    '',
    `Requests: ${kinds.join(', ')}; ${failed} without an answer or refused.`,
    '',
    '| node | what | at first | at last | minutes judged | |',
    '| --- | --- | --- | --- | --- | --- |',
    ...flatness.map(describeFlatness),
    ...violations.map((violation) => `\nVIOLATION: ${violation}`),
  ].join('\n');
}

function describeFlatness({ node, measure, first, last, minutes, isFlat }: Flatness): string {
  const isMemory = measure === 'residentBytes';
  const show = (value: number): string =>
    isMemory ? `${(value / MIB).toFixed(1)} MiB` : value.toFixed(1);
  const what = isMemory ? 'resident memory' : 'descriptors';
  const verdict = isFlat ? 'flat' : 'NOT FLAT';
  return `| ${node} | ${what} | ${show(first)} | ${show(last)} | ${minutes.toFixed(1)} | ${verdict} |`;
}

async function write({ samples, kills, minutes, nodes }: SoakResult, page: string): Promise<void> {
  const header = 'seconds,node,life,resident_bytes,descriptors';
  const rows = samples.map(({ atMs, node, life, residentBytes, descriptors }) =>
    [(atMs / 1000).toFixed(0), node, life, residentBytes, descriptors].join(','),
  );
  await writeFile(join(ROOT, 'docs', 'soak.csv'), `${[header, ...rows].join('\n')}\n`);
  const title = `${nodes} nodes under load for ${minutes.toFixed(0)} minutes, ${kills.length} kills; ${when}`;
  const picture = plotSoak({ title, lengthMs: minutes * MINUTE_MS, samples, kills });
  await writeFile(join(ROOT, 'docs', 'soak.svg'), picture);
  await writeTestingPage('soak', page);
}
