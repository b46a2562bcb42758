import { compareBytes, toHex } from '@holdfast/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type {
  Condition,
  KvEntryWithValue,
  KvReader,
  KvStore,
  Operation,
  ScanOptions,
  Transaction,
} from '../../kv-store.ts';
import type { OpenStore } from './harness.ts';
import { failedConditionOf, patterned } from './harness.ts';

interface ModelRow {
  readonly value: Uint8Array;
  readonly version: number;
}

type Model = Map<string, ModelRow>;

type Step =
  | { readonly step: 'transact'; readonly conditions: ModelCondition[]; readonly operations: Op[] }
  | { readonly step: 'scan'; readonly options: ScanOptions }
  | { readonly step: 'get'; readonly key: Uint8Array }
  | { readonly step: 'view' }
  | { readonly step: 'checkView' };

interface Op {
  readonly key: Uint8Array;
  /** undefined deletes. */
  readonly sizeBytes: number | undefined;
}

interface ModelCondition {
  readonly kind: Condition['kind'];
  readonly key: Uint8Array;
  /** Whether `versionEquals` names the version that the model has. */
  readonly right: boolean;
}

// Why so few bytes: keys collide, share prefixes and are neighbours, which is where indexes break.
const key = fc
  .array(fc.constantFrom(0, 1, 97, 98, 255), { minLength: 1, maxLength: 4 })
  .map((bytes) => Uint8Array.from(bytes));
const bound = fc.option(key, { nil: undefined });
const sizeBytes = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(1023, 1024, 1025, 3000, 20_000),
);

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        step: fc.constant('transact' as const),
        conditions: fc.array(
          fc.record({
            kind: fc.constantFrom('exists' as const, 'absent' as const, 'versionEquals' as const),
            key,
            right: fc.boolean(),
          }),
          { maxLength: 2 },
        ),
        operations: fc.array(
          fc.record({ key, sizeBytes: fc.option(sizeBytes, { nil: undefined }) }),
          { maxLength: 6 },
        ),
      }),
    },
    {
      weight: 3,
      arbitrary: fc
        .record({
          from: bound,
          to: bound,
          reverse: fc.boolean(),
          limit: fc.integer({ min: 1, max: 30 }),
        })
        .map(({ from, to, ...rest }) => ({
          step: 'scan' as const,
          options: { ...rest, ...(from && { from }), ...(to && { to }) },
        })),
    },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('get' as const), key }) },
    { weight: 1, arbitrary: fc.constant({ step: 'view' as const }) },
    { weight: 1, arbitrary: fc.constant({ step: 'checkView' as const }) },
  ),
  { maxLength: 40 },
);

/** Random transactions, reads and views, beside a plain map. */
export function modelContract(openStore: OpenStore): void {
  describe('model', () => {
    test('random transactions and reads agree with a plain map', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (script) => {
          const harness = await openStore();
          let store = harness.store;
          try {
            const model = await runScript(store, script);
            if (harness.reopen !== undefined) {
              store = await harness.reopen();
              await expectSame(store, model, { limit: 1000 });
            }
          } finally {
            await store.close();
            await harness.cleanUp?.();
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}

async function runScript(store: KvStore, script: readonly Step[]): Promise<Model> {
  const model: Model = new Map();
  let viewed:
    | { readonly reader: Awaited<ReturnType<KvStore['readView']>>; model: Model }
    | undefined;
  for (const step of script) {
    if (step.step === 'transact') await transactBoth(store, model, step);
    else if (step.step === 'scan') await expectSame(store, model, step.options);
    else if (step.step === 'get') expectRow(await store.get(step.key), model.get(toHex(step.key)));
    else if (step.step === 'view') {
      viewed?.reader.close();
      viewed = { reader: await store.readView(), model: new Map(model) };
    } else if (viewed !== undefined) await expectSame(viewed.reader, viewed.model, { limit: 1000 });
  }
  viewed?.reader.close();
  await expectSame(store, model, { limit: 1000 });
  return model;
}

async function transactBoth(
  store: KvStore,
  model: Model,
  step: Extract<Step, { step: 'transact' }>,
): Promise<void> {
  const conditions = step.conditions.map((each): Condition => {
    if (each.kind !== 'versionEquals') return { kind: each.kind, key: each.key };
    const version = (model.get(toHex(each.key))?.version ?? 0) + (each.right ? 0 : 1);
    return { kind: 'versionEquals', key: each.key, version };
  });
  const operations = step.operations.map((each, position): Operation => {
    if (each.sizeBytes === undefined) return { kind: 'delete', key: each.key };
    return { kind: 'put', key: each.key, value: patterned(each.sizeBytes, position + 1) };
  });
  const expected = conditions.findIndex((condition) => !holds(model, condition));
  const transaction: Transaction = { conditions, operations };
  const result = await store.transact(transaction);
  expect(failedConditionOf(result)).toBe(expected < 0 ? undefined : expected);
  if (!result.committed) return;
  for (const operation of operations) {
    if (operation.kind === 'delete') model.delete(toHex(operation.key));
    else if (operation.kind === 'put')
      model.set(toHex(operation.key), { value: operation.value, version: result.revision });
  }
}

function holds(model: Model, condition: Condition): boolean {
  const row = model.get(toHex(condition.key));
  if (condition.kind === 'exists') return row !== undefined;
  if (condition.kind === 'absent') return row === undefined;
  return row?.version === condition.version;
}

async function expectSame(reader: KvReader, model: Model, options: ScanOptions): Promise<void> {
  // Why hexadecimal: its text order is the byte order.
  let keys = [...model.keys()].sort();
  const { from, to } = options;
  if (from !== undefined) keys = keys.filter((each) => each >= toHex(from));
  if (to !== undefined) keys = keys.filter((each) => each < toHex(to));
  if (options.reverse === true) keys.reverse();
  const page = await reader.scan(options);
  const expected = keys.slice(0, options.limit);
  expect(page.entries.map((entry) => toHex(entry.key))).toEqual(expected);
  expect(page.more).toBe(keys.length > expected.length);
  for (const entry of page.entries) expectRow(entry, model.get(toHex(entry.key)));
}

function expectRow(entry: KvEntryWithValue | undefined, row: ModelRow | undefined): void {
  expect(entry?.version).toBe(row?.version);
  if (entry === undefined || row === undefined) return;
  expect(entry.valueSizeBytes).toBe(row.value.length);
  expect(compareBytes(entry.value, row.value)).toBe(0);
}
