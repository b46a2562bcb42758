import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameDecoder } from '../src/node/frame-decoder.ts';
import { FrameQueue } from '../src/node/frame-queue.ts';

const LIMIT = 100_000;

function streamOf(frames: readonly Uint8Array[], takeBytes = Infinity): Buffer {
  const queue = new FrameQueue();
  for (const frame of frames) queue.push([frame], frame.length);
  const pieces: Uint8Array[] = [];
  while (queue.bytes > 0) pieces.push(...queue.take(takeBytes));
  return Buffer.concat(pieces);
}

describe('frames', () => {
  test('are the same wherever the stream is cut, and need no piece that none of them shares', () => {
    const sizes = fc.oneof(fc.nat(20), fc.nat(300), fc.integer({ min: 8000, max: 20_000 }));
    fc.assert(
      fc.property(
        fc.array(sizes, { maxLength: 20 }),
        fc.array(fc.nat(5000), { maxLength: 200 }),
        fc.integer({ min: 1, max: 30_000 }),
        (lengths, cuts, takeBytes) => {
          const sent = lengths.map((length, at) => new Uint8Array(length).fill(at + 1));
          const stream = new Uint8Array(streamOf(sent, takeBytes));
          const decoder = new FrameDecoder(LIMIT);
          const received: Uint8Array[] = [];
          let offset = 0;
          for (const cut of [...cuts, stream.length]) {
            const piece = stream.slice(offset, offset + cut);
            expect(decoder.push(piece, received)).toBe(true);
            if (!decoder.isPieceShared) piece.fill(0xee);
            offset += Math.min(cut, stream.length - offset);
          }
          expect(received.map((frame) => Buffer.from(frame))).toEqual(
            sent.map((frame) => Buffer.from(frame)),
          );
          expect(decoder.isInside).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('the pieces of a frame that is larger than they are need not be kept', () => {
    const decoder = new FrameDecoder(LIMIT);
    const frames: Uint8Array[] = [];
    const stream = new Uint8Array(streamOf([new Uint8Array(50_000).fill(1)]));
    const pieces = [0, 16_384, 32_768, 49_152].map((at) => stream.slice(at, at + 16_384));
    for (const piece of pieces) {
      decoder.push(piece, frames);
      expect(decoder.isPieceShared).toBe(false);
    }
    expect(frames).toHaveLength(1);
  });

  test('a length above the limit is refused before anything is held for it', () => {
    const decoder = new FrameDecoder(LIMIT);
    const frames: Uint8Array[] = [];
    expect(decoder.push(Uint8Array.of(0xff, 0xff, 0xff), frames)).toBe(true);
    expect(decoder.push(Uint8Array.of(0xff, 1, 2, 3), frames)).toBe(false);
    expect(decoder.isInside).toBe(false);
    expect(frames).toEqual([]);
  });

  test('a thousand small frames of one turn leave in a few pieces, and a large one is not copied', () => {
    const queue = new FrameQueue();
    for (let at = 0; at < 1000; at++) queue.push([new Uint8Array(100)], 100);
    const large = new Uint8Array(1024 * 1024);
    queue.push([large], large.length);
    const pieces = queue.take(2 ** 30);
    expect(pieces.length).toBeLessThanOrEqual(3);
    expect(pieces.at(-1)).toBe(large);
    expect(queue.bytes).toBe(0);
  });
});
