import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import { ClientWorkplace } from './harness/client-workplace.ts';
import { CREDENTIALS } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';

const MIB = 1024 * 1024;
const missing = await whyMissing({ command: 's3cmd', probe: ['--version'], package: 's3cmd' });

test('s3cmd is there', (context) => expectPresence(context, missing));

describe.skipIf(missing !== undefined)('s3cmd', () => {
  let place: ClientWorkplace;
  beforeAll(async () => {
    // Why ACLs: its cp and mv set the ACL of what they made, which a new bucket refuses here as on AWS.
    place = await ClientWorkplace.open('s3cmd', '--bucket-acls');
    const host = new URL(place.server.endpoint).host;
    await place.write(
      's3cfg',
      `[default]
access_key = ${CREDENTIALS.accessKeyId}
secret_key = ${CREDENTIALS.secretAccessKey}
host_base = ${host}
host_bucket = ${host}
use_https = False
bucket_location = us-east-1
`,
    );
    await place.write('tree/top.txt', 'top');
    await place.write('tree/a folder/ünïcode + name.txt', 'hello');
    await place.write('tree/deep/er/large', patternBytes(8, 12 * MIB));
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  });

  const s3cmd = (...words: string[]): Promise<string> =>
    place.succeed('s3cmd', ['--config', place.path('s3cfg'), '--no-progress', ...words], {
      LC_ALL: 'C.UTF-8',
    });

  test('sync brings a tree up in parts and down again', async () => {
    await s3cmd('sync', '--multipart-chunk-size-mb=5', 'tree/', 's3://s3cmd/tree/');
    await s3cmd('sync', 's3://s3cmd/tree/', 'copy/');
    expect(await place.digests('copy')).toEqual(await place.digests('tree'));
    expect(await s3cmd('info', 's3://s3cmd/tree/deep/er/large')).toContain(
      `File size: ${12 * MIB}`,
    );
  });

  test('a second sync sends nothing, and one with --delete-removed deletes', async () => {
    await place.write('changing/kept', 'kept');
    await place.write('changing/gone', 'gone');
    await s3cmd('sync', 'changing/', 's3://s3cmd/changing/');
    expect(await s3cmd('sync', 'changing/', 's3://s3cmd/changing/')).not.toContain('upload:');
    await place.write('other/kept', 'kept');
    await s3cmd('sync', '--delete-removed', 'other/', 's3://s3cmd/changing/');
    expect(await s3cmd('ls', '-r', 's3://s3cmd/changing/')).toMatch(/^\S+ \S+ +4 +\S+kept\n$/);
  });

  test('put, ls, get, cp, mv, du and del do what they say', async () => {
    await s3cmd('put', 'tree/top.txt', 's3://s3cmd/one/a b+c.txt');
    expect(await s3cmd('ls', 's3://s3cmd/one/')).toContain('s3://s3cmd/one/a b+c.txt');
    await s3cmd('cp', 's3://s3cmd/one/a b+c.txt', 's3://s3cmd/one/copied');
    await s3cmd('mv', 's3://s3cmd/one/copied', 's3://s3cmd/one/moved');
    await s3cmd('get', 's3://s3cmd/one/moved', 'moved');
    expect(await s3cmd('du', 's3://s3cmd/one/')).toContain('6');
    await s3cmd('del', '--recursive', '--force', 's3://s3cmd/one/');
    expect(await s3cmd('ls', 's3://s3cmd/one/')).toBe('');
  });

  test('mb and rb make and remove a bucket, and a full one is not removed', async () => {
    await s3cmd('mb', 's3://s3cmd-made');
    await s3cmd('put', 'tree/top.txt', 's3://s3cmd-made/k');
    const words = ['--config', place.path('s3cfg'), 'rb', 's3://s3cmd-made'];
    const refused = await place.run('s3cmd', words);
    expect([refused.exitCode === 0, refused.errors]).toEqual([
      false,
      expect.stringContaining('BucketNotEmpty'),
    ]);
    await s3cmd('rb', '--recursive', '--force', 's3://s3cmd-made');
    expect(await s3cmd('ls')).not.toContain('s3cmd-made');
  });

  test('an address signed with Signature Version 2 works without keys', async () => {
    await s3cmd('put', 'tree/top.txt', 's3://s3cmd/signed');
    const url = (await s3cmd('signurl', 's3://s3cmd/signed', '+600')).trim();
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, 'top']);
  });
});
