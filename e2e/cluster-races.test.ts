import { setTimeout as delay } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const BUCKET = 'races';
const RACERS = 32;
const ROUNDS = 8;
/** Leaders die in every other race, at some moment of it. */
const KILL_WITHIN_MS = 60;

/** How a conditional put ended, as far as its client knows. */
type Outcome = { readonly kind: 'won' | 'lost' | 'unknown'; readonly body: string };

test(`${RACERS} racers on a key, while leaders die: exactly one wins each time`, async () => {
  const seed = runSeed();
  console.info(`seed ${seed}: repeat with HOLDFAST_SEED=${seed}`);
  const dice = new SeededDice(seed);
  await using folder = await temporaryFolder();
  const directory = folder.path;
  await using cluster = await Cluster.start({ directory, arguments: ['--bucket', BUCKET] });
  let decided = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const Key = `key ${round}`;
    const kill = round % 2 === 0;
    const made = await race({ cluster, Key, condition: { IfNoneMatch: '*' }, kill, dice });
    const first = await judge(cluster, Key, made, undefined);
    if (first === undefined) continue;
    const condition = { IfMatch: first.etag };
    const replaced = await race({ cluster, Key, condition, kill: !kill, dice });
    await judge(cluster, Key, replaced, first.body);
    decided += 1;
  }
  // Where no leader died somebody has won. Where one did, a machine that is busy may have answered nobody by then.
  expect(decided).toBeGreaterThanOrEqual(ROUNDS / 2);
});

interface Race {
  readonly cluster: Cluster;
  readonly Key: string;
  readonly condition: { readonly IfNoneMatch: string } | { readonly IfMatch: string };
  readonly kill: boolean;
  readonly dice: SeededDice;
}

async function race({ cluster, Key, condition, kill, dice }: Race): Promise<readonly Outcome[]> {
  const name = 'IfMatch' in condition ? 'replaced' : 'made';
  const leader = await cluster.leader();
  const clients = cluster.all.map((at) => cluster.oneAttempt(at));
  const racers = Array.from({ length: RACERS }, (_, number) => {
    const body = `${Key} ${name} by ${number}`;
    return put(clients[number % clients.length] as S3Client, Key, condition, body);
  });
  if (!kill) return Promise.all(racers);
  await delay(dice.next() * KILL_WITHIN_MS);
  await cluster.node(leader).kill();
  const outcomes = await Promise.all(racers);
  await cluster.restart(leader);
  return outcomes;
}

async function put(
  client: S3Client,
  Key: string,
  condition: object,
  body: string,
): Promise<Outcome> {
  try {
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: body, ...condition }));
    return { kind: 'won', body };
  } catch (error) {
    const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
    return { kind: status === 412 || status === 409 ? 'lost' : 'unknown', body };
  }
}

/**
 * At most one was told that it won. What is there is of that one; or, where none was told, of one that got no answer, or
 * what was there before. Gives what is there; undefined where that is nothing.
 */
async function judge(
  cluster: Cluster,
  Key: string,
  outcomes: readonly Outcome[],
  before: string | undefined,
): Promise<{ readonly etag: string; readonly body: string } | undefined> {
  const bodies = (kind: Outcome['kind']): string[] =>
    outcomes.filter((outcome) => outcome.kind === kind).map(({ body }) => body);
  const winners = bodies('won');
  const unknown = bodies('unknown');
  expect(winners.length, `winners of ${Key}`).toBeLessThanOrEqual(1);
  // Where everybody was answered, one of them has won.
  if (unknown.length === 0) expect(winners.length, `winners of ${Key}`).toBe(1);
  const found = await read(cluster, Key);
  const possible = winners.length === 1 ? winners : [...unknown, before];
  expect(possible).toContain(found?.body);
  return found;
}

async function read(
  cluster: Cluster,
  Key: string,
): Promise<{ readonly etag: string; readonly body: string } | undefined> {
  try {
    const found = await cluster.balanced().send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    return { etag: found.ETag ?? '', body: (await found.Body?.transformToString()) ?? '' };
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}
