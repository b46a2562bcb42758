import { fromUtf8, OperatingError, prefixEnd, toHex, utf8 } from '@holdfast/bytes';
import type { Clock } from '@holdfast/env';
import type { Operation } from './kv-store.ts';
import type { LocalStore } from './local-store.ts';

export interface KvPromptOptions {
  readonly store: LocalStore;
  /** Takes whole lines, each with its line feed. */
  readonly write: (text: string) => void;
  /** Times BENCH. */
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** A prompt over a store: lines in, lines out. It neither reads input nor closes the store. */
export interface KvPrompt {
  /** Runs one line; calls must not overlap. Resolves to false after EXIT. */
  handle(line: string): Promise<boolean>;
  /** Commits what SETBATCH has gathered: at the end of the input. */
  finish(): Promise<void>;
}

const SCAN_LIMIT = 100;
const BATCH_LIMIT = 10_000;
const BENCH_LIMIT = 10_000_000;
const BENCH_VALUE_SIZE_BYTES = 128;
const BENCH_WRITERS = 256;

const COMMANDS: readonly (readonly [usage: string, meaning: string])[] = [
  ['PUT key value', 'set a key; the value is the rest of the line'],
  ['GET key', 'print its value'],
  ['DEL key', 'delete it'],
  ['SCAN [prefix] [limit]', `print keys and values in order, ${SCAN_LIMIT} unless told`],
  ['SIZE', 'count the keys'],
  ['SNAP', 'write the index to disk, so that a restart replays nothing'],
  ['FLUSH', 'commit what is gathered and wait until all is on disk'],
  ['SETBATCH n', 'gather n PUTs and DELs into one write of the log; their OKs come after its sync'],
  ['BENCH n', `time n durable puts of ${BENCH_VALUE_SIZE_BYTES} bytes`],
  ['HELP', 'print this'],
  ['EXIT', 'commit what is gathered and leave'],
];

/** The prompt of `holdfast kv`. */
export function createKvPrompt(options: KvPromptOptions): KvPrompt {
  return new Prompt(options);
}

/** What a person typed wrong: printed, and no more. */
class UsageError extends Error {}

class Prompt implements KvPrompt {
  readonly #store: LocalStore;
  readonly #write: (text: string) => void;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #gathered: Operation[] = [];
  #batchSize = 1;
  #benchRuns = 0;

  constructor({ store, write, clock }: KvPromptOptions) {
    this.#store = store;
    this.#write = write;
    this.#clock = clock;
  }

  async handle(line: string): Promise<boolean> {
    const [, command = '', rest = ''] =
      /^\s*(\S*)\s*(.*)$/s.exec(line.replace(/[\r\n]+$/, '')) ?? [];
    try {
      await this.#run(command.toUpperCase(), rest);
    } catch (error) {
      if (error instanceof UsageError) this.#print(error.message);
      else if (error instanceof OperatingError)
        this.#print(`error ${error.code}: ${error.message}`);
      else throw error;
    }
    return command.toUpperCase() !== 'EXIT';
  }

  async finish(): Promise<void> {
    await this.#commit();
  }

  async #run(command: string, rest: string): Promise<void> {
    if (command === '') return;
    if (command === 'PUT' || command === 'DEL') return this.#change(command, rest);
    // What is read must show what was typed before.
    await this.#commit();
    switch (command) {
      case 'GET':
        return this.#get(keyOf(rest, 'GET key'));
      case 'SCAN':
        return this.#scan(rest);
      case 'SIZE':
        return this.#print(`${await this.#count()}`);
      case 'SNAP':
        return this.#snapshot();
      case 'FLUSH':
        await this.#store.sync();
        return this.#print('OK');
      case 'SETBATCH':
        this.#batchSize = numberOf(rest, BATCH_LIMIT, 'SETBATCH n');
        return this.#print(`OK, ${this.#batchSize} to a write`);
      case 'BENCH':
        return this.#bench(numberOf(rest, BENCH_LIMIT, 'BENCH n'));
      case 'HELP':
        return this.#print(help());
      case 'EXIT':
        return this.#print('bye');
      default:
        throw new UsageError(`there is no command ${command}. Possible are:\n${help()}`);
    }
  }

  async #change(command: 'PUT' | 'DEL', rest: string): Promise<void> {
    if (command === 'DEL') {
      this.#gathered.push({ kind: 'delete', key: keyOf(rest, 'DEL key') });
    } else {
      const [, key = '', value] = /^(\S+)\s(.*)$/s.exec(rest) ?? [];
      if (value === undefined) throw new UsageError('usage: PUT key value');
      this.#gathered.push({ kind: 'put', key: utf8(key), value: utf8(value) });
    }
    if (this.#gathered.length >= this.#batchSize) await this.#commit();
  }

  /** Submits all that is gathered in one turn, so that it shares a write of the log. */
  async #commit(): Promise<void> {
    const gathered = this.#gathered;
    this.#gathered = [];
    const answers = gathered.map((operation) => this.#store.transact({ operations: [operation] }));
    const settled = await Promise.allSettled(answers);
    for (const answer of settled) {
      if (answer.status === 'fulfilled') this.#print('OK');
      else if (answer.reason instanceof OperatingError) {
        this.#print(`error ${answer.reason.code}: ${answer.reason.message}`);
      } else throw answer.reason;
    }
  }

  async #get(key: Uint8Array): Promise<void> {
    const entry = await this.#store.get(key);
    this.#print(entry === undefined ? '(none)' : printable(entry.value));
  }

  async #scan(rest: string): Promise<void> {
    const [prefix, limit, ...more] = rest.split(/\s+/).filter((word) => word !== '');
    const usage = 'SCAN [prefix] [limit]';
    if (more.length > 0) throw new UsageError(`usage: ${usage}`);
    const from = utf8(prefix ?? '');
    const to = prefixEnd(from);
    const page = await this.#store.scan({
      from,
      ...(to !== undefined && { to }),
      limit: limit === undefined ? SCAN_LIMIT : numberOf(limit, 100_000, usage),
    });
    for (const { key, value } of page.entries) this.#print(`${printable(key)} ${printable(value)}`);
    this.#print(
      page.more ? `(${page.entries.length}, and there are more)` : `(${page.entries.length})`,
    );
  }

  async #count(): Promise<number> {
    const cursor = await this.#store.cursor({ values: false });
    let count = 0;
    try {
      while ((await cursor.next()) !== undefined) count++;
    } finally {
      cursor.close();
    }
    return count;
  }

  async #snapshot(): Promise<void> {
    await this.#store.flush();
    const { flushedIndex, tableCount, tableBytes } = this.#store.status();
    this.#print(`OK, record ${flushedIndex} in ${tableCount} tables of ${tableBytes} bytes`);
  }

  async #bench(count: number): Promise<void> {
    const run = ++this.#benchRuns;
    const value = new Uint8Array(BENCH_VALUE_SIZE_BYTES).fill(0x62);
    let next = 0;
    const startMs = this.#clock.monotonicMs();
    const writer = async (): Promise<void> => {
      for (let at = next++; at < count; at = next++) {
        const key = utf8(`bench:${run}:${at}`);
        await this.#store.transact({ operations: [{ kind: 'put', key, value }] });
      }
    };
    await Promise.all(Array.from({ length: Math.min(count, BENCH_WRITERS) }, writer));
    const seconds = (this.#clock.monotonicMs() - startMs) / 1000;
    const rate = seconds > 0 ? Math.round(count / seconds) : count;
    this.#print(`${count} puts in ${seconds.toFixed(3)} s: ${rate} durable puts/s`);
  }

  #print(text: string): void {
    this.#write(`${text}\n`);
  }
}

function keyOf(rest: string, usage: string): Uint8Array {
  const words = rest.trim();
  if (words === '' || /\s/.test(words)) throw new UsageError(`usage: ${usage}`);
  return utf8(words);
}

function numberOf(text: string, limit: number, usage: string): number {
  const words = text.trim();
  const number = /^\d{1,9}$/.test(words) ? Number(words) : 0;
  if (number >= 1 && number <= limit) return number;
  throw new UsageError(`usage: ${usage}, from 1 to ${limit}`);
}

function help(): string {
  return COMMANDS.map(([usage, meaning]) => `  ${usage.padEnd(22)} ${meaning}`).join('\n');
}

/** Text as it is; anything else in hexadecimal, so that no byte reaches the terminal raw. */
function printable(bytes: Uint8Array): string {
  try {
    const text = fromUtf8(bytes);
    if (!/[\u0000-\u001f\u007f-\u009f]/.test(text)) return text;
  } catch {
    // Not UTF-8.
  }
  return `0x${toHex(bytes)}`;
}
