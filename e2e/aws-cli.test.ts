import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import type { CommandResult } from './harness/command.ts';
import { runCommand } from './harness/command.ts';
import { CREDENTIALS, HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import type { TemporaryFolder } from './harness/temporary-folder.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const MIB = 1024 * 1024;
const missing = await whyMissing({ command: 'aws', probe: ['--version'] });

test('the AWS CLI is there', (context) => expectPresence(context, missing));

describe.skipIf(missing !== undefined)('the AWS CLI', () => {
  let folder: TemporaryFolder;
  let server: HoldfastProcess;
  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await HoldfastProcess.start({ directory: join(folder.path, 'data') });
    await succeed('s3', 'mb', 's3://cli');
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  function aws(...words: string[]): Promise<CommandResult> {
    return runCommand('aws', ['--endpoint-url', server.endpoint, ...words], {
      workingDirectory: folder.path,
      environment: {
        AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_CONFIG_FILE: join(folder.path, 'no-config'),
        AWS_SHARED_CREDENTIALS_FILE: join(folder.path, 'no-credentials'),
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_MAX_ATTEMPTS: '1',
      },
    });
  }

  async function succeed(...words: string[]): Promise<string> {
    const { exitCode, output, errors } = await aws(...words);
    expect(exitCode, `aws ${words.join(' ')}\n${errors}`).toBe(0);
    return output;
  }

  test('the line that is printed at the start works when it is pasted', async () => {
    const line = server.output.split('\n').find((text) => text.includes(' aws --endpoint-url '));
    const pasted = await runCommand('sh', ['-c', line ?? 'exit 9'], {
      environment: { AWS_MAX_ATTEMPTS: '1' },
    });
    expect(pasted.errors).toBe('');
    expect(pasted.exitCode).toBe(0);
  });

  test('mb, ls and rb make, show and remove a bucket', async () => {
    await succeed('s3', 'mb', 's3://passing');
    expect(await succeed('s3', 'ls')).toContain(' passing\n');
    await succeed('s3', 'rb', 's3://passing');
    expect(await succeed('s3', 'ls')).not.toContain('passing');
  });

  test('cp brings a small file up and down unchanged, and rm removes it', async () => {
    const path = join(folder.path, 'ünïcode name.txt');
    await writeFile(path, 'hello\n');
    await succeed('s3', 'cp', path, 's3://cli/a b/ünïcode+name.txt');
    expect(await succeed('s3', 'cp', 's3://cli/a b/ünïcode+name.txt', '-')).toBe('hello\n');
    expect(await succeed('s3', 'ls', 's3://cli/a b/')).toContain(' 6 ünïcode+name.txt');
    await succeed('s3', 'rm', 's3://cli/a b/ünïcode+name.txt');
    expect((await aws('s3', 'ls', 's3://cli/a b/')).exitCode).toBe(1);
  });

  test('cp takes its body from a pipe', async () => {
    const piped = await runCommand(
      'sh',
      ['-c', 'echo from a pipe | "$0" "$@"', 'aws', '--endpoint-url', server.endpoint].concat([
        's3',
        'cp',
        '-',
        's3://cli/piped',
      ]),
      {
        environment: {
          AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
          AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
          AWS_DEFAULT_REGION: 'us-east-1',
        },
      },
    );
    expect(piped.exitCode, piped.errors).toBe(0);
    expect(await succeed('s3', 'cp', 's3://cli/piped', '-')).toBe('from a pipe\n');
  });

  test('sync moves a tree up and down, and --delete removes what is gone', async () => {
    const tree = join(folder.path, 'tree');
    await mkdir(join(tree, 'sub'), { recursive: true });
    for (let i = 0; i < 20; i++) await writeFile(join(tree, 'sub', `f${i}`), `file ${i}`);
    await writeFile(join(tree, 'top'), 'top');
    await succeed('s3', 'sync', tree, 's3://cli/tree');
    const copy = join(folder.path, 'copy');
    await succeed('s3', 'sync', 's3://cli/tree', copy);
    expect((await readdir(copy, { recursive: true })).toSorted()).toEqual(
      (await readdir(tree, { recursive: true })).toSorted(),
    );
    expect(await readFile(join(copy, 'sub', 'f7'), 'utf8')).toBe('file 7');
    await succeed('s3', 'rm', 's3://cli/tree/top');
    await succeed('s3', 'sync', '--delete', 's3://cli/tree', copy);
    expect(await readdir(copy)).toEqual(['sub']);
    await succeed('s3', 'rm', '--recursive', 's3://cli/tree');
    expect((await aws('s3', 'ls', 's3://cli/tree/')).exitCode).toBe(1);
  });

  test('presign makes an address that works without keys', async () => {
    await writeFile(join(folder.path, 'shared.txt'), 'for everybody');
    await succeed('s3', 'cp', 'shared.txt', 's3://cli/shared.txt');
    const url = (await succeed('s3', 'presign', 's3://cli/shared.txt')).trim();
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('for everybody');
    const forged = await fetch(`${url.slice(0, -1)}${url.endsWith('0') ? '1' : '0'}`);
    expect(forged.status).toBe(403);
    await forged.body?.cancel();
  });

  test('keys that are hard to carry go up, are listed and come down', async () => {
    const keys = ['a//b/../%2Fb+c', '\u0001 tab\tnew\nline', '\u{1f600}\u{10fffd}'];
    const path = join(folder.path, 'nasty');
    for (const [number, key] of keys.entries()) {
      await writeFile(path, `body ${number}`);
      const where = ['--bucket', 'cli', '--key', `nasty/${key}`];
      await succeed('s3api', 'put-object', ...where, '--body', path);
      await succeed('s3api', 'get-object', ...where, `${path}.back`);
      expect(await readFile(`${path}.back`, 'utf8')).toBe(`body ${number}`);
    }
    const listed = await succeed(
      's3api',
      'list-objects-v2',
      '--bucket',
      'cli',
      '--prefix',
      'nasty/',
    );
    const { Contents } = JSON.parse(listed) as { Contents: { Key: string }[] };
    const wanted = keys.map((key) => `nasty/${key}`);
    expect(Contents.map(({ Key }) => Key).toSorted()).toEqual(wanted.toSorted());
  });

  test('200 MiB go up in parts and come down the same', async () => {
    const bytes = patternBytes(200, 200 * MIB);
    const path = join(folder.path, 'large');
    await writeFile(path, bytes);
    await succeed('s3', 'cp', '--no-progress', path, 's3://cli/large');
    const head = await succeed('s3api', 'head-object', '--bucket', 'cli', '--key', 'large');
    const { ContentLength, ETag } = JSON.parse(head) as { ContentLength: number; ETag: string };
    expect(ContentLength).toBe(200 * MIB);
    expect(ETag).toMatch(/^"[0-9a-f]{32}-25"$/);
    await succeed('s3', 'cp', '--no-progress', 's3://cli/large', `${path}.back`);
    expect(sha256(await readFile(`${path}.back`))).toBe(sha256(bytes));
    await succeed('s3', 'cp', '--no-progress', 's3://cli/large', 's3://cli/large-copy');
    await succeed('s3', 'cp', '--no-progress', 's3://cli/large-copy', `${path}.copy`);
    expect(sha256(await readFile(`${path}.copy`))).toBe(sha256(bytes));
  });

  test('files go and come encrypted: under a key of the customer, and under that of the server', async () => {
    const body = patternBytes(3, 9 * MIB + 5);
    await writeFile(join(folder.path, 'secret'), body);
    await writeFile(join(folder.path, 'key'), patternBytes(4, 32));
    const customer = ['--sse-c', 'AES256', '--sse-c-key', 'fileb://key'];
    const ofServer = ['--sse', 'AES256'];
    for (const [name, putWords, getWords] of [
      ['customer', customer, customer],
      ['server', ofServer, []],
    ] as const) {
      await succeed('s3', 'cp', 'secret', `s3://cli/sealed/${name}`, ...putWords);
      await succeed('s3', 'cp', `s3://cli/sealed/${name}`, 'back', ...getWords);
      expect(sha256(await readFile(join(folder.path, 'back')))).toBe(sha256(body));
    }
    const without = await aws('s3', 'cp', 's3://cli/sealed/customer', 'back');
    expect([without.exitCode, without.errors]).toEqual([1, expect.stringContaining('(400)')]);
    const key = Buffer.from(patternBytes(4, 32)).toString('base64');
    expect(`${server.output}${server.errors}`).not.toContain(key);
  });
});
