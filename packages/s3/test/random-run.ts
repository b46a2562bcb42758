/**
 * Requests by chance to a whole server, some of them wrong in one way that chance decides: each wrong one is refused, and each
 * right one has its effect. Throws where one was answered otherwise.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { invariant } from '@holdfast/bytes';
import { SeededRandom } from '@holdfast/env/memory';
import { decode } from './body/body-fixtures.ts';
import { encodeChunks } from './body/chunk-encoder.ts';
import { type RawRequest, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const KEYS = ['a/1', 'a/2', 'b/1'];
/** What may be wrong with a put, and what a server says to it. */
const WRONGS: Readonly<Record<string, string>> = {
  nothing: '',
  md5: 'BadDigest',
  checksum: 'BadDigest',
  body: 'XAmzContentSHA256Mismatch',
  secret: 'SignatureDoesNotMatch',
  match: 'PreconditionFailed',
  noneMatch: 'PreconditionFailed',
};

export async function randomRun(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  await using server = await startTestServer();
  await must(server, { method: 'PUT', path: '/bucket' }, '');
  const bodies = new Map<string, string>();
  for (let step = 0; step < 30; step++) await putSomething(server, random, bodies);
  await denySomething(server, random, bodies);
  for (let step = 0; step < 10; step++) await changeChunks(random);
}

async function putSomething(
  server: TestServer,
  random: SeededRandom,
  bodies: Map<string, string>,
): Promise<void> {
  const key = pick(random, KEYS);
  const path = `/bucket/${key}`;
  const known = bodies.get(key);
  const wrong = pick(random, Object.keys(WRONGS));
  // There must be something to compare with.
  if (/atch/.test(wrong) && known === undefined) return;
  const body = `body ${random.below(1_000_000)}`;
  const other = `${body}x`;
  const headers: Record<string, string> = {
    'content-md5': md5(wrong === 'md5' ? other : body, 'base64'),
    'x-amz-checksum-crc32': crcOf(wrong === 'checksum' ? other : body),
  };
  if (wrong === 'match') headers['if-match'] = `"${md5(`${known}x`, 'hex')}"`;
  else if (wrong === 'noneMatch') headers['if-none-match'] = '*';
  else if (known !== undefined) headers['if-match'] = `"${md5(known, 'hex')}"`;
  const put: RawRequest = {
    method: 'PUT',
    path,
    headers,
    body,
    ...(wrong === 'body' ? { signedBody: other } : {}),
    ...(wrong === 'secret' ? { secretKey: 'another one' } : {}),
  };
  await must(server, put, WRONGS[wrong] ?? '');
  if (wrong === 'nothing') bodies.set(key, body);
  const wanted = bodies.get(key);
  const { status, body: found } = await send(server, { method: 'GET', path });
  const isRight = wanted === undefined ? status === 404 : found === wanted;
  invariant(isRight, `${key} with a wrong ${wrong}: ${status} "${found}", not "${wanted}"`);
}

/** A policy of denials: it has the last word, and about nothing else. */
async function denySomething(
  server: TestServer,
  random: SeededRandom,
  bodies: ReadonlyMap<string, string>,
): Promise<void> {
  const denied = KEYS.filter(() => random.below(2) === 0);
  if (denied.length === 0) return;
  const statement = denied.map((key) => ({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::bucket/${key}`,
  }));
  const body = JSON.stringify({ Version: '2012-10-17', Statement: statement });
  await must(server, { method: 'PUT', path: '/bucket?policy', body }, '');
  for (const key of bodies.keys()) {
    const code = denied.includes(key) ? 'AccessDenied' : '';
    await must(server, { method: 'GET', path: `/bucket/${key}` }, code);
  }
}

/** One byte of a body in signed chunks is changed: it is refused, or means the same. */
async function changeChunks(random: SeededRandom): Promise<void> {
  const text = `first ${random.below(1000)} and second ${random.below(1000)}`;
  const bytes = Buffer.from(text);
  const at = 1 + random.below(bytes.length - 1);
  const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
  const changed = Buffer.from(encodeChunks(chunks, { signed: true }).bytes);
  const position = random.below(changed.length);
  changed[position] = (changed[position] as number) ^ (1 << random.below(8));
  const headers = { 'x-amz-decoded-content-length': String(bytes.length) };
  const limits = { minChunkBytes: 0 };
  const decoded = await decode([changed], 'streaming-signed', headers, limits).catch(
    () => undefined,
  );
  const isSame = decoded === undefined || decoded.body === text;
  invariant(isSame, `byte ${position} was changed, and "${decoded?.body}" decoded`);
}

async function must(server: TestServer, request: RawRequest, code: string): Promise<void> {
  const answer = await send(server, request);
  const found = answer.status < 300 ? '' : (answer.code ?? String(answer.status));
  invariant(found === code, `${request.method} ${request.path}: ${found}, not ${code}`);
}

function pick<Item>(random: SeededRandom, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item;
}

function md5(text: string, encoding: 'hex' | 'base64'): string {
  return createHash('md5').update(text).digest(encoding);
}

function crcOf(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64');
}
