import { StoreProcess } from '../load/run-store.ts';
import type { StoreTask, StoreTaskResult } from '../load/store-messages.ts';
import type { PeerName } from '../peers/stores/peer-store.ts';
import { median, type Row, type SuiteResult } from '../report.ts';

const NAMES: readonly PeerName[] = ['holdfast', 'classic-level', 'lmdb'];
const PEERS: readonly PeerName[] = ['classic-level', 'lmdb'];
const ROUNDS = 5;
/** Fresh stores, in turn: one load more or less differs by a tenth. */
const LOADS = 3;
const BATCH_ENTRIES = 1000;
/** LMDB rewrites a page for nearly each entry of a batch in random order: 5 million would take it ten minutes. */
const LMDB_LOAD_LIMIT = 1_000_000;
const LMDB_LARGE_BATCH = 100_000;
const GETS = 40_000;
const SCANS = 200;

interface Cost {
  /** Seconds of each round, and processor seconds. */
  readonly seconds: number[];
  readonly cpu: number[];
}

type Costs = Record<PeerName, Cost>;
type Measured = Exclude<StoreTask, { kind: 'open' | 'close' }>;

/** The engine beside LevelDB and LMDB, each in a process of its own, on 1 and 5 million entries. */
export async function measurePeers(folder: (name: string) => string): Promise<SuiteResult> {
  return {
    title: 'Ordered stores: 24-byte keys, 100-byte values, random order',
    rows: [
      ...(await new Comparison(folder, 1_000_000).run(LOADS)),
      ...(await new Comparison(folder, 5_000_000).run(LOADS)),
    ],
  };
}

class Comparison {
  readonly #folder: (name: string) => string;
  readonly #entries: number;
  #stores: Map<PeerName, StoreProcess> = new Map();
  readonly #last = new Map<PeerName, StoreTaskResult>();

  constructor(folder: (name: string) => string, entries: number) {
    this.#folder = folder;
    this.#entries = entries;
  }

  async run(loads: number): Promise<Row[]> {
    try {
      const rows: Row[] = [];
      const load = await this.#load(loads);
      const peers = PEERS.filter((peer) => this.#batchOf(peer) === BATCH_ENTRIES);
      rows.push(...this.#rows('load, synced batches of 1000', this.#entries, load, peers));
      const gets = await this.#rounds((seed) => this.#get(1, seed));
      rows.push(...this.#rows('get', GETS, gets));
      const manyGets = await this.#rounds((seed) => this.#get(16, seed));
      rows.push(...this.#rows('get, 16 at once', GETS, manyGets));
      const scans = await this.#rounds((seed) => ({
        kind: 'scan',
        entries: this.#entries,
        count: SCANS,
        seed,
      }));
      rows.push(...this.#rows('scan of 1000', SCANS, scans), ...this.#memory());
      return rows;
    } finally {
      await this.#close();
    }
  }

  /** Loads fresh stores, `times` over, and leaves the last ones open. */
  async #load(times: number): Promise<Costs> {
    const costs = noCosts();
    for (let round = 0; round < times; round++) {
      await this.#close();
      // Why: one whose load is not compared takes minutes for it, and is loaded for what comes after.
      const isLast = round === times - 1;
      const names = NAMES.filter((name) => isLast || this.#batchOf(name) === BATCH_ENTRIES);
      for (const name of names) {
        const directory = this.#folder(`${name}-${this.#entries}-${round}`);
        this.#stores.set(name, await StoreProcess.start(name, directory));
        await this.#measure(name, costs, {
          kind: 'load',
          from: 0,
          to: this.#entries,
          batch: this.#batchOf(name),
        });
      }
    }
    return costs;
  }

  #batchOf(name: PeerName): number {
    if (name !== 'lmdb' || this.#entries <= LMDB_LOAD_LIMIT) return BATCH_ENTRIES;
    return LMDB_LARGE_BATCH;
  }

  #get(atOnce: number, seed: number): Measured {
    return { kind: 'get', entries: this.#entries, count: GETS, atOnce, seed };
  }

  /** One round that warms up, then the ones that count, the stores in turn. */
  async #rounds(task: (seed: number) => Measured): Promise<Costs> {
    const costs = noCosts();
    for (const name of NAMES) await this.#measure(name, noCosts(), task(1));
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of NAMES) await this.#measure(name, costs, task((round + 2) * 1_000_003));
    }
    return costs;
  }

  async #measure(name: PeerName, costs: Costs, task: Measured): Promise<void> {
    const result = await (this.#stores.get(name) as StoreProcess).run(task);
    costs[name].seconds.push(result.seconds);
    costs[name].cpu.push(result.cpuSeconds);
    this.#last.set(name, result);
    const { seconds, cpuSeconds } = result;
    process.stderr.write(
      `  ${task.kind} ${name}: ${seconds.toFixed(3)} s, CPU ${cpuSeconds.toFixed(3)} s\n`,
    );
  }

  #rows(what: string, count: number, costs: Costs, peers: readonly PeerName[] = PEERS): Row[] {
    const size = `${this.#entries / 1e6} million: ${what}`;
    const time = (name: PeerName): number => (median(costs[name].seconds) / count) * 1e6;
    const cpu = (name: PeerName): number => (median(costs[name].cpu) / count) * 1e6;
    const figure = (name: PeerName): string =>
      `${time(name).toFixed(2)} us (CPU ${cpu(name).toFixed(2)})`;
    return peers.map((peer) => ({
      what: size,
      holdfast: figure('holdfast'),
      beside: `${peer}: ${figure(peer)}`,
      ratio: median(
        costs[peer].seconds.map((theirs, at) => theirs / (costs.holdfast.seconds[at] as number)),
      ),
      reach: peer === 'classic-level' ? { atLeast: 1 } : undefined,
    }));
  }

  #memory(): Row[] {
    const figures = (name: PeerName): { peak: number; text: string } => {
      const { peakBytes, anonymousBytes } = this.#last.get(name) as StoreTaskResult;
      const text = `${Math.round(peakBytes / 1e6)} MB (at the end ${Math.round(anonymousBytes / 1e6)} not mapped)`;
      return { peak: peakBytes, text };
    };
    const ours = figures('holdfast');
    return PEERS.map((peer) => ({
      what: `${this.#entries / 1e6} million: peak resident memory`,
      holdfast: ours.text,
      beside: `${peer}: ${figures(peer).text}`,
      ratio: ours.peak / figures(peer).peak,
      reach: peer === 'classic-level' ? { atMost: 1 } : undefined,
    }));
  }

  async #close(): Promise<void> {
    const stores = [...this.#stores.values()];
    this.#stores = new Map();
    for (const store of stores) {
      try {
        await store.close();
      } catch (error) {
        store.kill();
        throw error;
      }
    }
  }
}

function noCosts(): Costs {
  const none = (): Cost => ({ seconds: [], cpu: [] });
  return { holdfast: none(), 'classic-level': none(), lmdb: none() };
}
