/**
 * Requests that a client may send again: what was done under a token is written down in the transaction that did it, and
 * kept for `completedUploadMs`. Source: Amazon S3 API, RenameObject, `x-amz-client-token`.
 */
import { equalBytes, utf8 } from '@holdfast/bytes';
import type { Condition, Operation } from '@holdfast/kv';
import { ObjectStoreError } from './errors.ts';
import { ID_SIZE_BYTES, tokenKey } from './keys.ts';
import { recordReader, recordWriter } from './record-version.ts';
import { put, type StoreContext, unchanged } from './store-context.ts';

interface TokenRecord {
  readonly doneMs: number;
  /** MD5 of what was asked. */
  readonly requestMd5: Uint8Array;
  /** What was answered, opaque here. */
  readonly answer: string;
}

export function decodeTokenRecord(value: Uint8Array): TokenRecord {
  const reader = recordReader(value, 'a client token');
  const doneMs = reader.varint();
  const requestMd5 = reader.bytes(ID_SIZE_BYTES);
  return { doneMs, requestMd5, answer: reader.text() };
}

/** What the transaction of a request with a token asks and does besides. */
export interface TokenUse {
  readonly conditions: readonly Condition[];
  readonly operations: (answer: string) => readonly Operation[];
}

const NO_TOKEN: TokenUse = { conditions: [], operations: () => [] };

/**
 * The answer that was given under the token before; else what makes this the first use of it. `request` says
 * all that was asked. IdempotencyParameterMismatch where something else was asked under the token.
 */
export async function useToken(
  context: StoreContext,
  bucketId: Uint8Array,
  token: string | undefined,
  request: string,
): Promise<{ readonly answer: string } | TokenUse> {
  if (token === undefined) return NO_TOKEN;
  const key = tokenKey(bucketId, token);
  const { digests, clock } = context.env;
  const requestMd5 = digests.compute(['md5'], utf8(request)).get('md5') as Uint8Array;
  const entry = await context.kv.get(key);
  if (entry !== undefined) {
    const known = decodeTokenRecord(entry.value);
    if (equalBytes(known.requestMd5, requestMd5)) return { answer: known.answer };
    throw new ObjectStoreError(
      'IdempotencyParameterMismatch',
      'Parameters on this idempotent request are inconsistent with parameters used in previous request(s).',
    );
  }
  return {
    conditions: [unchanged(key, undefined)],
    operations: (answer) => {
      const writer = recordWriter().varint(clock.nowMs()).bytes(requestMd5).text(answer);
      return [put(key, writer.finish())];
    },
  };
}
