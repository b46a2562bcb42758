import { createMemoryEnv } from '@holdfast/env/memory';
import { createMemoryStore } from '@holdfast/kv/testing';
import type { EventQueue, ObjectStore, TaskQueueFactory } from '@holdfast/objects';
import { createEventQueue, createObjectStore, NOTIFICATION_SETTING } from '@holdfast/objects';
import { afterEach, expect, test } from 'vitest';
import { EventDelivery } from '../src/events/event-delivery.ts';
import { TargetTable } from '../src/events/target-table.ts';
import { createWebhookSender, isBlockedPort, type SendEvents } from '../src/events/webhook.ts';
import { type Log, silentLog } from '../src/log.ts';

const idle: TaskQueueFactory = () => ({
  push: () => undefined,
  idle: () => Promise.resolve(),
  close: () => Promise.resolve(),
});
const RULES = [{ id: 'all', target: 'hook', events: ['ObjectCreated:*', 'ObjectRemoved:*'] }];

interface Message {
  readonly Records: readonly {
    readonly eventName: string;
    readonly s3: { object: { key: string } };
  }[];
}

const deliveries: EventDelivery[] = [];
afterEach(async () => {
  await Promise.all(deliveries.splice(0).map((delivery) => delivery.stop()));
});

/** A store whose bucket tells the target `hook`, which answers as `send` does. */
async function openStore(send: SendEvents, queueLimit?: number, log: Log = silentLog) {
  const env = await createMemoryEnv();
  const kv = createMemoryStore();
  const targets = new TargetTable(['hook'], silentLog);
  const queue = createEventQueue(kv);
  let delivery: EventDelivery | undefined;
  const objects = createObjectStore({
    kv,
    env,
    tasks: idle,
    journal: {
      keepsChanges: false,
      takesEvents: (name) => targets.takesEvents(name),
      onCommitted: () => delivery?.wake(),
    },
  });
  await objects.createBucket('bucket', {
    ownerId: 'the bucket',
    region: 'r',
    settings: new Map([[NOTIFICATION_SETTING, JSON.stringify(RULES)]]),
  });
  const start = (leads: () => boolean = () => true): EventDelivery => {
    const { clock } = env;
    const webhooks = [{ name: 'hook', url: 'http://127.0.0.1/' }];
    const region = 'us-east-1';
    delivery = new EventDelivery({
      clock,
      log,
      queue,
      webhooks,
      targets,
      region,
      leads,
      send,
      queueLimit,
    });
    deliveries.push(delivery);
    return delivery;
  };
  return { objects, queue, targets, start, clock: env.manualClock };
}

/** Where the delivery says that it failed. */
function recordingLog(): {
  readonly log: Log;
  readonly said: { failures: number; reason: string }[];
} {
  const said: { failures: number; reason: string }[] = [];
  const warn: Log['warn'] = (fields) => {
    said.push(fields as (typeof said)[number]);
  };
  return { log: { ...silentLog, warn }, said };
}

async function put(objects: ObjectStore, key: string): Promise<void> {
  const pieces = (async function* () {
    yield new Uint8Array(1);
  })();
  const metadata = { user: {}, ownerId: 'the object' };
  await objects.putObject({ bucket: 'bucket', key, body: { pieces }, metadata });
}

/** Lets what is ready run, and time pass where something waits for it. */
async function until(
  clock: { advance(ms: number): void },
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let turn = 0; turn < 1000 && !(await condition()); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn % 5 === 4) clock.advance(500);
  }
  expect(await condition()).toBe(true);
}

const isEmpty = async (queue: EventQueue): Promise<boolean> => (await queue.count('hook', 1)) === 0;

test('events arrive in the order of the commits, in the format of S3, and are taken off the queue', async () => {
  const bodies: string[] = [];
  const { objects, queue, start, clock } = await openStore(async (_, body) => {
    bodies.push(body);
  });
  start();
  for (const key of ['a b/1', 'a b/2']) await put(objects, key);
  await objects.deleteObject({ bucket: 'bucket', key: 'a b/1' });
  await until(clock, () => isEmpty(queue));
  const records = bodies.flatMap((body) => (JSON.parse(body) as Message).Records);
  expect(records.map(({ eventName, s3 }) => `${eventName} ${s3.object.key}`)).toEqual([
    'ObjectCreated:Put a+b/1',
    'ObjectCreated:Put a+b/2',
    'ObjectRemoved:Delete a+b/1',
  ]);
  expect(records[0]).toMatchObject({
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: 'us-east-1',
    userIdentity: { principalId: 'the object' },
    s3: {
      configurationId: 'all',
      bucket: {
        name: 'bucket',
        ownerIdentity: { principalId: 'the bucket' },
        arn: 'arn:aws:s3:::bucket',
      },
      object: { size: 1, eTag: '93b885adfe0da089cdf634904fd59f71' },
    },
  });
});

test('a target that fails gets the same events again, in order, until it takes them', async () => {
  const taken: string[][] = [];
  const failing = { left: 3 };
  const { objects, queue, start, clock } = await openStore(async (_, body) => {
    taken.push((JSON.parse(body) as Message).Records.map(({ s3 }) => s3.object.key));
    if (failing.left-- > 0) throw new Error('the target answered 500');
  });
  await put(objects, '1');
  await put(objects, '2');
  start();
  await until(clock, () => isEmpty(queue));
  expect(taken).toEqual([
    ['1', '2'],
    ['1', '2'],
    ['1', '2'],
    ['1', '2'],
  ]);
});

test('what was not acknowledged before a stop is delivered after the next start', async () => {
  const taken: string[] = [];
  const mood = { fails: true };
  const { objects, queue, start, clock } = await openStore(async (_, body) => {
    if (mood.fails) throw new Error('not now');
    taken.push(...(JSON.parse(body) as Message).Records.map(({ s3 }) => s3.object.key));
  });
  const first = start();
  await put(objects, '1');
  await first.stop();
  await put(objects, '2');
  mood.fails = false;
  start();
  await until(clock, () => isEmpty(queue));
  expect(taken).toEqual(['1', '2']);
});

test('a node that does not lead delivers nothing until it does', async () => {
  const bodies: string[] = [];
  const { objects, queue, start, clock } = await openStore(async (_, body) => {
    bodies.push(body);
  });
  const mood = { leads: false };
  start(() => mood.leads);
  await put(objects, '1');
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  expect(bodies).toEqual([]);
  mood.leads = true;
  await until(clock, () => isEmpty(queue));
  expect(bodies).toHaveLength(1);
});

test('a full queue takes no more events, the writes are done, and it takes them again when it has room', async () => {
  const mood = { fails: true };
  const { objects, queue, targets, start, clock } = await openStore(async () => {
    if (mood.fails) throw new Error('not now');
  }, 3);
  start();
  for (const key of ['1', '2', '3']) await put(objects, key);
  await until(clock, () => !targets.takesEvents('hook'));
  await put(objects, 'not told');
  expect(await queue.count('hook', 10)).toBe(3);
  const [{ waiting, dropped } = { waiting: 0, dropped: 0 }] = targets.status();
  expect(waiting).toBe(3);
  // Among them the question of the test itself.
  expect(dropped).toBeGreaterThanOrEqual(2);
  mood.fails = false;
  await until(clock, () => targets.takesEvents('hook'));
  await put(objects, 'told');
  await until(clock, () => isEmpty(queue));
});

test('a node that does not lead queues no events into a full queue either', async () => {
  const { objects, queue, targets, start, clock } = await openStore(async () => {
    throw new Error('a node that does not lead sends nothing');
  }, 3);
  start(() => false);
  for (const key of ['1', '2', '3']) await put(objects, key);
  await until(clock, () => targets.status()[0]?.waiting === 3);
  await put(objects, 'not told');
  expect(targets.status()).toEqual([{ webhook: 'hook', waiting: 3, dropped: 1 }]);
  expect(await queue.count('hook', 10)).toBe(3);
});

test('failures are counted anew where another node has delivered what was left', async () => {
  const { log, said } = recordingLog();
  const mood = { fails: true };
  const { objects, queue, start, clock } = await openStore(
    async () => {
      if (mood.fails) throw new Error('not now');
    },
    undefined,
    log,
  );
  await put(objects, '1');
  start();
  await until(clock, () => said.length === 3);
  await queue.acknowledge(await queue.oldest('hook', 10));
  // The pause that was begun, and a look into the empty queue.
  for (let turn = 0; turn < 200; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  await put(objects, '2');
  await until(clock, () => said.length === 4);
  expect(said.map(({ failures }) => failures)).toEqual([1, 2, 3, 1]);
});

test('the log says why a target could not be reached', async () => {
  const { log, said } = recordingLog();
  const { objects, start, clock } = await openStore(
    async () => {
      const refused = new Error('connect ECONNREFUSED 127.0.0.1:9');
      throw new TypeError('fetch failed', { cause: new AggregateError([refused]) });
    },
    undefined,
    log,
  );
  await put(objects, '1');
  start();
  await until(clock, () => said.length > 0);
  expect(said[0]?.reason).toBe('fetch failed: connect ECONNREFUSED 127.0.0.1:9');
});

test('the ports that are refused are those that the client of HTTP blocks', async () => {
  const env = await createMemoryEnv();
  const send = createWebhookSender(env.clock);
  const blocked = Array.from({ length: 65_536 }, (_, port) => port).filter(isBlockedPort);
  expect(blocked.length).toBeGreaterThan(80);
  for (const port of blocked) {
    const webhook = { name: 'hook', url: `http://127.0.0.1:${port}/` };
    const sent = send(webhook, '', new AbortController().signal);
    await expect(sent, `${port}`).rejects.toMatchObject({ cause: { message: 'bad port' } });
  }
});
