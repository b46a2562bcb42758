import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { BodyVerification, ChecksumAlgorithm } from '@holdfast/objects';
import { describe, expect, test } from 'vitest';
import type { PayloadCheck } from '../../src/auth/index.ts';
import { BodyError, type BodyVerificationOptions, bodyVerification } from '../../src/body/index.ts';
import { headerMap } from './body-fixtures.ts';

type Digests = Parameters<BodyVerification['accept']>[0];
type Stored = ReturnType<BodyVerification['accept']>;

const BODY = 'body';
const hashed = (name: string) => createHash(name).update(BODY).digest();
const crc = Buffer.alloc(4);
crc.writeUInt32BE(crc32(BODY));
// The two CRCs that Node does not compute are stand-ins: values are compared, not computed, here.
const DIGESTS: Digests = new Map([
  ['md5', hashed('md5')],
  ['sha1', hashed('sha1')],
  ['sha256', hashed('sha256')],
  ['crc32', crc],
  ['crc32c', Buffer.from('wdBDMA==', 'base64')],
  ['crc64nvme', Buffer.from('AAECAwQFBgc=', 'base64')],
]);
const ALGORITHMS: readonly ChecksumAlgorithm[] = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'];

function base64(algorithm: ChecksumAlgorithm | 'md5'): string {
  return Buffer.from(DIGESTS.get(algorithm) as Uint8Array).toString('base64');
}

/** A value of the same form that is another. */
function other(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  bytes[0] = (bytes[0] as number) ^ 1;
  return bytes.toString('base64');
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly trailers?: Readonly<Record<string, string>>;
  readonly payload?: PayloadCheck;
  readonly options?: BodyVerificationOptions;
}

function verification(sent: Sent): BodyVerification {
  const trailers = new Map(Object.entries(sent.trailers ?? {}));
  const body = { trailers: () => trailers, declaredTrailers: [...trailers.keys()] };
  return bodyVerification(
    headerMap(sent.headers ?? {}),
    body,
    sent.payload ?? 'unsigned',
    sent.options,
  );
}

/** Accepts BODY, given only the digests that were asked for. */
function verify(sent: Sent): Stored {
  const { digests, accept } = verification(sent);
  const computed = [...DIGESTS].filter(([name]) => name === 'md5' || digests.includes(name));
  return accept(new Map(computed), BODY.length);
}

function refusal(action: () => unknown): BodyError {
  try {
    action();
  } catch (error) {
    if (error instanceof BodyError) return error;
    throw error;
  }
  throw new Error('the body was accepted');
}

describe.each(ALGORITHMS)('x-amz-checksum-%s', (algorithm) => {
  const name = `x-amz-checksum-${algorithm}`;
  const value = base64(algorithm);

  test.each(['headers', 'trailers'])('in %s is verified and stored', (where) => {
    expect(verify({ [where]: { [name]: value } })).toBe(algorithm);
    const error = refusal(() => verify({ [where]: { [name]: other(value) } }));
    expect(error).toMatchObject({
      code: 'BadDigest',
      message: `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
    });
  });

  test.each([
    '',
    'x',
    `${value}=`,
    value.slice(4),
    `${value}AAAA`,
    value.replace('=', ' '),
    `${value}, ${value}`,
  ])('is refused before the body is read when it is "%s"', (malformed) => {
    if (malformed === value) return;
    expect(refusal(() => verification({ headers: { [name]: malformed } }))).toMatchObject({
      code: 'InvalidRequest',
      message: `Value for ${name} header is invalid.`,
    });
  });

  test('is refused as a trailer when it is malformed', () => {
    expect(refusal(() => verify({ trailers: { [name]: 'AA' } }))).toMatchObject({
      code: 'InvalidRequest',
      message: `Value for ${name} trailing header is invalid.`,
    });
  });

  test('agrees with x-amz-sdk-checksum-algorithm or is refused', () => {
    const named = (text: string) => ({ [name]: value, 'x-amz-sdk-checksum-algorithm': text });
    expect(verify({ headers: named(algorithm.toUpperCase()) })).toBe(algorithm);
    const another = algorithm === 'sha1' ? 'CRC32' : 'SHA1';
    for (const text of [another, 'CRC16', 'constructor']) {
      expect(refusal(() => verification({ headers: named(text) }))).toMatchObject({
        code: 'InvalidRequest',
        message: 'Value for x-amz-sdk-checksum-algorithm header is invalid.',
      });
    }
  });

  test('is computed and stored by default where the client names none', () => {
    const options = { defaultAlgorithm: algorithm };
    expect(verify({ options })).toBe(algorithm);
    const headers = { 'x-amz-checksum-crc32': base64('crc32') };
    expect(verify({ headers, options })).toBe('crc32');
  });
});

describe('checksums', () => {
  test('only one is allowed', () => {
    const crc32Header = { 'x-amz-checksum-crc32': base64('crc32') };
    const sha1 = { 'x-amz-checksum-sha1': base64('sha1') };
    expect(refusal(() => verification({ headers: { ...crc32Header, ...sha1 } }))).toMatchObject({
      code: 'InvalidRequest',
      message:
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    });
    expect(refusal(() => verification({ headers: crc32Header, trailers: sha1 })).code).toBe(
      'InvalidRequest',
    );
    expect(refusal(() => verification({ trailers: { ...crc32Header, ...sha1 } })).code).toBe(
      'InvalidRequest',
    );
  });

  test('x-amz-sdk-checksum-algorithm needs one', () => {
    const headers = { 'x-amz-sdk-checksum-algorithm': 'CRC32' };
    expect(refusal(() => verification({ headers }))).toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringContaining('no corresponding x-amz-checksum-*') as string,
    });
  });

  test('an MD5 that an SDK has computed is in Content-MD5', () => {
    const headers = { 'x-amz-sdk-checksum-algorithm': 'MD5', 'content-md5': base64('md5') };
    expect(verification({ headers }).digests).not.toContain('md5');
    const alone = { 'x-amz-sdk-checksum-algorithm': 'MD5' };
    expect(refusal(() => verification({ headers: alone })).code).toBe('InvalidRequest');
  });

  test('of an algorithm that is not implemented are refused, not ignored', () => {
    for (const name of ['blake3', 'constructor']) {
      const headers = { [`x-amz-checksum-${name}`]: 'AAAAAAAAAAA=' };
      expect(refusal(() => verification({ headers })).code).toBe('NotImplemented');
    }
  });

  test('headers about checksums are not checksums', () => {
    const headers = {
      'x-amz-checksum-algorithm': 'CRC32',
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-checksum-mode': 'ENABLED',
    };
    expect(verify({ headers })).toBeUndefined();
  });

  test('none asked for costs none', () => {
    expect(verification({}).digests).toEqual([]);
    expect(verify({})).toBeUndefined();
  });

  test('a declared trailer that never came is refused, whatever the decoder says', () => {
    const body = { trailers: () => new Map(), declaredTrailers: ['x-amz-checksum-crc32'] };
    const { accept } = bodyVerification(new Map(), body, 'unsigned');
    expect(refusal(() => accept(DIGESTS, 4)).code).toBe('MalformedTrailerError');
  });
});

describe('Content-MD5', () => {
  test('is verified', () => {
    const value = base64('md5');
    expect(verify({ headers: { 'content-md5': value } })).toBeUndefined();
    expect(refusal(() => verify({ headers: { 'content-md5': other(value) } }))).toMatchObject({
      code: 'BadDigest',
      message: 'The Content-MD5 you specified did not match what we received.',
      details: {
        ExpectedDigest: Buffer.from(other(value), 'base64').toString('hex'),
        CalculatedDigest: value,
      },
    });
  });

  test.each(['', 'x', 'AAAA', hashed('md5').toString('hex')])('"%s" is invalid', (value) => {
    expect(refusal(() => verification({ headers: { 'content-md5': value } })).code).toBe(
      'InvalidDigest',
    );
  });
});

describe('x-amz-content-sha256', () => {
  const sha256 = hashed('sha256').toString('hex');

  test('is verified', () => {
    expect(verification({ payload: { sha256 } }).digests).toEqual(['sha256']);
    expect(verify({ payload: { sha256 } })).toBeUndefined();
    const wrong = sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    expect(refusal(() => verify({ payload: { sha256: wrong } }))).toMatchObject({
      code: 'XAmzContentSHA256Mismatch',
      details: { ClientComputedContentSHA256: wrong, S3ComputedContentSHA256: sha256 },
    });
  });

  test('is not computed twice for a SHA-256 checksum', () => {
    const headers = { 'x-amz-checksum-sha256': base64('sha256') };
    expect(verification({ headers, payload: { sha256 } }).digests).toEqual(['sha256']);
  });
});
