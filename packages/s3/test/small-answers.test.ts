import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { NodeClock } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { SmallAnswers } from '../src/small-answers.ts';
import { RawSocket, rawHead, send } from './raw-client.ts';
import { startTestServer } from './test-server.ts';

function newAnswers(count: number): ServerResponse[] {
  return Array.from({ length: count }, () => new ServerResponse(new IncomingMessage(new Socket())));
}

const endedOf = (answers: readonly ServerResponse[]): number =>
  answers.filter(({ writableEnded }) => writableEnded).length;

test('small answers of one turn of the event loop are sent when it ends', async () => {
  const clock = new NodeClock();
  const small = new SmallAnswers(clock);
  for (let turn = 0; turn < 2; turn++) {
    const answers = newAnswers(3);
    for (const answer of answers) small.end(answer, 'body');
    await Promise.resolve();
    expect(endedOf(answers)).toBe(0);
    await clock.turn();
    expect(endedOf(answers)).toBe(3);
  }
});

test('at most seven small answers wait, so that clients go on beside the server', () => {
  const small = new SmallAnswers(new NodeClock());
  const answers = newAnswers(20);
  const ended = answers.map((answer) => {
    small.end(answer, 'body');
    return endedOf(answers);
  });
  expect(ended.slice(5, 9)).toEqual([0, 0, 8, 8]);
  expect(ended.at(-1)).toBe(16);
});

test('reads that a client sends at once are answered in their order, refusals among them', async () => {
  await using server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  const paths: string[] = [];
  for (let number = 0; number < 20; number++) {
    const path = `/bucket/key-${number}`;
    paths.push(path);
    if (number % 5 !== 3) await send(server, { method: 'PUT', path, body: `body ${number}.` });
  }
  await using socket = new RawSocket(server.port);
  socket.write(paths.map((path) => rawHead(server, { method: 'GET', path })).join(''));
  const answers = await socket.until(/body 19\./);
  const found = [...answers.matchAll(/body \d+\.|<Code>\w+<\/Code>/g)].map(([text]) => text);
  expect(found).toEqual(
    paths.map((_, number) => (number % 5 === 3 ? '<Code>NoSuchKey</Code>' : `body ${number}.`)),
  );
});
