import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import { runCommand, runHoldfast } from './harness/command.ts';
import { CREDENTIALS, HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import { type TemporaryFolder, temporaryFolder } from './harness/temporary-folder.ts';

const MIB = 1024 * 1024;
const Bucket = 'secure';
const missing = await whyMissing({ command: 'aws', probe: ['--version'] });

let folder: TemporaryFolder;
let server: HoldfastProcess;
let certificate: string;
let options: string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  const names = { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] };
  const made = generate([{ name: 'commonName', value: 'e2e' }], {
    algorithm: 'sha256',
    keySize: 2048,
    extensions: [names],
  });
  certificate = made.cert;
  const [certPath, keyPath] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  await writeFile(certPath, made.cert);
  await writeFile(keyPath, made.private);
  options = ['--tls-cert', certPath, '--tls-key', keyPath];
  server = await HoldfastProcess.start({
    directory: join(folder.path, 'data'),
    arguments: options,
  });
  await client().send(new CreateBucketCommand({ Bucket }));
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

function client(): S3Client {
  return server.client({ requestHandler: { httpsAgent: new Agent({ ca: certificate }) } });
}

async function page(address: string): Promise<string> {
  const request = get(address, { ca: certificate, agent: false });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return await text(answer);
}

test('the AWS CLI is there', (context) => expectPresence(context, missing));

test.skipIf(missing !== undefined)(
  'the AWS CLI trusts the certificate by the line that is printed, and copies large files',
  async () => {
    const line = server.output.split('\n').find((each) => each.includes(' aws --endpoint-url '));
    expect(line).toContain(' aws --endpoint-url https://127.0.0.1:');
    const inShell = (words: string) => {
      const command = (line ?? '').replace(/ s3 \S+.*$/, ` ${words}`);
      return runCommand('sh', ['-c', command], { environment: { AWS_MAX_ATTEMPTS: '1' } });
    };
    const body = patternBytes(20 * MIB, 7);
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await writeFile(from, body);
    const put = await inShell(`s3 cp --no-progress '${from}' s3://${Bucket}/large`);
    expect(put.errors).toBe('');
    const got = await inShell(`s3 cp --no-progress s3://${Bucket}/large '${to}'`);
    expect(got.errors).toBe('');
    expect(sha256(await readFile(to))).toBe(sha256(body));
  },
);

test('a customer’s key, a presigned address and a policy of secure transport work over it', async () => {
  const s3 = client();
  const key = randomBytes(32);
  const sealed = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key.toString('base64') };
  await s3.send(new PutObjectCommand({ Bucket, Key: 'sealed', Body: 'secret', ...sealed }));
  const read = await s3.send(new GetObjectCommand({ Bucket, Key: 'sealed', ...sealed }));
  expect(await read.Body?.transformToString()).toBe('secret');
  const Policy = JSON.stringify({
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/open*`,
        Condition: { Bool: { 'aws:SecureTransport': 'true' } },
      },
    ],
  });
  await s3.send(new PutObjectCommand({ Bucket, Key: 'open', Body: 'for all' }));
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'open' }));
  for (const address of [url, `${server.endpoint}/${Bucket}/open`]) {
    expect(await page(address)).toBe('for all');
  }
});

test('an upload of parts is told where it is by https', async () => {
  const s3 = client();
  const upload = { Bucket, Key: 'parts/one' };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload));
  const part = { ...upload, UploadId, PartNumber: 1 };
  const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: 'all of it' }));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const done = await s3.send(
    new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }),
  );
  expect(done.Location).toBe(`${server.endpoint}/${Bucket}/parts%2Fone`);
});

test('healthcheck and stats trust nobody, unless they are told to trust everybody', async () => {
  for (const command of ['healthcheck', 'stats']) {
    const refused = await runHoldfast([command, '--url', server.endpoint]);
    expect(refused.exitCode).toBe(1);
    expect(refused.errors).toContain('does not answer: self-signed certificate');
    const answered = await runHoldfast([command, '--url', server.endpoint, '--insecure']);
    expect(answered).toMatchObject({ exitCode: 0, errors: '' });
  }
  const metrics = await page(`${server.endpoint}/_/metrics`);
  const [, expires] = /^holdfast_certificate_expires_timestamp_seconds (\S+)$/m.exec(metrics) ?? [];
  expect(Number(expires) * 1000).toBeGreaterThan(Date.now());
});

test('who does not speak TLS is sent away, and the log says what to do', async () => {
  const plain = getPlain(server.endpoint.replace('https', 'http'), { agent: false });
  await expect(once(plain, 'response')).rejects.toThrow('socket hang up');
  expect(server.errors).toContain('a request without TLS: use https');
});

test('a start with a key of another is refused, and leaves no folder', async () => {
  const path = join(folder.path, 'other-key.pem');
  await writeFile(path, generate([], { keySize: 2048 }).private);
  const directory = join(folder.path, 'never');
  const words = ['serve', '--port', '0', '--data', directory, ...options.slice(0, 3), path];
  const { exitCode, errors } = await runHoldfast(words, {
    environment: {
      HOLDFAST_ACCESS_KEY: CREDENTIALS.accessKeyId,
      HOLDFAST_SECRET_KEY: CREDENTIALS.secretAccessKey,
    },
  });
  expect(errors).toContain(`The key in ${path} is not that of the first certificate in`);
  expect(exitCode).toBe(2);
  await expect(stat(directory)).rejects.toThrow('ENOENT');
});

test('it stops while connections are open', async () => {
  const idle = client();
  await idle.send(new GetObjectCommand({ Bucket, Key: 'open' }));
  server.signal('SIGTERM');
  expect(await server.stopped()).toBe(0);
});
