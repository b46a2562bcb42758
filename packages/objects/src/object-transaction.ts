/**
 * Many changes of one bucket that happen together or not at all. Bodies are written ahead, each under its intent, as an
 * upload's are; then one transaction asks everything that any operation asks, and does everything that any does. It is
 * one entry of the log: whoever reads sees all of it or nothing, and so does a process that starts after a crash.
 */
import { KvError, type Operation } from '@holdfast/kv';
import { type KnownBucket, pinBucket, unmarkBucket } from './buckets.ts';
import { lostIntent } from './chunk-writer.ts';
import { useToken } from './client-tokens.ts';
import { conflict } from './commit-object.ts';
import { ObjectStoreError } from './errors.ts';
import type { ChangeName } from './journal/object-change.ts';
import type { KeyChange } from './key-changes.ts';
import { type LatestVersion, readLatest } from './latest-version.ts';
import { etagOf, type ObjectRecord, versionIdText } from './object-record.ts';
import { commit, type StoreContext } from './store-context.ts';
import type { ObjectTransactionRequest, TransactionResult } from './transaction-request.ts';
import { type InlineBudget, type StagedOperation, stageOperation } from './transaction-stage.ts';

/** Operations of one transaction. */
const OPERATION_LIMIT = 1000;
/** Bodies that go into the transaction itself, together. The others are written ahead. */
const INLINE_LIMIT_BYTES = 512 * 1024;

export async function transactObjects(
  context: StoreContext,
  request: ObjectTransactionRequest,
): Promise<readonly TransactionResult[]> {
  const staged: StagedOperation[] = [];
  let committed = false;
  try {
    await stageAll(context, request, staged);
    const results = await commitAll(context, request, staged);
    committed = results.committed;
    return results.answers;
  } finally {
    await Promise.all(staged.map((operation) => operation.end(committed)));
  }
}

async function stageAll(
  context: StoreContext,
  { bucket, operations, clientToken }: ObjectTransactionRequest,
  staged: StagedOperation[],
): Promise<void> {
  await context.buckets.fresh(bucket);
  const keys = new Set<string>();
  const budget: InlineBudget = { bytes: INLINE_LIMIT_BYTES };
  for await (const operation of operations) {
    const index = staged.length;
    if (index === OPERATION_LIMIT) {
      throw invalid(`A transaction has at most ${OPERATION_LIMIT} operations.`);
    }
    if (keys.has(operation.key)) throw invalid('A transaction names each key once.', operation.key);
    keys.add(operation.key);
    const place = { bucket, operation, index, hasToken: clientToken !== undefined };
    staged.push(await stageOperation(context, place, budget));
  }
  if (staged.length === 0) throw invalid('A transaction has at least one operation.');
}

interface Outcome {
  /** Whether the staged bodies are kept: they are not where the token had been used before. */
  readonly committed: boolean;
  readonly answers: readonly TransactionResult[];
}

async function commitAll(
  context: StoreContext,
  request: ObjectTransactionRequest,
  staged: readonly StagedOperation[],
): Promise<Outcome> {
  // In the order of their names, so that no two writers wait for each other.
  const names = staged.map(({ key }) => `${request.bucket}/${key}`).sort();
  return await context.locks.runAll(names, async () => {
    for (let attempt = 0; attempt < context.limits.commitAttempts; attempt++) {
      const outcome = await tryCommit(context, request, staged);
      if (outcome !== undefined) return outcome;
    }
    throw conflict(staged[0]?.key ?? '');
  });
}

/** undefined where another write came first. */
async function tryCommit(
  context: StoreContext,
  request: ObjectTransactionRequest,
  staged: readonly StagedOperation[],
): Promise<Outcome | undefined> {
  const bucket = await context.buckets.fresh(request.bucket);
  const asked = staged.map(({ asked: each }) => each).join('\n');
  const token = await useToken(context, bucket.record.bucketId, request.clientToken, asked);
  if ('answer' in token) {
    return { committed: false, answers: JSON.parse(token.answer) as readonly TransactionResult[] };
  }
  const conditions = [pinBucket(bucket), ...token.conditions];
  const operations = [...unmarkBucket(bucket)];
  const bodies = staged.flatMap(({ bodyConditions }) => bodyConditions);
  const tasks: KeyChange['tasks'][number][] = [];
  const answers: TransactionResult[] = [];
  for (const operation of staged) {
    const latest = await readLatest(context.kv, bucket, operation.key);
    const change = await judged(operation, bucket, latest);
    conditions.push(...change.conditions);
    operations.push(...change.operations, ...told(context, bucket, operation, latest, change));
    tasks.push(...change.tasks);
    answers.push(answerOf(operation, change));
  }
  operations.push(...token.operations(JSON.stringify(answers)));
  const failed = await commit(context, [...conditions, ...bodies], operations).catch(explainSize);
  if (failed === undefined) {
    if (bucket.record.deleting) context.buckets.forget(bucket.name);
    context.sweeper.push(tasks);
    return { committed: true, answers };
  }
  context.buckets.forget(bucket.name);
  // Why: the bodies ask for their chunks, or that the key which sealed them still does.
  if (bodies[failed - conditions.length]?.kind === 'exists') throw lostIntent();
  if (failed >= conditions.length) throw conflict(staged[0]?.key ?? '');
  return undefined;
}

/** The change as it is written down; a check changes nothing, and neither does the delete of what is not there. */
function told(
  context: StoreContext,
  bucket: KnownBucket,
  { op, key }: StagedOperation,
  latest: LatestVersion,
  { record }: KeyChange,
): readonly Operation[] {
  const nowMs = context.env.clock.nowMs();
  const tell = (name: ChangeName, of: ObjectRecord | undefined): readonly Operation[] =>
    context.journal.operations(bucket, { name, key, record: of }, nowMs);
  if (op === 'put') return tell('ObjectCreated:Put', record);
  if (op === 'copy') return tell('ObjectCreated:Copy', record);
  if (op === 'check') return [];
  if (record !== undefined) return tell('ObjectRemoved:DeleteMarkerCreated', record);
  return latest.object === undefined ? [] : tell('ObjectRemoved:Delete', latest.object.record);
}

/** What the operation changes; its refusal names the operation. */
async function judged(
  operation: StagedOperation,
  bucket: KnownBucket,
  latest: LatestVersion,
): Promise<KeyChange> {
  try {
    return await operation.change(bucket, latest);
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    const details = { ...error.details, key: operation.key, operation: operation.index };
    throw new ObjectStoreError(error.code, error.message, details, { cause: error });
  }
}

function answerOf({ op, key }: StagedOperation, { record }: KeyChange): TransactionResult {
  const version = record?.version === undefined ? {} : { versionId: versionIdText(record.version) };
  if (op === 'check') return { op, key };
  if (op === 'delete')
    return { op, key, ...(record && { deleteMarker: true as const }), ...version };
  if (record === undefined) throw new Error('a write leaves a record');
  return { op, key, etag: etagOf(record), sizeBytes: record.sizeBytes, ...version };
}

function explainSize(error: unknown): never {
  if (!(error instanceof KvError) || error.code !== 'KV_TRANSACTION_TOO_LARGE') throw error;
  throw new ObjectStoreError(
    'EntityTooLarge',
    'The records of all operations together are larger than one entry of the log, which has 2 MiB: use fewer operations.',
    {},
    { cause: error },
  );
}

function invalid(message: string, key?: string): ObjectStoreError {
  return new ObjectStoreError('InvalidRequest', message, key === undefined ? {} : { key });
}
