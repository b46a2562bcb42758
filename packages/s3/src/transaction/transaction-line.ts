import type { ObjectConditions, ObjectMetadata } from '@holdfast/objects';
import { CHECKSUM_ALGORITHMS } from '../checksum-headers.ts';
import { parseETags } from '../conditional-headers.ts';
import { readTags } from '../object-tags.ts';
import { checkKeyLength } from '../request-target.ts';
import { malformedLine } from './transaction-body.ts';

type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

/** What one line asks for. */
export interface TransactionLine {
  readonly op: 'put' | 'copy' | 'delete' | 'check';
  readonly key: string;
  readonly conditions: ObjectConditions | undefined;
  /** Of a put. */
  readonly size: number;
  readonly metadata: ObjectMetadata;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
  /** Of a copy. */
  readonly source: {
    readonly bucket: string | undefined;
    readonly key: string;
    readonly versionId: string | undefined;
    readonly ifMatch: string | undefined;
  };
}

/** Fields of a line whose values are headers of the object. */
const HEADER_FIELDS = [
  'contentType',
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'expires',
] as const;

const CONDITION_FIELDS: readonly string[] = ['ifMatch', 'ifNoneMatch'];

const FIELDS: Readonly<Record<TransactionLine['op'], readonly string[]>> = {
  put: [
    ...CONDITION_FIELDS,
    ...HEADER_FIELDS,
    'size',
    'metadata',
    'tagging',
    ...CHECKSUM_ALGORITHMS,
  ],
  copy: [...CONDITION_FIELDS, 'sourceBucket', 'sourceKey', 'sourceVersionId', 'sourceIfMatch'],
  delete: CONDITION_FIELDS,
  check: CONDITION_FIELDS,
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: they would end the header.
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;
const METADATA_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** Reads a line. @throws S3Error InvalidRequest, InvalidTag, KeyTooLongError */
export function parseTransactionLine(text: string): TransactionLine {
  const fields = readFields(text);
  const op = textOf(fields, 'op');
  if (op !== 'put' && op !== 'copy' && op !== 'delete' && op !== 'check') {
    throw malformedLine('op is one of put, copy, delete and check');
  }
  for (const name of fields.keys()) {
    if (name === 'op' || name === 'key' || FIELDS[op].includes(name)) continue;
    throw malformedLine(`A ${op} has no field ${name}`);
  }
  const key = textOf(fields, 'key') ?? '';
  checkKeyLength(key);
  const conditions = readConditions(fields);
  if (op === 'check' && conditions === undefined) {
    throw malformedLine('A check has a condition');
  }
  const sourceKey = textOf(fields, 'sourceKey') ?? '';
  if (op === 'copy') checkKeyLength(sourceKey);
  return {
    op,
    key,
    conditions,
    size: op === 'put' ? readSize(fields) : 0,
    metadata: readMetadata(fields),
    checksum: readChecksum(fields),
    source: {
      bucket: textOf(fields, 'sourceBucket'),
      key: sourceKey,
      versionId: textOf(fields, 'sourceVersionId'),
      ifMatch: textOf(fields, 'sourceIfMatch'),
    },
  };
}

type Fields = ReadonlyMap<string, unknown>;

function readFields(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformedLine('A line of a transaction is a JSON object');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformedLine('A line of a transaction is a JSON object');
  }
  return new Map(Object.entries(value));
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !value.isWellFormed()) {
    throw malformedLine(`${name} is a text`);
  }
  return value;
}

function readConditions(fields: Fields): ObjectConditions | undefined {
  const match = textOf(fields, 'ifMatch');
  const noneMatch = textOf(fields, 'ifNoneMatch');
  if (match === undefined && noneMatch === undefined) return undefined;
  return {
    ...(match !== undefined && { ifMatch: parseETags(match) }),
    ...(noneMatch !== undefined && { ifNoneMatch: parseETags(noneMatch) }),
  };
}

function readSize(fields: Fields): number {
  const size = fields.get('size');
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
  throw malformedLine('size is the number of bytes that follow');
}

function readMetadata(fields: Fields): ObjectMetadata {
  const headers: Partial<Record<(typeof HEADER_FIELDS)[number], string>> = {};
  for (const name of HEADER_FIELDS) {
    const value = textOf(fields, name);
    if (value !== undefined) headers[name] = headerText(name, value);
  }
  const tagging = readTags(textOf(fields, 'tagging'));
  return { user: readUser(fields), ...headers, ...(tagging !== undefined && { tagging }) };
}

function readUser(fields: Fields): Record<string, string> {
  const given = fields.get('metadata') ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw malformedLine('metadata is an object of texts');
  }
  const user: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== 'string' || !METADATA_NAME.test(name)) {
      throw malformedLine('metadata has names in small letters, and texts');
    }
    // Why not assignment: `__proto__` is a legal name of user metadata.
    const stored = headerText(name, value);
    Object.defineProperty(user, name, { value: stored, enumerable: true, configurable: true });
  }
  return user;
}

/** As a header would have brought it: one character a byte. */
function headerText(name: string, value: string): string {
  if (CONTROL.test(value)) throw malformedLine(`${name} has a control character`);
  return Buffer.from(value).toString('latin1');
}

function readChecksum(fields: Fields): TransactionLine['checksum'] {
  let checksum: TransactionLine['checksum'];
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = textOf(fields, algorithm);
    if (value === undefined) continue;
    if (checksum !== undefined) throw malformedLine('A put has one checksum');
    checksum = { algorithm, value };
  }
  return checksum;
}
