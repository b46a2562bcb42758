import { expect } from 'vitest';
import { ERROR_TABLE, type S3ErrorCode } from '../../src/error-table.ts';
import { parseXml } from '../../src/xml-reader.ts';
import { type RawAnswer, type RawRequest, send } from '../raw-client.ts';
import type { TestServer } from '../test-server.ts';

/**
 * Sends a request that means nothing in particular. Whatever it is: the answer is none of the server's own faults, an
 * error is a whole S3 document with the status of its code and an id, and the log of requests has that id.
 */
export async function expectSound(server: TestServer, request: RawRequest): Promise<RawAnswer> {
  const answer = await send(server, request);
  const about = JSON.stringify(request).slice(0, 2000);
  expect(server.logged, about).toEqual([]);
  const requestId = answer.headers['x-amz-request-id'];
  expect(requestId, about).toMatch(/^[0-9A-F]{16}$/);
  const record = server.records.findLast((each) => each.requestId === requestId);
  expect(record?.status, about).toBe(answer.status);
  if (answer.status < 400) return answer;
  const code = record?.errorCode as S3ErrorCode;
  expect([about, ERROR_TABLE[code]?.status]).toEqual([about, answer.status]);
  expect(answer.status === 501 || answer.status < 500, about).toBe(true);
  if (request.method !== 'HEAD') expectErrorDocument(answer, code, about);
  return answer;
}

function expectErrorDocument(
  answer: Pick<RawAnswer, 'body' | 'headers'>,
  code: string,
  about: string,
): void {
  expect(answer.headers['content-type'], about).toBe('application/xml');
  const { children } = parseXml(answer.body, 'Error', 1000);
  const texts = new Map(children.map(({ name, text }) => [name, text]));
  expect(texts.get('Code'), about).toBe(code);
  expect(texts.has('Message'), about).toBe(true);
  expect(texts.get('RequestId'), about).toBe(answer.headers['x-amz-request-id']);
  expect(texts.get('HostId'), about).toBe(answer.headers['x-amz-id-2']);
}
