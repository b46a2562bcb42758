import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lifecycleDocument, readLifecycleDocument } from '../src/lifecycle/lifecycle-document.ts';
import { S3Error } from '../src/s3-error.ts';
import { TransactionBody } from '../src/transaction/transaction-body.ts';
import { parseTransactionLine } from '../src/transaction/transaction-line.ts';
import { parseXml } from '../src/xml-reader.ts';

/** The bytes in pieces of these sizes, in memory that is used again for the next piece. */
async function* inPieces(
  bytes: Uint8Array,
  sizes: readonly number[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const reused = new Uint8Array(64);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = bytes.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
    reused.set(piece);
    yield reused.subarray(0, piece.length);
    reused.fill(0xee);
    at += piece.length;
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 8 });

test('however a transaction comes in pieces, its lines and bodies are the same', async () => {
  const operation = fc.record({
    text: fc.string({ unit: 'grapheme', maxLength: 80 }).map((text) => text.replaceAll('\n', '')),
    body: fc.uint8Array({ maxLength: 200 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 8 }), sizes, async (operations, pieces) => {
      const bytes = Buffer.concat(
        operations.flatMap(({ text, body }) => [Buffer.from(`${text}\n`), Buffer.from(body)]),
      );
      const lines = new TransactionBody(inPieces(bytes, pieces));
      for (const { text, body } of operations) {
        expect(await lines.line()).toBe(Buffer.from(text).toString());
        const read: Buffer[] = [];
        for await (const piece of lines.bytes(body.length)) read.push(Buffer.from(piece));
        expect(Buffer.concat(read)).toEqual(Buffer.from(body));
      }
      expect(await lines.line()).toBeUndefined();
    }),
  );
});

test('a line that is none is refused, and nothing worse', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        expect(['put', 'copy', 'delete', 'check']).toContain(parseTransactionLine(text).op);
      } catch (error) {
        expect(error).toBeInstanceOf(S3Error);
      }
    }),
  );
});

test('lifecycle rules are read as they were written', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
  const days = fc.integer({ min: 1, max: 100_000 });
  const tag = fc.record({ key: text, value: text });
  const conditions = fc.record(
    {
      prefix: text,
      tags: fc.uniqueArray(tag, { selector: ({ key }) => key, minLength: 1, maxLength: 3 }),
      sizeGreaterThan: fc.integer({ min: 0, max: 5 }),
      sizeLessThan: fc.integer({ min: 6, max: 1000 }),
    },
    { requiredKeys: ['prefix'] },
  );
  const expiration = fc.oneof(
    fc.record({ days }),
    days.map((day) => ({ dateMs: day * 24 * 60 * 60 * 1000 })),
  );
  const rule = fc.record({
    id: text,
    enabled: fc.boolean(),
    filter: conditions.map((and) => ({ and })),
    expiration,
    noncurrentExpiration: fc.record(
      { days, newerVersions: fc.integer({ min: 1, max: 100 }) },
      { requiredKeys: ['days'] },
    ),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(rule, { selector: ({ id }) => id, minLength: 1, maxLength: 5 }),
      (rules) => {
        const root = parseXml(lifecycleDocument(rules), 'LifecycleConfiguration', 10_000);
        expect(readLifecycleDocument(root, () => 'none')).toEqual(rules);
      },
    ),
  );
});
