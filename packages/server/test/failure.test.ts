import { FileError, NetworkError } from '@holdfast/env';
import { KvError } from '@holdfast/kv';
import { WalError } from '@holdfast/wal';
import { expect, test } from 'vitest';
import { describeFailure } from '../src/failure.ts';
import { SettingsError } from '../src/settings-error.ts';

const context = { directory: '/srv/data', host: '127.0.0.1', port: 9000 };
const systemError = (code: string) => Object.assign(new Error(code), { code });

test('a port in use is named, with what to do', () => {
  expect(describeFailure(systemError('EADDRINUSE'), context)).toEqual({
    exitCode: 1,
    unexpected: false,
    message:
      'Port 9000 on 127.0.0.1 is in use by another program. Stop it, or choose another port with --port.',
  });
});

test('an address between nodes that cannot be listened on is named, and not that of the API', () => {
  const node = { ...context, node: 'n1', listen: { host: '10.0.0.1', port: 9400 } };
  const failed = (code: string) =>
    describeFailure(new NetworkError('LISTEN_FAILED', 'no', { cause: systemError(code) }), node);
  expect(failed('EADDRINUSE')).toEqual({
    exitCode: 1,
    unexpected: false,
    message:
      'Port 9400 on 10.0.0.1 is in use by another program. Stop it, or choose another port with --cluster or --peer-listen.',
  });
  expect(failed('EADDRNOTAVAIL').message).toBe(
    '10.0.0.1 is not an address of this machine. Choose another one with --cluster or --peer-listen.',
  );
  expect(failed('EACCES').message).toContain('may not listen on 10.0.0.1:9400.');
});

test('wrong use is exit code 2', () => {
  expect(describeFailure(new SettingsError('No.'), context)).toMatchObject({
    exitCode: 2,
    message: 'No.',
  });
});

test('a locked folder is recognised below the errors of other layers', () => {
  const locked = new FileError('FILE_LOCKED', '/srv/data/wal/lock', 'held');
  const wal = new WalError('WAL_LOCKED', 'The log is open elsewhere.', { cause: locked });
  const kv = new KvError('KV_UNAVAILABLE', 'The store cannot be opened.', { cause: wal });
  for (const error of [locked, wal, kv]) {
    expect(describeFailure(error, context).message).toContain(
      'The data folder /srv/data is in use by another Holdfast process.',
    );
  }
});

test('of two folders the one is named whose volume is full', () => {
  const full = new FileError('NO_SPACE', '/mnt/copy/wal/1.wal', 'write failed with ENOSPC');
  const wal = new WalError('WAL_NO_SPACE', 'The volume is full.', { cause: full });
  const kv = new KvError('KV_NO_SPACE', 'The volume is full.', { cause: wal });
  for (const error of [full, wal, kv]) {
    expect(describeFailure(error, context).message).toContain('for /mnt/copy/wal/1.wal.');
  }
  const reserve = new KvError('KV_NO_SPACE', 'The volume is full.');
  expect(describeFailure(reserve, context).message).toContain('for /srv/data.');
});

test('a damaged log says where the damage is', () => {
  const error = new WalError('WAL_CORRUPTION', 'Segment 3, offset 4096: checksum differs.');
  const { message, exitCode } = describeFailure(error, context);
  expect(message).toContain('/srv/data is damaged');
  expect(message).toContain('Segment 3, offset 4096');
  expect(exitCode).toBe(1);
});

test('a node whose folder is damaged is told how it is replaced, command by command', () => {
  const log = new WalError('WAL_CORRUPTION', 'Segment 3, offset 4096: checksum differs.');
  const index = new KvError('KV_CORRUPTION', 'A table differs.', { cause: log });
  for (const error of [log, index]) {
    const { message, exitCode } = describeFailure(error, { ...context, node: 'n2' });
    expect(message).toContain(error.message);
    const commands = [...message.matchAll(/"holdfast cluster ([^"]+)"/g)].map(([, words]) => words);
    expect(commands).toEqual(['remove n2', 'add n2=HOST:PORT', 'promote n2']);
    expect(message).toContain('move /srv/data away, start n2 on an empty folder with --join');
    expect(exitCode).toBe(1);
  }
  expect(describeFailure(index, context).message).not.toContain('cluster');
});

test('an error of the program is told with its stack', () => {
  const failure = describeFailure(new TypeError('x is not a function'), context);
  expect(failure.unexpected).toBe(true);
  expect(failure.message).toContain('TypeError: x is not a function\n    at ');
});
