import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import { ClientWorkplace } from './harness/client-workplace.ts';
import { CREDENTIALS } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';

const MIB = 1024 * 1024;
const missing = await whyMissing({ command: 'restic', probe: ['version'], package: 'restic' });

test('restic is there', (context) => expectPresence(context, missing));

describe.skipIf(missing !== undefined)('restic', () => {
  let place: ClientWorkplace;
  beforeAll(async () => {
    place = await ClientWorkplace.open('restic');
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  });

  const restic = (...words: string[]): Promise<string> =>
    place.succeed('restic', ['--no-cache', ...words], {
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_DEFAULT_REGION: 'us-east-1',
      RESTIC_REPOSITORY: `s3:${place.server.endpoint}/restic/repository`,
      RESTIC_PASSWORD: 'a password of the tests',
    });

  test('backup, check, prune and restore give back the newest tree, byte for byte', async () => {
    await place.write('tree/large', patternBytes(9, 9 * MIB));
    await place.write('tree/sub/small', 'first');
    await restic('init');
    await restic('backup', 'tree');
    await restic('check', '--read-data');

    await place.write('tree/sub/small', 'second');
    await rm(place.path('tree/large'));
    await place.write('tree/larger', patternBytes(10, 5 * MIB));
    await restic('backup', 'tree');
    const snapshots = JSON.parse(await restic('snapshots', '--json')) as unknown[];
    expect(snapshots).toHaveLength(2);

    await restic('forget', '--keep-last', '1', '--prune');
    expect(JSON.parse(await restic('snapshots', '--json'))).toHaveLength(1);
    await restic('check', '--read-data');
    await restic('restore', 'latest', '--target', 'restored', '--verify');
    const restored = await place.digests('restored');
    const original = await place.digests('tree');
    expect(Object.keys(original)).toHaveLength(2);
    for (const [name, digest] of Object.entries(original)) {
      expect(restored[`tree/${name}`]).toBe(digest);
    }
  });
});
