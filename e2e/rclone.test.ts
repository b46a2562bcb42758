import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import { ClientWorkplace } from './harness/client-workplace.ts';
import { CREDENTIALS } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';

const MIB = 1024 * 1024;
const missing = await whyMissing({ command: 'rclone', probe: ['version'], package: 'rclone' });

test('rclone is there', (context) => expectPresence(context, missing));

describe.skipIf(missing !== undefined)('rclone', () => {
  let place: ClientWorkplace;
  beforeAll(async () => {
    place = await ClientWorkplace.open('rclone');
    await place.write('tree/top.txt', 'top');
    await place.write('tree/a folder/ünïcode + name.txt', 'hello');
    await place.write('tree/a folder/empty', '');
    await place.write('tree/deep/er/large', patternBytes(7, 12 * MIB));
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  });

  const environment = (): Record<string, string> => ({
    RCLONE_CONFIG: place.path('no-config'),
    RCLONE_CONFIG_HF_TYPE: 's3',
    RCLONE_CONFIG_HF_PROVIDER: 'Other',
    RCLONE_CONFIG_HF_ENDPOINT: place.server.endpoint,
    RCLONE_CONFIG_HF_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    RCLONE_CONFIG_HF_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    RCLONE_S3_UPLOAD_CUTOFF: '5M',
    RCLONE_S3_CHUNK_SIZE: '5M',
    RCLONE_RETRIES: '1',
    RCLONE_LOW_LEVEL_RETRIES: '1',
  });
  const rclone = (...words: string[]): Promise<string> =>
    place.succeed('rclone', words, environment());

  test('sync brings a tree up in parts and down again, and check finds no difference', async () => {
    await rclone('sync', 'tree', 'hf:rclone/tree');
    await rclone('check', 'tree', 'hf:rclone/tree');
    await rclone('check', '--download', 'tree', 'hf:rclone/tree');
    await rclone('sync', 'hf:rclone/tree', 'copy');
    expect(await place.digests('copy')).toEqual(await place.digests('tree'));
  });

  test('a second sync finds sizes and times unchanged and sends nothing', async () => {
    await rclone('sync', 'tree', 'hf:rclone/again');
    const { errors } = await place.run(
      'rclone',
      ['sync', '-v', '--stats-one-line', 'tree', 'hf:rclone/again'],
      environment(),
    );
    expect(errors).toMatch(/There was nothing to transfer/);
  });

  test('sync removes above what is gone below, and check tells a difference', async () => {
    await place.write('changing/kept', 'kept');
    await place.write('changing/gone', 'gone');
    await rclone('sync', 'changing', 'hf:rclone/changing');
    await rclone('delete', 'hf:rclone/changing/gone');
    const { exitCode, errors } = await place.run(
      'rclone',
      ['check', 'changing', 'hf:rclone/changing'],
      environment(),
    );
    expect(exitCode).toBe(1);
    expect(errors).toContain('1 differences found');
    await place.write('other/kept', 'kept');
    await rclone('sync', 'other', 'hf:rclone/changing');
    expect(await rclone('lsf', '-R', 'hf:rclone/changing')).toBe('kept\n');
  });

  test('a stream of unknown length goes up, and a range of it is read', async () => {
    await place.succeed('rclone', ['rcat', 'hf:rclone/stream'], environment(), 'from a stream');
    expect(await rclone('cat', 'hf:rclone/stream')).toBe('from a stream');
    expect(await rclone('cat', '--offset', '5', '--count', '3', 'hf:rclone/stream')).toBe('a s');
  });

  test('move copies on the server, also in parts, and purge leaves nothing', async () => {
    await rclone('copyto', 'tree/deep/er/large', 'hf:rclone/from');
    await rclone('--s3-copy-cutoff', '5M', 'moveto', 'hf:rclone/from', 'hf:rclone/moved/to');
    expect(await rclone('lsf', 'hf:rclone/moved')).toBe('to\n');
    await rclone('copyto', 'hf:rclone/moved/to', 'back/large');
    expect((await place.digests('back'))['large']).toBe(
      (await place.digests('tree'))['deep/er/large'],
    );
    await rclone('mkdir', 'hf:purged');
    await rclone('copyto', 'tree/top.txt', 'hf:purged/a/b');
    await rclone('purge', 'hf:purged');
    expect(await rclone('lsd', 'hf:')).not.toContain('purged');
  });
});
