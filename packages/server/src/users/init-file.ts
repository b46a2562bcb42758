import { fromUtf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { parseUserPolicy } from '@holdfast/s3';
import { z } from 'zod';
import { accessKeyIdSchema, secretAccessKeySchema } from '../credentials.ts';
import { SettingsError } from '../settings-error.ts';
import type { UserInput } from './user-record.ts';

const LIMIT_BYTES = 16 * 1024 ** 2;

/** Users and buckets that there must be once the server has started. */
export interface InitContent {
  readonly users?: readonly UserInput[] | undefined;
  readonly buckets?: readonly (string | BucketInput)[] | undefined;
}

/** A bucket, and the id of the account that owns it; default the server's. */
export interface BucketInput {
  readonly name: string;
  readonly owner?: string | undefined;
}

const id = z.string().min(1).max(256);
const keyFields = { accessKey: accessKeyIdSchema, secretKey: secretAccessKeySchema };

const policySchema = z.record(z.string(), z.unknown()).superRefine((document, context) => {
  try {
    parseUserPolicy(JSON.stringify(document));
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it cannot be read';
    context.addIssue({ code: 'custom', message: `this policy cannot be used: ${reason}` });
  }
});

const userSchema = z
  .strictObject({
    id,
    displayName: z.string().max(256).optional(),
    email: z.string().max(256).optional(),
    account: id.optional(),
    accessKey: accessKeyIdSchema.optional(),
    secretKey: secretAccessKeySchema.optional(),
    keys: z.array(z.strictObject(keyFields)).max(100).optional(),
    policies: z.array(policySchema).max(20).optional(),
  })
  .refine(
    ({ accessKey, secretKey }) => (accessKey === undefined) === (secretKey === undefined),
    'accessKey and secretKey belong together',
  );

const initSchema = z.strictObject({
  users: z.array(userSchema).optional(),
  buckets: z
    .array(z.union([z.string(), z.strictObject({ name: z.string(), owner: id.optional() })]))
    .optional(),
});

/** Checks what should be there. Throws a SettingsError that says where it is wrong. */
export function checkInit(value: unknown, origin: string): InitContent {
  const result = initSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw new SettingsError(`${origin} cannot be used${place}: ${issue?.message ?? 'unreadable'}.`);
}

/** Reads and checks the file of `--init`. Throws a SettingsError. */
export async function readInitFile(env: Env, path: string): Promise<InitContent> {
  const stat = await env.files.stat(path);
  if (stat === undefined) throw new SettingsError(`There is no file ${path} for --init.`);
  if (stat.sizeBytes > LIMIT_BYTES) throw new SettingsError(`${path} is larger than 16 MiB.`);
  const file = await env.files.open(path, 'read');
  try {
    const bytes = new Uint8Array(stat.sizeBytes);
    const text = fromUtf8(bytes.subarray(0, await file.read(bytes, 0)));
    return checkInit(parseJson(text, path), path);
  } finally {
    await file.close();
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SettingsError(`${path} is not JSON.`, { cause });
  }
}
