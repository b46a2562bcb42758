/** Picks a seed anew for a mutant that the one which is pinned no longer finds out, and writes it into the list that has the mutant. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PINNED_LIMIT_MS } from './judge.ts';
import type { Mutant, TrialRun } from './mutant.ts';
import { runTrial } from './run-trial.ts';

const SEED_LIMIT = 2000;

/** The first seed, from 1 on, that finds it out and nothing without it; or why there is none. */
export async function pickSeed({ pinned, broken }: Mutant): Promise<number | string> {
  if ('test' in pinned || !/^\d+$/.test(pinned.words[1] ?? '')) return 'no seed is pinned to it';
  const [trial = '', , ...more] = pinned.words;
  const withSeeds = (first: number, count: number): TrialRun => ({
    module: pinned.module,
    words: [trial, String(first), String(count), ...more],
  });
  for (let first = 1; first <= SEED_LIMIT; ) {
    const count = SEED_LIMIT + 1 - first;
    const finding = await runTrial(withSeeds(first, count), broken, PINNED_LIMIT_MS);
    if (finding.kind !== 'found') return finding.kind === 'nothing' ? 'no seed' : finding.why;
    const found = /\(seed (\d+)\)$/.exec(finding.what)?.[1];
    if (found === undefined) return `without a seed: ${finding.what}`;
    const control = await runTrial(withSeeds(Number(found), 1), undefined, PINNED_LIMIT_MS);
    if (control.kind === 'nothing') return Number(found);
    first = Number(found) + 1;
  }
  return 'no seed';
}

/** Changes the one number behind `pinned:` of this mutant. */
export function writeSeed({ name }: Mutant, seed: number): void {
  for (const file of readdirSync(import.meta.dirname)) {
    const path = join(import.meta.dirname, file);
    const text = readFileSync(path, 'utf8');
    const start = text.indexOf(`name: '${name}',`);
    if (start < 0) continue;
    const behind = text.slice(start).replace(/(pinned: [^;]*?\b)\d+\b/, `$1${seed}`);
    writeFileSync(path, text.slice(0, start) + behind);
    return;
  }
  throw new Error(`no list has ${name}`);
}
