import { requiredAction } from '../access/action-table.ts';
import { requireAccess } from '../access/authorize.ts';
import { sourceTags } from '../access/require-source.ts';
import { sendEmpty } from '../answer.ts';
import { readClientToken } from '../client-token.ts';
import { readConditions } from '../conditional-headers.ts';
import { percentDecode } from '../query.ts';
import { checkKeyLength } from '../request-target.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';

const HEADER = 'x-amz-rename-source';

/** Source: AWS API reference, "RenameObject". */
export async function renameObject(call: S3Call): Promise<void> {
  const sourceKey = readRenameSource(call);
  const conditions = readConditions(call);
  const sourceConditions = readConditions(call, 'x-amz-rename-source-');
  const clientToken = readClientToken(call);
  // The one who renames could read the object under its new key, and it is no longer under the old one.
  for (const operation of ['GetObject', 'DeleteObject']) {
    const required = requiredAction(operation);
    await requireAccess(call, { ...call.openBucket, required, key: sourceKey });
  }
  await call.store.renameObject({
    bucket: call.bucket,
    key: call.key,
    sourceKey,
    ...(await sourceTags(call, call.openBucket, { key: sourceKey }, call.key)),
    ...(conditions !== undefined && { conditions }),
    ...(sourceConditions !== undefined && { sourceConditions }),
    ...(clientToken !== undefined && { clientToken }),
  });
  await sendEmpty(call, 200);
}

/** A key of the same bucket, percent-encoded; one slash before it does not count. */
function readRenameSource(call: S3Call): string {
  const value = call.headers.get(HEADER);
  if (value === undefined || value === '' || value === '/') {
    throw invalidArgument('You must specify the source of the rename', HEADER, value ?? '');
  }
  let key: string;
  try {
    key = percentDecode(value);
  } catch {
    throw invalidArgument('Invalid rename source encoding.', HEADER, value);
  }
  const name = key.startsWith('/') ? key.slice(1) : key;
  checkKeyLength(name);
  return name;
}
