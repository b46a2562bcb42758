/**
 * The client of prove-containers.ts, mounted into a container of the image: it repeats what a node refuses for the moment,
 * and throws where an answer is wrong.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Where the image has it. */
const { signRequest } = await import(`${'/opt/holdfast'}/node_modules/@holdfast/s3/dist/index.js`);

const limitMs = 30_000;

/** Puts and reads objects of one bucket. `settings`: endpoint, bucket, id and secret. */
export class Client {
  #settings;

  constructor(settings) {
    this.#settings = settings;
  }

  async put(key, text) {
    const { status, bytes } = await this.#send('PUT', key, Buffer.from(text));
    if (status !== 200) throw new Error(`put of ${key}: ${status} ${bytes}`);
  }

  async expectBody(key, text) {
    const { status, bytes } = await this.#send('GET', key);
    if (status === 200 && bytes.toString() === text) return;
    throw new Error(`${key} at ${this.#settings.endpoint}: ${status}, ${bytes.subarray(0, 200)}`);
  }

  async putBig(key, sizeBytes) {
    const { status } = await this.#send('PUT', key, pattern(sizeBytes));
    if (status !== 200) throw new Error(`put of ${key}: ${status}`);
  }

  async expectBig(key, sizeBytes) {
    const { bytes } = await this.#send('GET', key);
    if (bytes.equals(pattern(sizeBytes))) return;
    throw new Error(`${key} at ${this.#settings.endpoint} differs`);
  }

  async #send(method, key, body) {
    const target = `/${this.#settings.bucket}/${key}`;
    const deadline = performance.now() + limitMs;
    for (;;) {
      const failure = await this.#once(method, target, body).then(
        (answer) => (answer.status < 500 ? answer : `status ${answer.status}`),
        (error) => String(error.cause ?? error),
      );
      if (typeof failure !== 'string') return failure;
      if (performance.now() > deadline) throw new Error(`${method} ${target}: ${failure}`);
      await delay(100);
    }
  }

  async #once(method, target, body) {
    const { endpoint, id, secret } = this.#settings;
    const { host } = new URL(endpoint);
    const keys = { accessKeyId: id, secretAccessKey: secret, region: 'us-east-1' };
    const headers = signRequest({ method, target, host, body }, keys, Date.now());
    const signal = AbortSignal.timeout(5000);
    const response = await fetch(new URL(target, endpoint), { method, headers, body, signal });
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
  }
}

function pattern(sizeBytes) {
  return Buffer.from(
    Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31 + (at >> 11)) & 255),
  );
}
