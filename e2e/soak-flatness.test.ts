import { expect, test } from 'vitest';
import type { Sample } from './soak/flatness.ts';
import { judgeFlatness } from './soak/flatness.ts';
import { planKills } from './soak/kill-plan.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const MINUTES = 30;
const EVERY_MS = 5_000;

/** One life, with what Node.js does to any of them: it warms up, and garbage comes and goes. */
function life(leak: { mibPerMinute?: number; descriptorsPerMinute?: number } = {}): Sample[] {
  return Array.from({ length: (MINUTES * MINUTE_MS) / EVERY_MS }, (_, at) => {
    const minutes = (at * EVERY_MS) / MINUTE_MS;
    const warmUp = 40 * (1 - Math.exp(-minutes / 2));
    const garbage = 12 * ((at * 7) % 10) * 0.1;
    const leaked = minutes * (leak.mibPerMinute ?? 0);
    return {
      atMs: at * EVERY_MS,
      node: 'n1',
      life: 1,
      residentBytes: (110 + warmUp + garbage + leaked) * MIB,
      descriptors: 40 + (at % 5) + Math.floor(minutes * (leak.descriptorsPerMinute ?? 0)),
    };
  });
}

const verdicts = (samples: readonly Sample[]): Record<string, boolean> =>
  Object.fromEntries(
    judgeFlatness(samples, ['n1']).map(({ measure, isFlat }) => [measure, isFlat]),
  );

test('a process that warms up, and whose garbage comes and goes, is flat', () => {
  expect(verdicts(life())).toEqual({ residentBytes: true, descriptors: true });
});

test('a leak of 1.2 MiB a minute is found out', () => {
  expect(verdicts(life({ mibPerMinute: 1.2 }))).toEqual({
    residentBytes: false,
    descriptors: true,
  });
});

test('a leak of a descriptor every two minutes is found out', () => {
  const leak = { descriptorsPerMinute: 0.5 };
  expect(verdicts(life(leak))).toEqual({ residentBytes: true, descriptors: false });
});

test('a leak is found out in the longest life, whatever the short ones before it held', () => {
  const short = life().slice(0, 40);
  const long = life({ mibPerMinute: 2 }).map((sample) => ({
    ...sample,
    life: 2,
    atMs: sample.atMs + 10 * MINUTE_MS,
  }));
  expect(verdicts([...short, ...long])['residentBytes']).toBe(false);
});

test('a single outlier does not make it grow', () => {
  const samples = life();
  const last = samples.at(-1) as Sample;
  const outlier = { ...last, atMs: last.atMs + EVERY_MS, residentBytes: 900 * MIB };
  expect(verdicts([...samples, outlier])['residentBytes']).toBe(true);
});

test('too few samples are refused', () => {
  expect(() => judgeFlatness(life().slice(0, 10), ['n1'])).toThrow(/tell nothing/);
});

test('nobody kills a judged node in the second half, and every node is killed in the first', () => {
  for (const nodes of [['n1'], ['n1', 'n2', 'n3']]) {
    const { kills, judged } = planKills(nodes, 60 * MINUTE_MS, 7);
    const late = kills.filter(({ atMs }) => atMs >= 30 * MINUTE_MS);
    expect(late.filter(({ node }) => judged.includes(node))).toEqual([]);
    expect(new Set(kills.map(({ node }) => node))).toEqual(new Set(nodes));
  }
});
