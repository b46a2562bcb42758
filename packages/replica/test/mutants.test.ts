import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mutants } from './mutants/mutants.ts';

describe('a driver with one rule broken is found out', () => {
  const script = join(import.meta.dirname, 'mutants/run-mutants.ts');
  // One process for all: loading is what takes long.
  const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  const killers = new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; killer: string | null })
      .map(({ name, killer }) => [name, killer]),
  );

  it.each(mutants.map(({ name }) => name))('%s', (name) => {
    expect(killers.get(name), stderr).toMatch(/\w/);
  });
});
