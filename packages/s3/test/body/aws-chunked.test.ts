import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PayloadCheck } from '../../src/auth/index.ts';
import { BodyError, decodeBody } from '../../src/body/index.ts';
import { decode, from, headerMap, refusalOf, splitAt } from './body-fixtures.ts';
import { type EncodeOptions, encodeChunks, signedUpload } from './chunk-encoder.ts';

const TRAILERS = { 'x-amz-checksum-crc32c': 'sOO8/Q==' };
const LAX = { minChunkBytes: 0 };

interface Mode {
  readonly payload: PayloadCheck;
  readonly encoding: EncodeOptions;
}

const MODES: readonly Mode[] = [
  { payload: 'streaming-signed', encoding: { signed: true } },
  { payload: 'streaming-signed-trailer', encoding: { signed: true, trailers: TRAILERS } },
  { payload: 'streaming-unsigned-trailer', encoding: { signed: false, trailers: TRAILERS } },
];

function headersFor(mode: Mode, sizeBytes: number): Record<string, string> {
  return {
    'x-amz-decoded-content-length': String(sizeBytes),
    ...(mode.encoding.trailers && { 'x-amz-trailer': Object.keys(TRAILERS).join(', ') }),
  };
}

function chunksOf(...texts: string[]): Buffer[] {
  return texts.map((text) => Buffer.from(text, 'latin1'));
}

describe.each(MODES)('$payload', (mode) => {
  const chunks = chunksOf('first chunk\r\n0\r\n\r\n', '\0\xff', 'last');
  const text = Buffer.concat(chunks).toString('latin1');
  const { bytes } = encodeChunks(chunks, mode.encoding);
  const expected = { body: text, trailers: mode.encoding.trailers ?? {} };
  const run = (pieces: Iterable<Uint8Array>) =>
    decode(pieces, mode.payload, headersFor(mode, text.length), LAX);

  test('decodes the same however the bytes are split in two', async () => {
    for (let at = 0; at <= bytes.length; at++) {
      expect(await run(splitAt(bytes, [at]))).toEqual(expected);
    }
  });

  test('decodes the same byte for byte', async () => {
    expect(await run(splitAt(bytes, [...bytes.keys()]))).toEqual(expected);
  });

  test('any chunks, split anywhere, decode to what was encoded', async () => {
    const someChunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 });
    const offsets = fc.array(fc.nat(), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(someChunks, offsets, async (parts, splits) => {
        const encoded = encodeChunks(parts, mode.encoding).bytes;
        const body = Buffer.concat(parts);
        const pieces = splitAt(
          encoded,
          splits.map((split) => split % (encoded.length + 1)),
        );
        const decoded = await decode(pieces, mode.payload, headersFor(mode, body.length), LAX);
        expect(decoded).toEqual({ ...expected, body: body.toString('latin1') });
      }),
    );
  });

  test('a body cut off anywhere is refused', async () => {
    for (let length = 0; length < bytes.length; length++) {
      const error = await refusalOf(run([bytes.subarray(0, length)]));
      expect(error.code).toMatch(/^(IncompleteBody|MalformedTrailerError)$/);
    }
  });

  test('bytes after the end are refused', async () => {
    expect((await refusalOf(run([bytes, Buffer.from('\n')]))).code).toBe('IncompleteBody');
    expect((await refusalOf(run([bytes, bytes]))).code).toBe('IncompleteBody');
  });

  test('garbage ends in a BodyError and nothing else', async () => {
    const garbage = fc.array(
      fc.oneof(
        fc.uint8Array(),
        fc.constantFrom(...chunksOf('5\r\n', '\r\n', '0', ';chunk-signature=', 'a:b\r\n')),
      ),
    );
    await fc.assert(
      fc.asyncProperty(garbage, async (pieces) => {
        expect(await refusalOf(run(pieces))).toBeInstanceOf(BodyError);
      }),
    );
  });

  test('a body that is shorter or longer than x-amz-decoded-content-length is refused', async () => {
    for (const sizeBytes of [text.length - 1, text.length + 1]) {
      const headers = headersFor(mode, sizeBytes);
      const error = await refusalOf(decode([bytes], mode.payload, headers, LAX));
      expect(error).toMatchObject({
        code: 'IncompleteBody',
        details: { NumberBytesExpected: String(sizeBytes) },
      });
    }
  });

  test('data beyond x-amz-decoded-content-length is refused before any of it is handed on', async () => {
    const headers = headerMap(headersFor(mode, text.length - 1));
    const body = decodeBody(
      from(splitAt(bytes, [...bytes.keys()])),
      signedUpload(mode.payload),
      headers,
      LAX,
    );
    let decodedBytes = 0;
    const reading = async () => {
      for await (const piece of body.pieces) decodedBytes += piece.length;
    };
    expect((await refusalOf(reading())).code).toBe('IncompleteBody');
    expect(decodedBytes).toBeLessThan(text.length);
  });

  test('an empty body is no special case', async () => {
    const empty = encodeChunks([], mode.encoding).bytes;
    const decoded = await decode([empty], mode.payload, headersFor(mode, 0));
    expect(decoded).toEqual({ ...expected, body: '' });
  });

  test('x-amz-decoded-content-length is required', async () => {
    const { 'x-amz-decoded-content-length': _, ...headers } = headersFor(mode, 0);
    const decoding = async () =>
      decode([bytes], mode.payload, { ...headers, 'content-length': '9' });
    expect((await refusalOf(decoding())).code).toBe('MissingContentLength');
  });

  test('only the last chunk may be small', async () => {
    const large = Buffer.alloc(8192, 'x');
    const accepted = encodeChunks([large, large, Buffer.from('end')], mode.encoding).bytes;
    const size = (count: number) => headersFor(mode, count);
    expect((await decode([accepted], mode.payload, size(16387))).body).toHaveLength(16387);
    const refused = encodeChunks([large, large.subarray(1), Buffer.from('end')], mode.encoding);
    expect(await refusalOf(decode([refused.bytes], mode.payload, size(16386)))).toMatchObject({
      code: 'InvalidChunkSizeError',
      message: 'Only the last chunk is allowed to have a size less than 8192 bytes',
      details: { Chunk: '3', BadChunkSize: '8191' },
    });
  });

  test('an endless line is refused before it is read', async () => {
    let asked = 0;
    function* endless(): Generator<Uint8Array> {
      for (; asked < 100; asked++) yield Buffer.alloc(64, '1');
    }
    expect((await refusalOf(run(endless()))).code).toBe('IncompleteBody');
    expect(asked).toBeLessThan(12);
  });
});

describe.each(MODES.filter(({ encoding }) => encoding.signed))(
  '$payload, changed on the way',
  (mode) => {
    const chunks = chunksOf('first chunk', 'second');
    const text = Buffer.concat(chunks).toString('latin1');
    const { bytes } = encodeChunks(chunks, mode.encoding);
    const run = (changed: Uint8Array) =>
      decode([changed], mode.payload, headersFor(mode, text.length), LAX);

    test('one changed byte is refused, wherever it is', async () => {
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ 0x01;
        const error = await refusalOf(run(changed));
        expect(error.code).toMatch(
          /^(SignatureDoesNotMatch|IncompleteBody|MalformedTrailerError)$/,
        );
      }
    });

    test('any change is refused or changes nothing that was decoded', async () => {
      const original = await run(bytes);
      const at = fc.nat({ max: bytes.length - 1 });
      await fc.assert(
        fc.asyncProperty(at, fc.nat({ max: 255 }), async (index, byte) => {
          const changed = Buffer.from(bytes);
          changed[index] = byte;
          const result = await run(changed).catch((error: unknown) => error);
          if (!(result instanceof BodyError)) expect(result).toEqual(original);
        }),
        { numRuns: 3000 },
      );
    });

    test('chunks that are left out, repeated or swapped are refused', async () => {
      const bounds = [...bytes.toString('latin1').matchAll(/[0-9a-f]+;chunk/g)].map(
        ({ index }) => index,
      );
      const [first, second, last] = splitAt(bytes, bounds).filter(({ length }) => length > 0);
      const parts = { first, second, last } as Record<string, Uint8Array>;
      for (const order of ['second last', 'first last', 'second first last', 'first first last']) {
        const changed = Buffer.concat(order.split(' ').map((name) => parts[name] as Uint8Array));
        expect((await refusalOf(run(changed))).code).toMatch(
          /SignatureDoesNotMatch|IncompleteBody/,
        );
      }
    });

    test('chunks signed with another seed are refused before any of their successors is read', async () => {
      const authentication = signedUpload(mode.payload, '1'.repeat(64));
      const error = await refusalOf(
        decode([bytes], authentication, headersFor(mode, text.length), LAX),
      );
      expect(error).toMatchObject({
        code: 'SignatureDoesNotMatch',
        details: { StringToSign: expect.stringContaining('AWS4-HMAC-SHA256-PAYLOAD\n') as string },
      });
    });
  },
);

describe('trailers', () => {
  const body = Buffer.from('body');
  const unsigned: PayloadCheck = 'streaming-unsigned-trailer';
  const headers = {
    'x-amz-decoded-content-length': '4',
    'x-amz-trailer': 'x-amz-checksum-crc32c',
  };
  const send = (tail: string, payload = unsigned, sent: Record<string, string> = headers) =>
    decode([Buffer.from(`4\r\nbody\r\n0\r\n${tail}`)], payload, sent);

  test.each([
    ['standard', 'x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n'],
    ['in capitals and with spaces', 'X-Amz-Checksum-CRC32C : sOO8/Q== \r\n\r\n'],
    ['ended by LF CR LF', 'x-amz-checksum-crc32c:sOO8/Q==\n\r\n\r\n'],
  ])('%s', async (_, tail) => {
    expect(await send(tail)).toEqual({ body: 'body', trailers: TRAILERS });
  });

  test('signed ones may end in LF CR LF too', async () => {
    const options = { signed: true, trailers: TRAILERS, trailerEnd: '\n\r\n' } as const;
    const { bytes } = encodeChunks([body], options);
    expect(await decode([bytes], 'streaming-signed-trailer', headers)).toEqual({
      body: 'body',
      trailers: TRAILERS,
    });
  });

  test('none are needed where none are declared', async () => {
    const sent = { 'x-amz-decoded-content-length': '4' };
    expect(await send('\r\n', unsigned, sent)).toEqual({ body: 'body', trailers: {} });
  });

  test.each([
    ['a declared one that is missing', '\r\n'],
    ['one that was not declared', 'x-amz-checksum-crc32:AAAAAA==\r\n\r\n'],
    ['one more that was not declared', 'x-amz-checksum-crc32c:a\r\nx-amz-meta-a:b\r\n\r\n'],
    ['one sent twice', 'x-amz-checksum-crc32c:a\r\nx-amz-checksum-crc32c:a\r\n\r\n'],
    ['one without a colon', 'x-amz-checksum-crc32c\r\n\r\n'],
    ['one without a name', ':value\r\n\r\n'],
    ['one without a value', 'x-amz-checksum-crc32c: \r\n\r\n'],
    ['one with a control character', 'x-amz-checksum-crc32c:sOO8/Q==\f\n\r\n\r\n'],
    [
      'a signature in an unsigned body',
      'x-amz-checksum-crc32c:a\r\nx-amz-trailer-signature:b\r\n\r\n',
    ],
  ])('%s is refused', async (_, tail) => {
    expect((await refusalOf(send(tail))).code).toBe('MalformedTrailerError');
  });

  test('a missing signature is refused', async () => {
    const { bytes } = encodeChunks([body], { signed: true, trailers: TRAILERS });
    const text = bytes.toString('latin1').replace(/x-amz-trailer-signature:.*\r\n/, '');
    const decoding = decode([Buffer.from(text, 'latin1')], 'streaming-signed-trailer', headers);
    expect((await refusalOf(decoding)).code).toBe('MalformedTrailerError');
  });

  test.each([
    ['of another length', (line: string) => `${line}0`, 'SignatureDoesNotMatch'],
    ['sent twice', (line: string) => `${line}\r\n${line}`, 'MalformedTrailerError'],
    [
      'that is not the last line',
      (line: string) => `${line}\r\nx-amz-checksum-crc32c:sOO8/Q==`,
      'MalformedTrailerError',
    ],
  ])('a signature %s is refused', async (_, change, code) => {
    const { bytes } = encodeChunks([body], { signed: true, trailers: TRAILERS });
    const text = bytes.toString('latin1').replace(/x-amz-trailer-signature:[0-9a-f]*/, change);
    const decoding = decode([Buffer.from(text, 'latin1')], 'streaming-signed-trailer', headers);
    expect((await refusalOf(decoding)).code).toBe(code);
  });

  test('a line after the signature is refused even if it was declared', async () => {
    const { bytes } = encodeChunks([body], { signed: true, trailers: {} });
    const line = 'x-amz-checksum-crc32c:sOO8/Q==\r\n';
    const text = bytes.toString('latin1').replace(/\r\n$/, `${line}\r\n`);
    const decoding = decode([Buffer.from(text, 'latin1')], 'streaming-signed-trailer', headers);
    expect((await refusalOf(decoding)).code).toBe('MalformedTrailerError');
  });

  test('are refused in an encoding without trailers', async () => {
    const { bytes } = encodeChunks([body], { signed: true });
    const text = bytes.toString('latin1').replace(/\r\n$/, 'x-amz-checksum-crc32c:a\r\n\r\n');
    const sent = { 'x-amz-decoded-content-length': '4' };
    const decoding = decode([Buffer.from(text, 'latin1')], 'streaming-signed', sent);
    expect((await refusalOf(decoding)).code).toBe('IncompleteBody');
  });

  test('a signature of other trailers is refused', async () => {
    const { bytes } = encodeChunks([body], { signed: true, trailers: TRAILERS });
    const text = bytes.toString('latin1').replace('sOO8/Q==', 'AAAAAA==');
    const decoding = decode([Buffer.from(text, 'latin1')], 'streaming-signed-trailer', headers);
    expect((await refusalOf(decoding)).code).toBe('SignatureDoesNotMatch');
  });

  test('only checksums can be declared', async () => {
    const sent = { ...headers, 'x-amz-trailer': 'x-amz-meta-a' };
    const decoding = async () => send('x-amz-meta-a:b\r\n\r\n', unsigned, sent);
    expect((await refusalOf(decoding())).code).toBe('InvalidRequest');
  });

  test('they cannot be declared for an encoding without trailers', async () => {
    for (const payload of ['unsigned', 'streaming-signed'] as const) {
      const sent = { ...headers, 'content-length': '4' };
      const decoding = async () => decode([body], payload, sent);
      expect((await refusalOf(decoding())).code).toBe('MalformedTrailerError');
    }
  });
});
