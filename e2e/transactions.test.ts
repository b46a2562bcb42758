import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const Bucket = 'together';
const KEYS = Array.from({ length: 12 }, (_, index) => `k${index}`);
/** Every fourth body is written ahead in chunks, the others go into the entry. */
const LARGE_BYTES = 200_000;

/** All keys get bodies that begin with the same number. Whether it was acknowledged. */
async function writeAll(endpoint: string, generation: number): Promise<boolean> {
  const parts = KEYS.map((key, index) => {
    const text = `${generation} `.padEnd(index % 4 === 0 ? LARGE_BYTES : 20, '.');
    return `${JSON.stringify({ op: 'put', key, size: text.length })}\n${text}`;
  });
  try {
    const url = `${endpoint}/${Bucket}?transaction`;
    const answer = await fetch(url, { method: 'POST', body: parts.join('') });
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** The numbers that the keys have: one, where every transaction was whole. */
async function generationsOf(client: S3Client): Promise<number[]> {
  const found = new Set<number>();
  for (const Key of KEYS) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    found.add(Number.parseInt((await Body?.transformToString()) ?? '', 10));
  }
  return [...found];
}

test('a transaction is whole or not there, however often the server is killed in the middle', async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, 'data');
  /** What was acknowledged, each with the moments at which it was asked for and acknowledged. */
  const acknowledged = new Map<number, { readonly begun: number; readonly ended: number }>();
  let generation = 0;
  let moment = 0;
  {
    await using server = await HoldfastProcess.start({ directory });
    const client = server.client();
    await client.send(new CreateBucketCommand({ Bucket }));
    const Action = 's3:PutObject';
    const Resource = `arn:aws:s3:::${Bucket}/*`;
    const Statement = [{ Effect: 'Allow', Principal: '*', Action, Resource }];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    expect(await writeAll(server.endpoint, 0)).toBe(true);
  }
  for (let round = 0; round < 4; round++) {
    const server = await HoldfastProcess.start({ directory });
    const { endpoint } = server;
    let killed = false;
    const writers = [0, 1].map(async () => {
      while (!killed) {
        const mine = ++generation;
        const begun = ++moment;
        if (await writeAll(endpoint, mine)) acknowledged.set(mine, { begun, ended: ++moment });
        if (acknowledged.size >= (round + 1) * 5 && !killed) {
          killed = true;
          await server.kill();
        }
      }
    });
    await Promise.all(writers);
    await using again = await HoldfastProcess.start({ directory });
    const client = again.client();
    const generations = await generationsOf(client);
    expect(generations).toHaveLength(1);
    // What is there was not replaced by an acknowledged one that began after it had ended.
    const ended = acknowledged.get(generations[0] ?? -1)?.ended ?? moment;
    expect([...acknowledged.values()].filter(({ begun }) => begun > ended)).toEqual([]);
    const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(KeyCount).toBe(KEYS.length);
    expect(await again.stop()).toBe(0);
  }
  const verified = await runHoldfast(['verify', '--data', directory]);
  expect(verified.output).toContain('Everything is whole.');
});
