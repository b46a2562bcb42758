import { setTimeout as delay } from 'node:timers/promises';
import {
  HistoryRecorder,
  type RegisterCall,
  type RegisterOperation,
  type RegisterResult,
} from '@holdfast/sim/history';
import type { Cluster } from './cluster.ts';
import { reportProof } from './proof-report.ts';
import type { RegisterRecorder } from './recorded-client.ts';
import { RecordedClient } from './recorded-client.ts';
import { CHAINED, MIXED, registerStep, violationsOf } from './register-workload.ts';
import { SeededDice } from './seeded-dice.ts';
import { waitUntil } from './wait-until.ts';

const LOST_PAUSE_MS = 200;

/** Clients of all nodes of a cluster that read and write the same few keys, and what they saw. */
export class ClusterHistory {
  readonly #recorder: RegisterRecorder = new HistoryRecorder<RegisterCall, RegisterResult>();
  readonly #cluster: Cluster;
  readonly #bucket: string;
  #isOver = false;
  #answers = 0;
  #lanes: Promise<void>[] = [];

  constructor(cluster: Cluster, bucket: string) {
    this.#cluster = cluster;
    this.#bucket = bucket;
  }

  /** Requests that were answered with something about their key. */
  get answers(): number {
    return this.#answers;
  }

  /** Starts so many clients of each node, that do not repeat what fails. */
  begin(perNode: number, dice: SeededDice): void {
    for (const at of this.#cluster.all) {
      for (let number = 0; number < perNode; number++) {
        const own = new SeededDice(dice.below(2 ** 31));
        this.#lanes.push(this.#run(at, `n${at + 1}c${number}`, own));
      }
    }
  }

  /** Waits until so many more requests are answered. */
  async more(count: number): Promise<void> {
    const wanted = this.#answers + count;
    await waitUntil(`${count} requests are answered`, () => this.#answers >= wanted);
  }

  /** Ends the clients, reads every key at every node, and gives what was seen. */
  async end(): Promise<readonly RegisterOperation[]> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
    this.#lanes = [];
    for (const at of this.#cluster.running) {
      const reader = this.#client(at, `reader of n${at + 1}`);
      for (const key of [...CHAINED, ...MIXED]) await reader.get(key);
    }
    return this.#recorder.history();
  }

  #client(at: number, name: string): RecordedClient {
    return new RecordedClient(this.#cluster.oneAttempt(at), this.#bucket, this.#recorder, name);
  }

  async #run(at: number, name: string, dice: SeededDice): Promise<void> {
    const client = this.#client(at, name);
    for (let number = 0; !this.#isOver; number++) {
      const result = await registerStep(client, `${name}-${number}`, dice);
      if (result !== undefined) this.#answers += 1;
      // Why: each request without an answer may have had its effect at any later time, and makes the search longer.
      else await delay(LOST_PAUSE_MS);
    }
  }
}

/** Throws with the smallest conflict that was found. A history without writes, or refusals, proves little: refused too. */
export function checkHistory(history: readonly RegisterOperation[], seed: number): void {
  const count = (kind: RegisterResult['kind'] | undefined): number =>
    history.filter(({ result }) => result?.kind === kind).length;
  const counts = {
    found: count('found'),
    written: count('written'),
    refused: count('refused'),
    lost: count(undefined),
  };
  console.info(`seed ${seed}: ${history.length} operations: ${JSON.stringify(counts)}`);
  if (counts.found === 0 || counts.written === 0) throw new Error('nothing was read or written');
  const violations = violationsOf(history);
  const reported = { histories: 1, operations: history.length, violations: violations.length };
  reportProof({ part: 'linearizability of a cluster', counts: reported });
  if (violations.length > 0) throw new Error(`seed ${seed}\n${violations.join('\n\n')}`);
}
