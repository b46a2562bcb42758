import type { ObjectAccess, TransactionOperation, TransactionResult } from '@holdfast/objects';
import { requiredAction } from '../access/action-table.ts';
import { requireAccess } from '../access/authorize.ts';
import { asksForState } from '../access/condition-actions.ts';
import { newObjectAccess } from '../access/new-object-access.ts';
import type { SaidInBody } from '../access/request-context.ts';
import { requireSource, sourceTags } from '../access/require-source.ts';
import { sendText } from '../answer.ts';
import { bodyVerification, decodeBody } from '../body/index.ts';
import { readClientToken } from '../client-token.ts';
import { parseETags } from '../conditional-headers.ts';
import { sourceKeyField } from '../encryption/customer-key.ts';
import { encryptionField, saidOfEncryption } from '../encryption/encryption-headers.ts';
import { refuseUnsupportedHeaders } from '../object-metadata.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { malformedLine, TransactionBody, verified } from '../transaction/transaction-body.ts';
import { parseTransactionLine, type TransactionLine } from '../transaction/transaction-line.ts';

/** Headers that say something about one object: here each line says it. */
const OBJECT_HEADERS =
  /^x-amz-(acl|grant-.*|tagging|meta-.*|storage-class|object-lock-.*|website-.*)$/;

/**
 * Puts, copies, deletes and conditions that happen together or not at all. AWS has no such thing: `docs/transactions.md`
 * describes it.
 */
export async function transactObjects(call: S3Call): Promise<void> {
  const { authentication, headers, service } = call;
  // Why: Version 2 signs only the subresources that AWS names, so `?transaction` could be added to a request.
  if (authentication.kind === 'signed-v2') {
    throw malformedLine('A transaction needs AWS Signature Version 4');
  }
  for (const name of headers.keys()) {
    if (OBJECT_HEADERS.test(name)) throw malformedLine(`${name} is no header of a transaction`);
  }
  refuseUnsupportedHeaders(call);
  const clientToken = readClientToken(call);
  const access = newObjectAccess(call, call.openBucket);
  const body = decodeBody(call.body, authentication, headers, {
    maxSizeBytes: service.limits.objectSizeBytes,
  });
  const verification = bodyVerification(headers, body, authentication.payload);
  const lines = new TransactionBody(verified(call, body.pieces, verification));
  const results = await call.store.transactObjects({
    bucket: call.bucket,
    operations: readOperations(call, lines, access),
    ...(clientToken !== undefined && { clientToken }),
  });
  const answer = JSON.stringify({ results: results.map(shownResult) });
  await sendText(call, 200, 'application/json', `${answer}\n`);
}

async function* readOperations(
  call: S3Call,
  lines: TransactionBody,
  access: ObjectAccess,
): AsyncGenerator<TransactionOperation, void, undefined> {
  try {
    for (let index = 0; ; index++) {
      const text = await lines.line();
      if (text === undefined) return;
      yield await readOperation(call, lines, access, text).catch((error: unknown) =>
        nameOperation(error, index),
      );
    }
  } finally {
    await lines.stop();
  }
}

async function readOperation(
  call: S3Call,
  lines: TransactionBody,
  access: ObjectAccess,
  text: string,
): Promise<TransactionOperation> {
  const line = parseTransactionLine(text);
  const { key, conditions } = line;
  if (asksForState(conditions)) await requireFor(call, 'GetObject', line);
  switch (line.op) {
    case 'put':
      await requireFor(call, 'PutObject', line);
      if (line.metadata.tagging !== undefined) {
        await requireFor(call, 'PutObjectTagging', line);
      }
      return {
        ...putOperation(line, lines, access),
        ...encryptionField(call),
        ...saidField(call, line.checksum?.algorithm),
      };
    case 'copy': {
      await requireFor(call, 'PutObject', line);
      const { bucket = call.bucket, versionId, ifMatch } = line.source;
      const source = {
        bucket,
        key: line.source.key,
        ...(versionId !== undefined && { versionId }),
      };
      const from = await requireSource(call, source);
      const sourceConditions = ifMatch === undefined ? undefined : { ifMatch: parseETags(ifMatch) };
      return {
        op: 'copy',
        key,
        conditions,
        source,
        ...(await sourceTags(call, from, source, key)),
        access,
        ...encryptionField(call),
        ...saidField(call),
        ...sourceKeyField(call),
        ...(sourceConditions !== undefined && { sourceConditions }),
      };
    }
    case 'delete':
      await requireFor(call, 'DeleteObject', line);
      return { op: 'delete', key, conditions };
    case 'check':
      // Who may not read an object learns nothing of it.
      await requireFor(call, 'GetObject', line);
      return { op: 'check', key, conditions };
  }
}

/** What tells the request from another one under its token, where it is said. */
function saidField(call: S3Call, algorithm?: string): { readonly said?: string } {
  const encryption = saidOfEncryption(call);
  if (encryption === undefined && algorithm === undefined) return {};
  return { said: JSON.stringify([encryption, algorithm]) };
}

function putOperation(
  { key, conditions, size, metadata, checksum }: TransactionLine,
  lines: TransactionBody,
  access: ObjectAccess,
): TransactionOperation {
  const headers = new Map(
    checksum === undefined ? [] : [[`x-amz-checksum-${checksum.algorithm}`, checksum.value]],
  );
  const noTrailers = { trailers: () => new Map<string, string>(), declaredTrailers: [] };
  return {
    op: 'put',
    key,
    conditions,
    body: { sizeBytes: size, pieces: lines.bytes(size) },
    verification: bodyVerification(headers, noTrailers, 'unsigned', {
      defaultAlgorithm: 'crc64nvme',
    }),
    metadata: { ...metadata, ...access },
  };
}

async function requireFor(call: S3Call, operation: string, line: TransactionLine): Promise<void> {
  const required = requiredAction(operation);
  const said = saidBy(call, line);
  await requireAccess(call, { ...call.openBucket, required, key: line.key, said });
}

/** What the line says, as the headers of the operation alone would say it. */
function saidBy(call: S3Call, { op, conditions, metadata, source }: TransactionLine): SaidInBody {
  const { bucket = call.bucket, key, versionId } = source;
  const version = versionId === undefined ? '' : `?versionId=${versionId}`;
  const said = Object.entries({
    'x-amz-tagging': metadata.tagging,
    'x-amz-copy-source': op === 'copy' ? `${bucket}/${key}${version}` : undefined,
    'if-match': etagsText(conditions?.ifMatch),
    'if-none-match': etagsText(conditions?.ifNoneMatch),
  });
  return new Map(said.flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])));
}

function etagsText(etags: '*' | readonly string[] | undefined): string | undefined {
  if (etags === undefined || etags === '*') return etags;
  return etags.map((etag) => `"${etag}"`).join(', ');
}

/** Says in the error document which operation was refused. */
function nameOperation(error: unknown, index: number): never {
  if (!(error instanceof S3Error)) throw error;
  const fields = { ...error.fields, Operation: index };
  throw new S3Error(error.code, error.message, fields, error.headers, { cause: error });
}

function shownResult(result: TransactionResult): object {
  if (result.op !== 'put' && result.op !== 'copy') return result;
  const { etag, sizeBytes, ...rest } = result;
  return { ...rest, etag: `"${etag}"`, size: sizeBytes };
}
