/**
 * Simulations by seed, for `node scripts/run.mjs packages/replica/test/simulation/prove-simulation.ts`: a line of JSON for each, and exit code 1 where something was wrong.
 *
 *     node packages/replica/test/simulation/prove-simulation.ts --seed 1 --count 20 --seconds 60 [--trace]
 */
import { parseArgs } from 'node:util';
import { simulate } from './simulate.ts';
import { turn } from './turn.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    /** Simulated, of the safety phase. */
    seconds: { type: 'string', default: '60' },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
for (let seed = first; seed < first + Number(values.count); seed++) {
  const report = await simulate({
    seed,
    safetyMs: Number(values.seconds) * 1000,
    drain: turn,
    ...(values.trace ? { print: (line: string) => void process.stdout.write(`${line}\n`) } : {}),
  });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  if (report.violations.length === 0) continue;
  process.exitCode = 1;
  const command = `--seed ${seed} --seconds ${values.seconds} --trace`;
  process.stderr.write(
    `repeat with: node scripts/run.mjs packages/replica/test/simulation/prove-simulation.ts ${command}\n`,
  );
}
