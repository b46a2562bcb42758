/**
 * Whole requests against the whole stack. The corpus is tried as it is; then properties mutate and mix it. A run that
 * fails prints its seed and the smallest request.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RawRequest, RawSocket, send } from '../raw-client.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import {
  CHUNKED,
  DOCUMENT_PIECES,
  DOCUMENTS,
  HEADER_NAMES,
  HEADER_VALUES,
  QUERY_NAMES,
  QUERY_VALUES,
  RAW_REQUESTS,
  TARGETS,
} from './corpus.ts';
import { expectSound } from './expect-sound.ts';

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'PROPFIND'];

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ bucketAcls: true });
  await send(server, {
    method: 'PUT',
    path: '/bucket',
    headers: { 'x-amz-bucket-object-lock-enabled': 'true' },
  });
  await send(server, { method: 'PUT', path: '/bucket/key', body: 'body' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Signed where it can be: the test's own client signs what is decodable only. */
function signable(request: RawRequest): RawRequest {
  try {
    decodeURIComponent(request.path);
    return request;
  } catch {
    return { ...request, anonymous: true };
  }
}

test('every target of the corpus, by every method, has a sound answer', async () => {
  for (const path of TARGETS) {
    for (const method of METHODS) {
      await expectSound(server, signable({ method, path }));
      await expectSound(server, { method, path, anonymous: true });
    }
  }
});

test('a header of the corpus with any value has a sound answer', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...HEADER_NAMES),
      fc.constantFrom(...HEADER_VALUES),
      fc.constantFrom('GET', 'PUT', 'DELETE'),
      async (name, value, method) => {
        const path = '/bucket/with-header';
        await expectSound(server, { method, path, headers: { [name]: value } });
      },
    ),
    { numRuns: 500 },
  );
});

test('any mixture of targets, queries, headers and bodies has a sound answer', async () => {
  const query = fc.array(
    fc.tuple(fc.constantFrom(...QUERY_NAMES), fc.constantFrom(...QUERY_VALUES)),
    { maxLength: 3 },
  );
  const headers = fc.dictionary(
    fc.constantFrom(...HEADER_NAMES),
    fc.oneof(fc.constantFrom(...HEADER_VALUES), fc.string({ maxLength: 40 })),
    { maxKeys: 4 },
  );
  const bodies = fc.constantFrom(undefined, 'x', ...DOCUMENTS.map(([, , body]) => body));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...METHODS),
      fc.constantFrom(...TARGETS.filter((target) => !target.includes('?'))),
      query,
      headers,
      bodies,
      fc.boolean(),
      async (method, target, pairs, given, body, anonymous) => {
        const asked = pairs.map(([name, value]) => `${name}=${value}`).join('&');
        const path = asked === '' ? target : `${target}?${asked}`;
        const request = { method, path, headers: given, anonymous };
        await expectSound(server, signable(body === undefined ? request : { ...request, body }));
      },
    ),
    { numRuns: 600 },
  );
});

test('each document of the corpus is understood, and any change of it has a sound answer', async () => {
  for (const [method, path, body] of DOCUMENTS) {
    const { code } = await expectSound(server, { method, path, body: body });
    expect([path, code]).not.toEqual([path, 'MalformedXML']);
    expect([path, code]).not.toEqual([path, 'MalformedPolicy']);
  }
  const edits = fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.nat({ max: 30 }),
      insert: fc.oneof(
        fc.constantFrom(...DOCUMENT_PIECES),
        fc.string({ unit: 'binary', maxLength: 5 }).filter((text) => text.isWellFormed()),
      ),
    }),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...DOCUMENTS),
      edits,
      async ([method, path, body], changes) => {
        await expectSound(server, { method, path, body: edited(body, changes) });
      },
    ),
    { numRuns: 600 },
  );
});

test('bodies in chunks that are right are stored whole, and any others have a sound answer and store nothing', async () => {
  const put = (body: Uint8Array, length = '11'): RawRequest => ({
    method: 'PUT',
    path: '/bucket/chunked',
    headers: {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': length,
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-encoding': 'aws-chunked',
    },
    body,
  });
  const statuses: number[] = [];
  for (const body of CHUNKED) {
    statuses.push((await expectSound(server, put(Buffer.from(body)))).status);
  }
  // The first alone: of the second, a chunk that is not the last is too small.
  expect(statuses.map((status) => status === 200)).toEqual(CHUNKED.map((_, at) => at === 0));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...CHUNKED),
      fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat({ max: 255 })), {
        maxLength: 3,
      }),
      fc.constantFrom('11', '10', '12', '0', '-1', 'x', '99999999999999999999'),
      async (body, changes, length) => {
        const bytes = Buffer.from(body, 'latin1');
        for (const [at, byte] of changes) bytes[Math.floor(at * bytes.length)] = byte;
        const { status } = await expectSound(server, put(bytes, length));
        if (status !== 200) return;
        const read = await send(server, { method: 'GET', path: '/bucket/chunked' });
        expect(read.body).toHaveLength(11);
      },
    ),
    { numRuns: 400 },
  );
});

test('whatever bytes come on a connection, it is answered with refusals and closed, and the next is served', async () => {
  // Its own: on the other one a policy that a test made up may let everybody in.
  await using fresh = await startTestServer();
  await send(fresh, { method: 'PUT', path: '/bucket' });
  await send(fresh, { method: 'PUT', path: '/bucket/key', body: 'body' });
  const changed = fc
    .tuple(fc.constantFrom(...RAW_REQUESTS), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))))
    .map(([text, changes]) => {
      const bytes = Buffer.from(text, 'latin1');
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      return bytes;
    });
  const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  for (const text of RAW_REQUESTS) await expectRefused(fresh, Buffer.from(text, 'latin1'));
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, noise), (bytes) => expectRefused(fresh, bytes)),
    { numRuns: 600 },
  );
  const { body } = await send(fresh, { method: 'GET', path: '/bucket/key' });
  expect(body).toBe('body');
});

/** Nothing here is signed, so nothing is granted: OPTIONS aside, every answer is a refusal. */
async function expectRefused(fresh: TestServer, bytes: Uint8Array): Promise<void> {
  await using socket = new RawSocket(fresh.port);
  socket.write(bytes);
  socket.socket.end();
  const answer = await socket.untilEnd();
  const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
  const about = Buffer.from(bytes).toString('latin1');
  expect(fresh.logged, about).toEqual([]);
  for (const status of statuses) {
    expect(
      status === 100 || (status >= 400 && status < 500) || status === 501,
      `${about}\n${answer}`,
    ).toBe(true);
  }
  const documents = [...answer.matchAll(/<RequestId>([0-9A-F]{16})<\/RequestId>/g)];
  const known = new Set(fresh.records.map(({ requestId }) => requestId));
  for (const [, requestId = ''] of documents) expect(known.has(requestId), answer).toBe(true);
  const bodiless = /^(HEAD|CONNECT)/m.test(about);
  if (!bodiless) {
    expect(documents.length, answer).toBe(statuses.filter((status) => status !== 100).length);
  }
}

function edited(
  text: string,
  changes: readonly { readonly at: number; readonly remove: number; readonly insert: string }[],
): string {
  let result = text;
  for (const { at, remove, insert } of changes) {
    const position = Math.floor(at * result.length);
    result = result.slice(0, position) + insert + result.slice(position + remove);
  }
  return result;
}
