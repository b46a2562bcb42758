import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { ManualClock } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import { RequestBody } from '../src/request-body.ts';

/** A body of which the test sends the bytes, and time that it moves. */
function openBody(expectContinue: boolean = false): {
  body: RequestBody;
  client: PassThrough;
  clock: ManualClock;
} {
  const client = new PassThrough();
  const clock = new ManualClock();
  // The parts of a request that are used are those of every readable stream.
  const body = new RequestBody(client as unknown as IncomingMessage, {} as ServerResponse, clock, {
    expectContinue,
    idleMs: 20_000,
    leastBytesPerSecond: 1000,
  });
  return { body, client, clock };
}

/** Lets `waitMs` pass before the bytes come, and takes them. */
async function sendAfter(
  { body, client, clock }: ReturnType<typeof openBody>,
  waitMs: number,
  sizeBytes: number,
): Promise<number | undefined> {
  const piece = body.next();
  // The wait begins in a microtask; its timer must be there before time moves.
  while (clock.pendingTimers === 0) await turn();
  clock.advance(waitMs);
  client.write(Buffer.alloc(sizeBytes));
  return (await piece).value?.byteLength;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a body that trickles ends with RequestTimeout, though bytes keep coming', async () => {
  const open = openBody();
  expect(await sendAfter(open, 15_000, 1)).toBe(1);
  // 20 s and a millisecond for the byte are the limit: 15 s are gone.
  expect(await sendAfter(open, 5_000, 1)).toBe(1);
  const next = open.body.next();
  while (open.clock.pendingTimers === 0) await turn();
  open.clock.advance(3);
  await expect(next).rejects.toMatchObject({ code: 'RequestTimeout' });
  expect(open.clock.pendingTimers).toBe(0);
});

test('a body that keeps to the slowest rate may take any time', async () => {
  const open = openBody();
  for (let minute = 0; minute < 100; minute++) {
    expect(await sendAfter(open, 15_000, 15_000)).toBe(15_000);
  }
});

test('a body that stands still ends with RequestTimeout, however much came before', async () => {
  const open = openBody();
  expect(await sendAfter(open, 1, 10_000_000)).toBeGreaterThan(0);
  while (open.client.readableLength > 0) await open.body.next();
  const next = open.body.next();
  while (open.clock.pendingTimers === 0) await turn();
  open.clock.advance(20_000);
  await expect(next).rejects.toMatchObject({ code: 'RequestTimeout' });
});

test('time that the consumer takes is not counted', async () => {
  const open = openBody();
  expect(await sendAfter(open, 15_000, 1)).toBe(1);
  open.clock.advance(3_600_000);
  open.client.write('x');
  await turn();
  expect((await open.body.next()).value?.byteLength).toBe(1);
});

test('a body that came whole is taken at once, and nothing is left of it', async () => {
  const { body, client, clock } = openBody();
  client.end('whole');
  expect(body.takeWhole(4)).toBeUndefined();
  expect(Buffer.from(body.takeWhole(5) ?? []).toString()).toBe('whole');
  expect(body.bytesRead).toBe(5);
  expect(body.takeWhole(5)).toBeUndefined();
  expect((await body.next()).done).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test('a body of which bytes are missing or read already is left to be read', async () => {
  const { body, client } = openBody();
  client.write('be');
  expect(body.takeWhole(5)).toBeUndefined();
  expect(Buffer.from((await body.next()).value ?? []).toString()).toBe('be');
  client.end('gin');
  expect(body.takeWhole(3)).toBeUndefined();
  expect(Buffer.from((await body.next()).value ?? []).toString()).toBe('gin');
});

test('a body that waits for 100 Continue is not taken before it was asked for', () => {
  const { body, client } = openBody(true);
  client.end('early');
  expect(body.takeWhole(5)).toBeUndefined();
  expect(body.continueDue).toBe(true);
});

test('a body that is poured comes whole and in order, and each piece is freed when it was taken', async () => {
  const { body, client, clock } = openBody();
  const sent = Array.from({ length: 20 }, (_, at) => Buffer.alloc(40_000, at));
  const pieces: Uint8Array[] = [];
  let received = Buffer.alloc(0);
  const pouring = body.pour((piece) => {
    expect(pieces.every(({ length }) => length === 0)).toBe(true);
    pieces.push(piece);
    received = Buffer.concat([received, piece]);
    return pieces.length % 3 === 0 ? turn() : undefined;
  });
  for (const bytes of sent) {
    client.write(new Uint8Array(bytes));
    await turn();
  }
  client.end();
  await pouring;
  expect(received.equals(Buffer.concat(sent))).toBe(true);
  expect(pieces.every(({ length }) => length === 0)).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test('a body that is kept is poured again after a rewind', async () => {
  const { body, client } = openBody();
  body.keep();
  const sent = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  const texts: string[] = [];
  const pour = () => body.pour((piece) => void texts.push(piece.join()));
  const first = pour();
  for (const bytes of sent) {
    client.write(bytes);
    await turn();
  }
  client.end();
  await first;
  body.rewind();
  await pour();
  expect(texts).toEqual(['1,2', '3', '1,2', '3']);
});

test('a body that is kept is freed when it is forgotten, and not before', async () => {
  const { body, client } = openBody();
  body.keep();
  const pieces: Uint8Array[] = [];
  const pouring = body.pour((piece) => {
    pieces.push(piece);
    return pieces.length === 2 ? turn() : undefined;
  });
  for (const byte of [1, 2, 3, 4]) {
    client.write(Uint8Array.of(byte));
    if (byte !== 2) await turn();
  }
  client.end();
  await pouring;
  expect(pieces.map((piece) => piece.join())).toEqual(['1', '2', '3', '4']);
  body.forget();
  expect(pieces.every(({ length }) => length === 0)).toBe(true);
});

test('a body whose taker failed is poured again from its first byte, with what came meanwhile', async () => {
  const { body, client } = openBody();
  body.keep();
  const slow = Promise.withResolvers<void>();
  const noRoom = new Error('no room');
  const first = body.pour(([number]) => {
    if (number === 4) throw noRoom;
    return number === 2 ? slow.promise : undefined;
  });
  client.write(Uint8Array.of(1));
  await turn();
  // In one turn, as a socket gives them.
  for (const byte of [2, 3, 4]) client.emit('data', Uint8Array.of(byte));
  slow.resolve();
  await expect(first).rejects.toBe(noRoom);
  body.rewind();
  const texts: string[] = [];
  const again = body.pour((piece) => void texts.push(piece.join()));
  client.end(Uint8Array.of(5));
  await again;
  expect(texts).toEqual(['1', '2', '3', '4', '5']);
});

test('a pour ends with what its taker throws, and with RequestTimeout', async () => {
  const { body, client, clock } = openBody();
  client.write('x');
  const fault = new Error('no room');
  await expect(body.pour(() => Promise.reject(fault))).rejects.toBe(fault);
  const waiting = body.pour(() => undefined);
  while (clock.pendingTimers === 0) await turn();
  clock.advance(30_000);
  await expect(waiting).rejects.toMatchObject({ code: 'RequestTimeout' });
});

/** Pours, and is waiting for the client when it returns. */
async function pourFrom(
  { body, clock }: ReturnType<typeof openBody>,
  take: (piece: Uint8Array) => Promise<void> | undefined,
): Promise<{ readonly pouring: Promise<void> }> {
  const pouring = body.pour(take);
  pouring.catch(() => undefined);
  while (clock.pendingTimers === 0) await turn();
  return { pouring };
}

test('a body is poured whole of which a part came with the head', async () => {
  const open = openBody();
  open.client.write('with the head, ');
  await turn();
  let text = '';
  const { pouring } = await pourFrom(open, (piece) => void (text += Buffer.from(piece).toString()));
  open.client.write('after it, ');
  await turn();
  open.client.end('at the end');
  await pouring;
  expect(text).toBe('with the head, after it, at the end');
});

test('a pour of what came with the head ends, though its taker took so long that the request is over', async () => {
  const { body, client, clock } = openBody();
  client.end('all of it');
  let text = '';
  await body.pour(async (piece) => {
    text += Buffer.from(piece).toString();
    while (!client.destroyed) await turn();
  });
  expect(text).toBe('all of it');
  expect(clock.pendingTimers).toBe(0);
});

test('a poured body that trickles ends with RequestTimeout, and one that keeps to the slowest rate does not', async () => {
  const open = openBody();
  let taken = 0;
  const { pouring } = await pourFrom(open, () => void taken++);
  for (let minute = 0; minute < 100; minute++) {
    open.clock.advance(15_000);
    open.client.write(Buffer.alloc(15_000));
    await turn();
  }
  // 20 s are the limit, and a millisecond for each byte.
  for (const waitMs of [15_000, 5_000]) {
    open.clock.advance(waitMs);
    open.client.write('x');
    await turn();
  }
  open.clock.advance(1);
  await turn();
  expect(open.clock.pendingTimers).toBe(1);
  open.clock.advance(1);
  await expect(pouring).rejects.toMatchObject({ code: 'RequestTimeout' });
  expect(open.clock.pendingTimers).toBe(0);
  open.client.write('too late');
  await turn();
  expect(taken).toBe(102);
});

test('time that the taker of a pour takes is not counted, and what came meanwhile is poured', async () => {
  const open = openBody();
  const slow = Promise.withResolvers<void>();
  let text = '';
  const { pouring } = await pourFrom(open, (piece) => {
    text += Buffer.from(piece).toString();
    return text === '12' ? slow.promise : undefined;
  });
  open.client.write('1');
  await turn();
  // In one turn, as a socket gives them.
  for (const byte of '234') open.client.emit('data', Buffer.from(byte));
  await turn();
  expect(text).toBe('12');
  open.clock.advance(3_600_000);
  slow.resolve();
  while (open.clock.pendingTimers === 0) await turn();
  expect(text).toBe('1234');
  open.client.end('5');
  await pouring;
  expect(text).toBe('12345');
});

test('pieces that a pour waits for do not take the way of the stream, and those that it does not wait for come behind them', async () => {
  const open = openBody();
  const slow = Promise.withResolvers<void>();
  let text = '';
  const { pouring } = await pourFrom(open, (piece) => {
    text += Buffer.from(piece).toString();
    return text === '123' ? slow.promise : undefined;
  });
  let listened = '';
  open.client.on('data', (piece: Uint8Array) => (listened += Buffer.from(piece).toString()));
  open.client.push(Buffer.from('1'));
  await turn();
  for (const byte of '2345') open.client.push(Buffer.from(byte));
  slow.resolve();
  await turn();
  for (const byte of '67') open.client.push(Buffer.from(byte));
  open.client.end();
  await pouring;
  expect(text).toBe('1234567');
  expect(listened).toBe('145');
});

test('a pour ends with what its taker throws later, and where the connection closes', async () => {
  const refused = openBody();
  const fault = new Error('too large');
  const first = await pourFrom(refused, (piece) => {
    if (piece.length > 1) throw fault;
    return undefined;
  });
  refused.client.write('x');
  await turn();
  // It must not be thrown at the socket.
  refused.client.emit('data', Buffer.from('xx'));
  await expect(first.pouring).rejects.toBe(fault);
  expect(refused.clock.pendingTimers).toBe(0);
  const closed = openBody();
  const second = await pourFrom(closed, () => undefined);
  closed.client.destroy();
  await expect(second.pouring).rejects.toThrow('the connection closed before the end of the body');
  expect(closed.clock.pendingTimers).toBe(0);
});

test('a piece that shares its memory is not freed', async () => {
  const { body, client } = openBody();
  const whole = Buffer.from('two pieces of one');
  const pouring = body.pour(() => undefined);
  client.write(whole.subarray(0, 3));
  await turn();
  client.end(whole.subarray(3));
  await pouring;
  expect(whole.toString()).toBe('two pieces of one');
});
