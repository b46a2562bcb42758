import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Authentication } from '../../src/auth/index.ts';
import { requestHeaders } from '../../src/auth/index.ts';
import { BodyError, decodeBody, storedContentEncoding } from '../../src/body/index.ts';
import { decode, from, headerMap, pouring, refusalOf } from './body-fixtures.ts';
import { encodeChunks, signedUpload } from './chunk-encoder.ts';

const anonymous: Authentication = { kind: 'anonymous', payload: 'unsigned', headers: new Map() };
const BODY = Buffer.from('a body');

describe('a plain body', () => {
  test('passes through, in the same memory', async () => {
    const body = decodeBody(from([BODY]), anonymous, headerMap({ 'content-length': '6' }));
    expect(body.sizeBytes).toBe(6);
    const pieces: Uint8Array[] = [];
    for await (const piece of body.pieces) pieces.push(piece);
    expect(pieces).toHaveLength(1);
    expect(pieces[0]).toBe(BODY);
  });

  test.each([5, 7])('of 6 bytes is refused where the length says %i', async (length) => {
    const decoding = decode([BODY], anonymous, { 'content-length': String(length) });
    expect(await refusalOf(decoding)).toMatchObject({
      code: 'IncompleteBody',
      details: { NumberBytesExpected: String(length), NumberBytesProvided: '6' },
    });
  });

  test('without a length and without chunks is refused', async () => {
    const decoding = async () => decode([BODY], anonymous, {});
    expect((await refusalOf(decoding())).code).toBe('MissingContentLength');
  });

  test('without a length is accepted where none is required', async () => {
    const lax = { requireLength: false };
    const chunked = headerMap({ 'transfer-encoding': 'chunked' });
    expect(decodeBody(from([BODY]), anonymous, chunked, lax).sizeBytes).toBeUndefined();
    const { body } = await decode([BODY], anonymous, { 'transfer-encoding': 'chunked' }, lax);
    expect(body).toBe('a body');
    expect(decodeBody(from([]), anonymous, headerMap({}), lax).sizeBytes).toBe(0);
  });

  test.each(['-1', '1e3', '', '0x10', '99999999999999999999'])(
    'whose length is "%s" is refused',
    async (length) => {
      const decoding = async () => decode([BODY], anonymous, { 'content-length': length });
      expect((await refusalOf(decoding())).code).toBe('InvalidArgument');
    },
  );

  test('that is too large is refused before it is read, or as soon as it is too large', async () => {
    const limit = { maxSizeBytes: 5, requireLength: false };
    const known = async () => decode([], anonymous, { 'content-length': '6' }, limit);
    expect(await refusalOf(known())).toMatchObject({
      code: 'EntityTooLarge',
      details: { ProposedSize: '6', MaxSizeAllowed: '5' },
    });
    const unknown = decode([BODY], anonymous, { 'transfer-encoding': 'chunked' }, limit);
    expect((await refusalOf(unknown)).code).toBe('EntityTooLarge');
  });

  test('whose connection breaks off is incomplete', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield BODY.subarray(0, 2);
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    }
    const body = decodeBody(broken(), anonymous, headerMap({ 'content-length': '6' }));
    const reading = async () => {
      for await (const piece of body.pieces) expect(piece.length).toBeGreaterThan(0);
    };
    const error = await refusalOf(reading());
    expect(error.code).toBe('IncompleteBody');
    expect(error.cause).toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('a body that is poured', () => {
  const headers = headerMap({ 'content-length': '6' });

  test.each([from, pouring])('ends with what its taker throws, unchanged', async (source) => {
    const fault = new TypeError('a bug of the taker');
    const takers = [
      () => {
        throw fault;
      },
      () => Promise.reject(fault),
    ];
    for (const take of takers) {
      const body = decodeBody(source([BODY]), anonymous, headers);
      await expect(body.pour(take)).rejects.toBe(fault);
    }
  });

  test('whose connection breaks off is incomplete', async () => {
    const cause = new Error('aborted');
    const source = { ...pouring([]), pour: () => Promise.reject(cause) };
    const body = decodeBody(source, anonymous, headers);
    const error = await refusalOf(body.pour(() => undefined));
    expect([error.code, error.cause]).toEqual(['IncompleteBody', cause]);
  });

  test('gives the next piece when its taker is done with the one before', async () => {
    const { bytes } = encodeChunks([Buffer.alloc(3, 'x'), Buffer.alloc(4, 'y')], { signed: true });
    const body = decodeBody(
      pouring([bytes]),
      signedUpload('streaming-signed'),
      headerMap({ 'x-amz-decoded-content-length': '7' }),
      { minChunkBytes: 1 },
    );
    let taking = 0;
    const taken: number[] = [];
    await body.pour(async (piece) => {
      expect(taking++).toBe(0);
      await new Promise<void>((resolve) => setImmediate(resolve));
      taken.push(piece.length);
      taking--;
    });
    expect(taken).toEqual([3, 4]);
  });
});

describe('the source', () => {
  test('is asked for no more than the consumer takes', async () => {
    let asked = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      const { bytes } = encodeChunks([Buffer.alloc(1000, 'x')], { signed: true });
      for (let at = 0; at < bytes.length; at += 100) {
        asked += 1;
        yield bytes.subarray(at, at + 100);
      }
    }
    const headers = headerMap({ 'x-amz-decoded-content-length': '1000' });
    const body = decodeBody(counted(), signedUpload('streaming-signed'), headers);
    const iterator = body.pieces[Symbol.asyncIterator]();
    await iterator.next();
    expect(asked).toBe(1);
    await iterator.next();
    expect(asked).toBe(2);
  });

  test('is told when the consumer stops early', async () => {
    let released = false;
    async function* held(): AsyncGenerator<Uint8Array> {
      try {
        yield BODY;
        yield BODY;
      } finally {
        released = true;
      }
    }
    const body = decodeBody(held(), anonymous, headerMap({ 'content-length': '12' }));
    for await (const piece of body.pieces) {
      expect(piece).toBe(BODY);
      break;
    }
    expect(released).toBe(true);
  });

  test('stays open, so that a refusal can be answered and the rest drained', async () => {
    const server = createServer((req, res) => {
      const headers = requestHeaders(req.rawHeaders);
      const read = async () => {
        const body = decodeBody(req, signedUpload('streaming-unsigned-trailer'), headers);
        for await (const piece of body.pieces) expect(piece).toBeDefined();
        return 'accepted';
      };
      void read()
        .catch((error: unknown) => (error instanceof BodyError ? error.code : String(error)))
        .then((text) => {
          res.writeHead(400, { connection: 'close' });
          res.end(`${text}, ${req.destroyed ? 'destroyed' : 'open'}`);
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const answer = await new Promise<string>((resolve, reject) => {
      const client = request({
        port,
        host: '127.0.0.1',
        method: 'PUT',
        headers: { 'x-amz-decoded-content-length': '1000', 'content-length': '1020' },
      });
      client.on('error', reject);
      client.on('response', (response) => {
        response.setEncoding('utf8').on('data', (text: string) => resolve(text));
        response.on('end', () => client.destroy());
      });
      client.write('not a chunk size\r\n');
    });
    await new Promise((resolve) => server.close(resolve));
    expect(answer).toBe('IncompleteBody, open');
  });
});

test.each([
  ['aws-chunked', undefined],
  ['aws-chunked,gzip', 'gzip'],
  ['gzip, AWS-chunked', 'gzip'],
  ['gzip, br', 'gzip, br'],
  [' ', undefined],
])('Content-Encoding %s is stored as %s', (sent, stored) => {
  expect(storedContentEncoding(headerMap({ 'content-encoding': sent }))).toBe(stored);
});
