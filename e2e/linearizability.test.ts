import { setTimeout as delay } from 'node:timers/promises';
import {
  HistoryRecorder,
  type RegisterCall,
  type RegisterOperation,
  type RegisterResult,
} from '@holdfast/sim/history';
import { expect, test } from 'vitest';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { reportProof } from './harness/proof-report.ts';
import type { RegisterRecorder } from './harness/recorded-client.ts';
import { RecordedClient } from './harness/recorded-client.ts';
import { CHAINED, MIXED, registerStep, violationsOf } from './harness/register-workload.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

/** More of them, for a longer search: HOLDFAST_LINEARIZABILITY_ROUNDS. */
const ROUNDS = Number(process.env['HOLDFAST_LINEARIZABILITY_ROUNDS'] ?? 8);
const CLIENTS = 8;
const BUCKET = 'registers';
/** Answers that are waited for before a kill. */
const ANSWERS = 150;
const KILL_JITTER_MS = 20;

test(`what clients see across ${ROUNDS} times kill -9 is linearizable`, async () => {
  const seed = runSeed();
  console.info(`seed ${seed}: repeat with HOLDFAST_SEED=${seed}`);
  const dice = new SeededDice(seed);
  await using folder = await temporaryFolder();
  const options = { directory: folder.path, arguments: ['--bucket', BUCKET] };
  const recorder: RegisterRecorder = new HistoryRecorder<RegisterCall, RegisterResult>();
  for (let round = 1; round <= ROUNDS; round++) {
    await using server = await HoldfastProcess.start(options);
    await runUntilKilled(server, recorder, round, dice);
  }
  {
    await using server = await HoldfastProcess.start(options);
    const reader = new RecordedClient(server.client(), BUCKET, recorder, 'reader');
    for (const key of [...CHAINED, ...MIXED]) await reader.get(key);
  }
  const history = recorder.history();
  expectVariety(history);
  expectLinearizable(history, seed);
});

async function runUntilKilled(
  server: HoldfastProcess,
  recorder: RegisterRecorder,
  round: number,
  dice: SeededDice,
): Promise<void> {
  let answers = 0;
  let isOver = false;
  const lanes = Array.from({ length: CLIENTS }, async (_, lane) => {
    const own = new SeededDice(dice.below(2 ** 31));
    const name = `r${round}c${lane}`;
    const client = new RecordedClient(server.client(), BUCKET, recorder, name);
    for (let number = 0; !isOver; number++) {
      const result = await registerStep(client, `${name}-${number}`, own);
      if (result !== undefined) answers += 1;
    }
  });
  await waitUntil('enough requests are answered', () => answers >= ANSWERS);
  await delay(dice.next() * KILL_JITTER_MS);
  // Requests begun after the kill are not worth writing down; those under way lose their answer.
  isOver = true;
  await server.kill();
  await Promise.all(lanes);
}

/** A history of reads, or one in which no answer was lost, would prove little. */
function expectVariety(history: readonly RegisterOperation[]): void {
  const count = (kind: RegisterResult['kind'] | undefined): number =>
    history.filter(({ result }) => result?.kind === kind).length;
  const counts = {
    found: count('found'),
    written: count('written'),
    refused: count('refused'),
    deleted: count('deleted'),
    lost: count(undefined),
  };
  console.info(`${history.length} operations: ${JSON.stringify(counts)}`);
  for (const [kind, seen] of Object.entries(counts)) expect(seen, kind).toBeGreaterThan(ROUNDS / 2);
}

function expectLinearizable(history: readonly RegisterOperation[], seed: number): void {
  const violations = violationsOf(history);
  const counts = { histories: 1, operations: history.length, violations: violations.length };
  reportProof({ part: 'linearizability', counts: { kills: ROUNDS, ...counts } });
  expect(violations, `seed ${seed}`).toEqual([]);
}
