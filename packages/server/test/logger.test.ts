import { expect, test } from 'vitest';
import { createLogger } from '../src/logger.ts';

function logged(pretty: boolean, fields: object): string {
  let text = '';
  const log = createLogger({
    level: 'info',
    pretty,
    write: (line) => {
      text += line;
    },
  });
  log.info(fields, 'something happened');
  return text;
}

test('a line is one JSON object with level, time and message', () => {
  expect(JSON.parse(logged(false, { port: 9000 }))).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    port: 9000,
    msg: 'something happened',
  });
});

test('secrets are not written, however deep they stand', () => {
  const secret = 'wJalr-do-not-show';
  for (const pretty of [false, true]) {
    const text = logged(pretty, {
      secretAccessKey: secret,
      credentials: { secretAccessKey: secret },
      request: { headers: { authorization: secret } },
    });
    expect(text).not.toContain(secret);
    expect(text).toContain('(hidden)');
  }
});

test('a person at a terminal gets short lines, with the error in brackets', () => {
  expect(logged(true, { port: 9000, error: new RangeError('too far') })).toMatch(
    /^\d\d:\d\d:\d\d info {2}something happened port=9000 \(RangeError: too far\)\n$/,
  );
});
