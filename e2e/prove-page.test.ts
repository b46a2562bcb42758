import { expect, test } from 'vitest';
import type { PartRun } from './prove/proof-page.ts';
import { describePage, judgePart } from './prove/proof-page.ts';

const run = (output: string, more: Partial<PartRun> = {}): PartRun => ({
  name: 'a part',
  exitCode: 0,
  output,
  seconds: 30,
  ...more,
});
const line = (counts: Record<string, number>): string => JSON.stringify({ part: 'some', counts });

test('what a part reports is added up, whatever else it prints', () => {
  const output = `noise\n${line({ cuts: 2, violations: 0 })}\n{"other":1}\n${line({ cuts: 3, violations: 0 })}\n`;
  expect(judgePart(run(output))).toMatchObject({ counts: { cuts: 5, violations: 0 }, faults: [] });
});

test.each([
  ['reports nothing', run('all is well\n'), 'it has done nothing'],
  ['reports only zeros', run(line({ cuts: 0, violations: 0 })), 'it has done nothing'],
  ['does not say whether anything was violated', run(line({ cuts: 4 })), 'it reports neither'],
  ['found a violation', run(line({ cuts: 4, violations: 1 })), '1 violations'],
  ['has a mutant that lives', run(line({ mutants: 5, killed: 4 })), '4 of 5 mutants killed'],
  ['fails', run(line({ cuts: 4, violations: 0 }), { exitCode: 1 }), 'exit code 1'],
])('a part that %s has failed', (_, failed, fault) => {
  expect(judgePart(failed).faults.join()).toContain(fault);
});

test('the page has the sum of all parts, and what is wrong with one', () => {
  const results = [
    judgePart(run(line({ kills: 50, acknowledged: 2000, violations: 0 }))),
    judgePart(run(line({ simulatedMs: 5_400_000, seeds: 1500, acknowledged: 7, violations: 0 }))),
    judgePart(run(line({ lives: 3000, violations: 0 }))),
    judgePart(run(line({ mutants: 30, killed: 29 }))),
  ];
  const page = describePage(results, '2026-11-21, commit abc');
  expect(page).toContain('2026-11-21, commit abc; 2.0 minutes.');
  expect(page).toContain('| seeds run | 1,500 |');
  expect(page).toContain('| simulated cluster-hours | 1.50 |');
  expect(page).toContain('| lives of a log or a store, one after the other on a disk | 3,000 |');
  expect(page).toContain('| acknowledged writes verified | 2,007 |');
  expect(page).toContain('| violations | 0 |');
  expect(page).toContain('| mutants killed | 29 of 30 |');
  expect(page).toContain('**29 of 30 mutants killed**');
});
