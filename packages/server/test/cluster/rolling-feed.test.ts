import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { ThreeServers } from './three-servers.ts';

const KEEPING = { keepChangesMs: 3_600_000 };

interface Answer {
  readonly status: number;
  readonly cursor?: string;
  readonly code?: string;
  readonly message?: string;
  readonly changes?: readonly { readonly key: string }[];
}

async function askFeed(servers: ThreeServers, at: number, query: string = ''): Promise<Answer> {
  const response = await servers.signedGet(at, `/_/changes${query}`);
  return { ...((await response.json()) as Answer), status: response.status };
}

async function restart(servers: ThreeServers, at: number, more: object): Promise<void> {
  await servers.stop(at);
  await (await servers.start(at, more)).ready;
}

test('a feed that is turned on node by node begins when all have it, and then lacks nothing', async () => {
  await using servers = new ThreeServers();
  await servers.startAll();
  const put = (at: number, Key: string): Promise<unknown> =>
    servers.patient(at).send(new PutObjectCommand({ Bucket: 'told', Key, Body: 'x' }));
  await servers.patient(0).send(new CreateBucketCommand({ Bucket: 'told' }));
  for (const at of [0, 1]) {
    await restart(servers, at, KEEPING);
    // Of the node that is still without it.
    await put(2, `before ${at}`);
    const { status, message } = await askFeed(servers, 0);
    expect([status, message]).toEqual([503, expect.stringContaining('begins when every node')]);
    expect(await askFeed(servers, 0, '?after=newest')).toMatchObject({ status: 503 });
  }
  await restart(servers, 2, KEEPING);
  const { cursor = '' } = await askFeed(servers, 1, '?after=newest');
  for (const at of [0, 1, 2]) await put(at, `${at}`);
  for (const at of [0, 1, 2]) {
    const { changes = [] } = await askFeed(servers, at, `?after=${cursor}`);
    expect([...new Set(changes.map(({ key }) => key))]).toEqual(['0', '1', '2']);
  }
  await restart(servers, 1, {});
  await put(1, 'after');
  expect(await askFeed(servers, 0, `?after=${cursor}`)).toMatchObject({ status: 503 });
  await restart(servers, 1, KEEPING);
  expect(await askFeed(servers, 0, `?after=${cursor}`)).toMatchObject({ code: 'CursorExpired' });
}, 60_000);
