import { toHex, utf8 } from '@holdfast/bytes';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DigestError, type DigestResults, type Digests } from '../digests.ts';
import { DIGEST_ALGORITHMS, DIGEST_VECTORS, EMPTY_DIGEST_VECTORS } from './digest-vectors.ts';

function hexOf(results: DigestResults): Record<string, string> {
  return Object.fromEntries([...results].map(([algorithm, bytes]) => [algorithm, toHex(bytes)]));
}

function patternBytes(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = (at * 31 + (at >>> 9)) & 0xff;
  return bytes;
}

/** What every `Digests` must do, as vitest tests; call it at the top level of a test file. */
export function digestsContract(name: string, makeDigests: () => Promise<Digests>): void {
  describe(name, () => {
    let digests: Digests;
    beforeEach(async () => {
      digests = await makeDigests();
    });
    afterEach(() => digests.close());

    test('compute gives the known values', () => {
      expect(hexOf(digests.compute(DIGEST_ALGORITHMS, utf8('123456789')))).toEqual(
        Object.fromEntries(DIGEST_VECTORS),
      );
      expect(hexOf(digests.compute(DIGEST_ALGORITHMS, new Uint8Array(0)))).toEqual(
        Object.fromEntries(EMPTY_DIGEST_VECTORS),
      );
      expect([...digests.compute(['crc32'], utf8('a')).keys()]).toEqual(['crc32']);
    });

    test('computeSoon gives what compute gives, of many buffers at once', async () => {
      const bodies = [0, 1, 4096, 4096, 100, 16_384, 16_385, 300_000].map((length) =>
        new Uint8Array(length).fill(length),
      );
      const soon = bodies.map(async (body) => digests.computeSoon(['md5', 'sha256'], body));
      expect((await Promise.all(soon)).map(hexOf)).toEqual(
        bodies.map((body) => hexOf(digests.compute(['md5', 'sha256'], body))),
      );
      expect([...(await digests.computeSoon(['crc32'], utf8('a'))).keys()]).toEqual(['crc32']);
    });

    test('a stream of nothing gives the values of nothing', async () => {
      const stream = digests.stream(DIGEST_ALGORITHMS);
      await stream.update(new Uint8Array(0));
      expect(hexOf(await stream.finish())).toEqual(Object.fromEntries(EMPTY_DIGEST_VECTORS));
    });

    test.each([
      { sizeBytes: 9, pieceBytes: 1 },
      { sizeBytes: 100_000, pieceBytes: 33_333 },
      { sizeBytes: 262_144, pieceBytes: 262_144 },
      { sizeBytes: 262_145, pieceBytes: 65_536 },
      { sizeBytes: 3_000_017, pieceBytes: 99_991 },
      { sizeBytes: 3_000_017, pieceBytes: 1_048_576 },
    ])(
      'a stream of $sizeBytes bytes by $pieceBytes equals compute',
      async ({ sizeBytes, pieceBytes }) => {
        const whole = patternBytes(sizeBytes);
        const stream = digests.stream(DIGEST_ALGORITHMS);
        for (let at = 0; at < sizeBytes; at += pieceBytes) {
          const piece = whole.subarray(at, at + pieceBytes);
          // Every other one in a buffer of allocate, the rest in the caller's own.
          const buffer = (at / pieceBytes) % 2 === 0 ? digests.allocate(piece.length) : piece;
          if (buffer !== piece) buffer.set(piece);
          await stream.update(buffer);
        }
        expect(hexOf(await stream.finish())).toEqual(
          hexOf(digests.compute(DIGEST_ALGORITHMS, whole)),
        );
      },
    );

    test('a buffer may be filled anew when its update has settled', async () => {
      const whole = patternBytes(4_000_000);
      for (const buffer of [digests.allocate(50_000), new Uint8Array(50_000)]) {
        const stream = digests.stream(['md5', 'crc64nvme']);
        for (let at = 0; at < whole.length; at += buffer.length) {
          buffer.set(whole.subarray(at, at + buffer.length));
          await stream.update(buffer);
        }
        const expected = digests.compute(['md5', 'crc64nvme'], whole);
        expect(hexOf(await stream.finish())).toEqual(hexOf(expected));
      }
    });

    test.each([9, 3000, 50_000])(
      'memory of %i bytes that is lent comes back whole, and its bytes were taken in their place',
      async (size) => {
        const whole = patternBytes(20 * size + 100);
        const stream = digests.stream(['md5', 'crc64nvme']);
        const free: Uint8Array[] = [new Uint8Array(size), new Uint8Array(size)];
        const lent: Promise<void>[] = [];
        let at = 0;
        while (at < whole.length) {
          const memory = free.pop();
          if (memory === undefined) {
            await lent.shift();
            continue;
          }
          const piece = whole.subarray(at, at + size);
          memory.set(piece);
          at += piece.length;
          // A part of the memory: the last piece is shorter.
          const back = stream.lend(memory.subarray(0, piece.length));
          lent.push(
            back.then((given) => {
              expect(given.length).toBe(size);
              free.push(given);
            }),
          );
          if (at % 3 === 0) {
            const update = whole.subarray(at, at + 77);
            at += update.length;
            lent.push(stream.update(update));
          }
        }
        await Promise.all(lent);
        const expected = digests.compute(['md5', 'crc64nvme'], whole);
        expect(hexOf(await stream.finish())).toEqual(hexOf(expected));
      },
    );

    test('memory that is lent comes back from a stream that was aborted, and shared memory is lent too', async () => {
      const stream = digests.stream(['md5']);
      const sizes = [2_000_000, 2_000_000, 300_000, 9];
      const lent = [
        ...sizes.map((size) => stream.lend(new Uint8Array(size))),
        stream.lend(digests.allocate(500_000)),
      ];
      stream.abort();
      const back = await Promise.all(lent);
      expect(back.map(({ length }) => length)).toEqual([...sizes, 500_000]);
      await expect(stream.lend(new Uint8Array(9))).rejects.toMatchObject({
        code: 'DIGEST_STREAM_ENDED',
      });
    });

    test('updates that are not awaited are taken in the order of the calls', async () => {
      const whole = patternBytes(20_000_000);
      const stream = digests.stream(['sha256']);
      const updates: Promise<void>[] = [];
      for (let at = 0; at < whole.length; at += 1_000_000) {
        updates.push(stream.update(whole.subarray(at, at + 1_000_000)));
      }
      const results = await stream.finish();
      await Promise.all(updates);
      expect(hexOf(results)).toEqual(hexOf(digests.compute(['sha256'], whole)));
    });

    test('streams that run at the same time do not mix', async () => {
      const bodies = [1, 2, 3, 4, 5].map((factor) => patternBytes(factor * 300_000));
      const results = await Promise.all(
        bodies.map(async (body) => {
          const stream = digests.stream(DIGEST_ALGORITHMS);
          for (let at = 0; at < body.length; at += 70_000) {
            await stream.update(body.subarray(at, at + 70_000));
          }
          return hexOf(await stream.finish());
        }),
      );
      expect(results).toEqual(
        bodies.map((body) => hexOf(digests.compute(DIGEST_ALGORITHMS, body))),
      );
    });

    test('a stream that was finished or aborted refuses more, by its code', async () => {
      const finished = digests.stream(['md5']);
      await finished.finish();
      finished.abort();
      const aborted = digests.stream(['md5']);
      const large = aborted.update(digests.allocate(2_000_000));
      aborted.abort();
      aborted.abort();
      await large;
      for (const stream of [finished, aborted]) {
        const code = { code: 'DIGEST_STREAM_ENDED' };
        await expect(stream.update(Uint8Array.of(1))).rejects.toMatchObject(code);
        await expect(stream.finish()).rejects.toMatchObject(code);
      }
    });

    test('close rejects open streams, by its code, and may be repeated', async () => {
      const started = digests.stream(['md5']);
      await started.update(digests.allocate(2_000_000));
      const fresh = digests.stream(['md5']);
      await Promise.all([digests.close(), digests.close()]);
      for (const stream of [started, fresh]) {
        await expect(stream.update(Uint8Array.of(1))).rejects.toMatchObject({
          code: 'DIGESTS_CLOSED',
        });
        await expect(stream.finish()).rejects.toBeInstanceOf(DigestError);
      }
      expect(() => digests.stream(['md5'])).toThrow(DigestError);
    });
  });
}
