import { afterAll, describe, expect, test } from 'vitest';
import { runCommand } from './harness/command.ts';
import { putSources, runLoad } from './harness/crash-load.ts';
import { CREDENTIALS, HoldfastProcess } from './harness/holdfast-process.ts';
import { ImageOpener } from './harness/image-opener.ts';
import { reportProof } from './harness/proof-report.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import type { CallFault, FileCall } from './harness/system-call-fault.ts';
import { CallFaults, FILE_CALLS, ONE_THREAD } from './harness/system-call-fault.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { NO_CHECKSUMS } from './harness/verify-objects.ts';
import { waitUntil } from './harness/wait-until.ts';
import { WriteLedger } from './harness/write-ledger.ts';

const BUCKET = 'faults';
const LANES = 4;
/** Answers that are waited for after the fault, if the server goes on. */
const ANSWERS_AFTER = 40;
const SMALL_BYTES = 48 * 1024;
const LARGE_BYTES = 1024 * 1024;
/** Three times as many places, for a longer search: HOLDFAST_CALL_FAULTS=all. */
const isThorough = process.env['HOLDFAST_CALL_FAULTS'] === 'all';
/** Which calls of each kind fail; all of them are reached within some hundred writes. */
const PLACES: readonly (readonly [
  call: FileCall,
  few: readonly number[],
  more: readonly number[],
])[] = [
  ['openat', [1, 2], [3, 4, 5, 8, 12]],
  ['pread64', [2], [1, 5, 20]],
  ['pwrite64', [1, 10], [2, 3, 5, 20, 40, 80]],
  ['fdatasync', [1, 2], [3, 4, 5, 6]],
  ['fsync', [1, 3], [2, 4, 5, 6]],
  ['rename', [1], [2, 3]],
  ['unlink', [1], [2]],
];

const missing = await whyNotHere();
/** Opens what each run has left. */
const opener = missing === undefined ? new ImageOpener('folders') : undefined;
afterAll(() => opener?.[Symbol.asyncDispose]());

test('system calls can be made to fail on this machine', (context) => {
  if (missing !== undefined && process.env['CI'] === undefined) {
    context.skip(`${missing}: the faults of system calls cannot run`);
  }
  expect(missing, 'CI must run the faults of system calls').toBe(undefined);
});

const cases = PLACES.flatMap(([call, few, more]) =>
  (isThorough ? [...few, ...more] : few).flatMap((place) =>
    (['EIO', 'ENOSPC', 'SIGKILL'] as const).map((fails) => ({ call, fails, place })),
  ),
);

describe.skipIf(missing !== undefined)(
  'under load, a call that fails loses nothing acknowledged',
  () => {
    test.each(cases)('$fails at $call number $place', async ({ call, fails, place }) => {
      await using folder = await temporaryFolder();
      const fault: CallFault = { calls: [call], fails, when: String(place) };
      const outcome = await runWithFault(
        folder.path,
        fault,
        (answersAfter) => answersAfter >= ANSWERS_AFTER,
      );
      expect(outcome.injected).toHaveLength(1);
      if (fails === 'SIGKILL') expect(outcome.exitCode).toBe(-1);
      else if (outcome.exitCode !== undefined) expectClearEnd(outcome, fails);
      // A batch of the log, and the names of its files: nothing may be acknowledged after these.
      const isOfLog = /^pwrite64\(.*\/wal\/[0-9a-f]+-[0-9a-f]+\.wal|^fsync\(.*\/wal>/.test(
        outcome.injected[0] ?? '',
      );
      if (fails === 'EIO' && isOfLog) expect(outcome.exitCode, 'the log was poisoned').toBe(1);
      for (const refusal of outcome.refused) expect(refusal).toMatch(/^(500|503|507) /);
      await expectNothingLost(folder.path, outcome, { runs: 1, injected: 1 });
    });

    test('a quota that is met by a write of the log is a full volume: the server goes on', async () => {
      await using folder = await temporaryFolder();
      const fault: CallFault = { calls: ['pwrite64'], fails: 'EDQUOT', when: '10' };
      const outcome = await runWithFault(folder.path, fault, (after) => after >= ANSWERS_AFTER);
      expect(outcome.injected).toEqual([expect.stringContaining('/wal/')]);
      expect(outcome.exitCode, outcome.errors).toBe(undefined);
      for (const refusal of outcome.refused) expect(refusal).toMatch(/^507 /);
      await expectNothingLost(folder.path, outcome, { runs: 1, injected: 1 });
    });

    test('EINTR at every third call is noticed by nobody', async () => {
      await using folder = await temporaryFolder();
      const calls = FILE_CALLS;
      let wasAlive = false;
      const outcome = await runWithFault(
        folder.path,
        { calls, fails: 'EINTR', when: '2+3' },
        (answers) => (wasAlive = answers >= 12 * ANSWERS_AFTER),
      );
      expect(wasAlive, outcome.errors).toBe(true);
      expect(outcome.refused).toEqual([]);
      expect(outcome.errors).not.toContain('"level":"error"');
      expect(outcome.injected.length).toBeGreaterThan(100);
      const kinds = new Set(outcome.injected.map((line) => /^\w+/.exec(line)?.[0]));
      expect([...kinds]).toEqual(
        expect.arrayContaining(['fsync', 'openat', 'pread64', 'pwrite64']),
      );
      await expectNothingLost(folder.path, outcome, { runs: 1, injected: outcome.injected.length });
    });
  },
);

interface Outcome {
  readonly ledger: WriteLedger;
  /** The calls that failed, as strace shows them. */
  readonly injected: readonly string[];
  /** Undefined where the server went on until it was killed. */
  readonly exitCode: number | undefined;
  readonly refused: readonly string[];
  readonly errors: string;
}

/** Loads a server until so much has been answered after the fault, or it has ended. */
async function runWithFault(
  directory: string,
  fault: CallFault,
  isEnough: (answersAfter: number) => boolean,
): Promise<Outcome> {
  const ledger = new WriteLedger();
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  await using server = await HoldfastProcess.start({
    directory,
    arguments: ['--bucket', BUCKET],
    environment: {
      HOLDFAST_ACCESS_KEY: accessKeyId,
      HOLDFAST_SECRET_KEY: secretAccessKey,
      ...ONE_THREAD,
    },
  });
  const client = server.client(NO_CHECKSUMS);
  await putSources(client, BUCKET, ledger);
  await using faults = await CallFaults.into(server.processId, fault);
  const refused: string[] = [];
  let answersAfter = 0;
  const answered = (): void => {
    if (faults.hasFailed) answersAfter += 1;
  };
  const load = runLoad({
    client,
    bucket: BUCKET,
    ledger,
    seed: new SeededDice(runSeed()).below(2 ** 31),
    lanes: LANES,
    bodySize: (kind, dice) => dice.below(kind < 90 ? SMALL_BYTES : LARGE_BYTES),
    onAcknowledged: answered,
    onRefused: (error) => {
      refused.push(`${error.$metadata.httpStatusCode} ${error.name}`);
      answered();
    },
  });
  await waitUntil(
    `${JSON.stringify(fault)} happens, and the server ends or goes on`,
    () => server.hasEnded || isEnough(answersAfter),
  );
  const exitCode = server.hasEnded ? await server.exitCode() : undefined;
  if (exitCode !== undefined) await faults.told();
  const injected = faults.injected;
  await server.kill();
  await load;
  return { ledger, injected, exitCode, refused, errors: server.errors };
}

/** The last line says what failed, where, and what to do. */
function expectClearEnd({ exitCode, errors }: Outcome, fails: string): void {
  const last = errors.trim().split('\n').at(-1) ?? '';
  expect(exitCode, errors).toBe(1);
  expect(last).toContain(fails);
}

/** A server whose calls succeed has everything that was acknowledged. */
async function expectNothingLost(
  directory: string,
  { ledger }: Outcome,
  counts: Readonly<Record<string, number>>,
): Promise<void> {
  if (opener === undefined) throw new Error(missing);
  const request = { directory, bucket: BUCKET, allowed: ledger.allAllowed() };
  const { seen, violations } = await opener.open(request);
  reportProof({
    part: 'system-call faults',
    counts: {
      ...counts,
      acknowledged: ledger.acknowledged,
      objects: seen.size,
      violations: violations.length,
    },
  });
  expect(violations).toEqual([]);
}

async function whyNotHere(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'strace is of Linux';
  try {
    const { exitCode, errors } = await runCommand('strace', ['-o', '/dev/null', 'true']);
    return exitCode === 0 ? undefined : `strace: ${errors}`;
  } catch (error) {
    return String(error);
  }
}
