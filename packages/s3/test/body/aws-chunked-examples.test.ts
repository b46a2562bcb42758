import { expect, test } from 'vitest';
import { decode } from './body-fixtures.ts';
import { encodeChunks, signedUpload } from './chunk-encoder.ts';

// Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload
// in Multiple Chunks (Chunked Upload)" and "… Including Trailing Headers": 65 KiB of the letter a, sent in
// chunks of 64 KiB and 1 KiB, with the signatures printed there.
const CHUNKS = [Buffer.alloc(65536, 'a'), Buffer.alloc(1024, 'a')];
const HEADERS = { 'x-amz-decoded-content-length': '66560', 'content-length': '66824' };

test('the chunked upload of the API reference decodes', async () => {
  const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
  const encoded = encodeChunks(CHUNKS, { signed: true, seedSignature: seed });
  expect(encoded.signatures).toEqual([
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ]);
  expect(encoded.bytes.length).toBe(66824);
  const { body } = await decode([encoded.bytes], signedUpload('streaming-signed', seed), HEADERS);
  expect(body).toBe('a'.repeat(66560));
});

test('the chunked upload with a trailer of the API reference decodes', async () => {
  const seed = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';
  const trailers = { 'x-amz-checksum-crc32c': 'sOO8/Q==' };
  const encoded = encodeChunks(CHUNKS, { signed: true, trailers, seedSignature: seed });
  expect(encoded.signatures).toEqual([
    'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
    '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
    '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
    'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
  ]);
  const authentication = signedUpload('streaming-signed-trailer', seed);
  const headers = { ...HEADERS, 'x-amz-trailer': 'x-amz-checksum-crc32c' };
  const decoded = await decode([encoded.bytes], authentication, headers);
  expect(decoded).toEqual({ body: 'a'.repeat(66560), trailers });
});
