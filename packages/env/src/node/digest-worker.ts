/**
 * The entry of a digest worker: hashes, seals and opens what it is sent, in order, and answers when a buffer is free
 * again. It ends when the main thread terminates it; an error ends it too and fails its streams.
 */
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { openOver, sealOver } from './aes-gcm.ts';
import { crc32Of } from './crc32.ts';
import { crc32cOf } from './crc32c.ts';
import type { DigestAnswer, DigestRequest, DigestWorkerData } from './digest-messages.ts';
import { HashSet, makeChecksums } from './hash-set.ts';
import { loadXxHashes } from './xx-hashes.ts';

if (parentPort !== null) {
  const { crc32c } = workerData as DigestWorkerData;
  // What is sent meanwhile waits for the listener.
  const xxHashes = await loadXxHashes();
  const require = createRequire(import.meta.url);
  const checksums = makeChecksums(crc32Of(crc32c, require), crc32cOf(crc32c, require), xxHashes);
  const streams = new Map<number, HashSet>();
  const port = parentPort;
  port.on('message', (request: DigestRequest) => {
    const answer = answerTo(request);
    if (answer === undefined) return;
    port.postMessage(answer, answer.memory === undefined ? [] : [answer.memory]);
  });

  function answerTo(request: DigestRequest): DigestAnswer | undefined {
    switch (request.kind) {
      case 'start':
        streams.set(request.stream, new HashSet(request.algorithms, checksums));
        return undefined;
      case 'update':
        streams.get(request.stream)?.update(request.bytes);
        return request.isLent === true ? { memory: request.bytes.buffer as ArrayBuffer } : {};
      case 'finish': {
        const results = streams.get(request.stream)?.finish();
        streams.delete(request.stream);
        return results === undefined ? {} : { results };
      }
      case 'seal':
        sealOver(request.seal, request.bytes);
        return {};
      case 'open':
        return { opened: openOver(request.seal, request.bytes) };
      case 'abort':
        streams.delete(request.stream);
        return undefined;
    }
  }
}
