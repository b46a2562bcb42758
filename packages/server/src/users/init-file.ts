import type { Env } from '@holdfast/env';
import { checkStatements, PolicyError, parseUserPolicy, repeatedName } from '@holdfast/s3';
import { z } from 'zod';
import { accessKeyIdSchema, secretAccessKeySchema } from '../credentials.ts';
import { SettingsError } from '../settings-error.ts';
import { parseJson, readTextFile } from '../text-file.ts';
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

const userSchema = z
  .strictObject({
    id,
    displayName: z.string().max(256).optional(),
    email: z.string().max(256).optional(),
    account: id.optional(),
    accessKey: accessKeyIdSchema.optional(),
    secretKey: secretAccessKeySchema.optional(),
    keys: z.array(z.strictObject(keyFields)).max(100).optional(),
    policies: z.array(z.record(z.string(), z.unknown())).max(20).optional(),
  })
  .refine(
    ({ accessKey, secretKey }) => (accessKey === undefined) === (secretKey === undefined),
    'accessKey and secretKey belong together',
  )
  .superRefine((user, context) => {
    for (const [index, document] of (user.policies ?? []).entries()) {
      const error = policyError(document);
      if (error === undefined) continue;
      const { message, statement } = error;
      const path = [
        'policies',
        index,
        ...(statement === undefined ? [] : ['Statement', statement]),
      ];
      context.addIssue({
        code: 'custom',
        path,
        message: `the policy of the user "${user.id}" does not say what is meant: ${message}`,
      });
    }
  });

const initSchema = z.strictObject({
  users: z.array(userSchema).optional(),
  buckets: z
    .array(z.union([z.string(), z.strictObject({ name: z.string(), owner: id.optional() })]))
    .optional(),
});

/** Why a policy cannot be used, if so. Why refused at the start: a denial that fits nothing would deny nothing. */
function policyError(document: Readonly<Record<string, unknown>>): PolicyError | undefined {
  try {
    checkStatements(parseUserPolicy(JSON.stringify(document)));
    return undefined;
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
}

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
  const text = await readTextFile(env, path, LIMIT_BYTES);
  if (text === undefined) throw new SettingsError(`There is no file ${path} for --init.`);
  const value = parseJson(text);
  if (value === undefined) throw new SettingsError(`${path} is not JSON.`);
  const repeated = repeatedName(text);
  if (repeated !== undefined) {
    const { name, line } = repeated;
    throw new SettingsError(
      `${path} cannot be used: line ${line} has ${JSON.stringify(name)}, which its object has before.`,
    );
  }
  return checkInit(value, path);
}
