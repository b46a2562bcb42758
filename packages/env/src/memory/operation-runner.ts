import type { Clock } from '../clock.ts';
import {
  type ChangeKind,
  type DiskOperation,
  DiskStoppedError,
  type Fault,
  FaultPlan,
  faultError,
  type OperationDetails,
  type ReadKind,
} from './faults.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface RunnerOptions {
  readonly clock?: Clock;
  readonly latencyMs?: (operation: DiskOperation) => number;
}

/** `begun`: readers see it, a crash may keep it. `done`: it is about to return, dirty or durable. Must not throw. */
export type DiskWatcher = (operation: DiskOperation, moment: 'begun' | 'done') => void;

/** The three moments of a change. */
export interface Change<T> {
  /** When it is called: readers see it, a crash may keep it. May throw a `FileError`. */
  readonly apply: (operation: DiskOperation) => T;
  /** When it returns to the caller: now it is dirty, or durable. Never called on a stopped disk. */
  readonly complete?: (result: T) => void;
  /** Instead of both, when it is to fail: what reaches the disk all the same. */
  readonly fail?: (fault: Fault, random: SeededRandom) => void;
}

/** Takes every operation through numbering, faults, the stop, and the time that it takes. */
export class OperationRunner {
  readonly plan: FaultPlan = new FaultPlan();
  /** Told of every change when it has taken effect, and again when it returns. */
  watcher: DiskWatcher | undefined;
  readonly #random: SeededRandom;
  readonly #options: RunnerOptions;

  constructor(random: SeededRandom, options: RunnerOptions) {
    this.#random = random;
    this.#options = options;
  }

  nowMs(): number {
    return this.#options.clock?.nowMs() ?? 0;
  }

  async change<T>(kind: ChangeKind, details: OperationDetails, change: Change<T>): Promise<T> {
    const operation = this.plan.begin(kind, details);
    const fault = this.plan.stopped ? undefined : this.plan.faultOf(operation);
    let outcome: { readonly result: T } | { readonly error: unknown };
    try {
      if (fault !== undefined) {
        change.fail?.(fault, this.#random);
        throw faultError(fault, operation);
      }
      outcome = { result: change.apply(operation) };
    } catch (error) {
      outcome = { error };
    }
    this.watcher?.(operation, 'begun');
    await this.#pass(operation);
    if ('error' in outcome) throw outcome.error;
    change.complete?.(outcome.result);
    this.watcher?.(operation, 'done');
    return outcome.result;
  }

  async read<T>(kind: ReadKind, details: OperationDetails, get: () => T): Promise<T> {
    const operation = this.plan.beginRead(kind, details);
    const fault = this.plan.faultOf(operation);
    const result = fault === undefined ? get() : undefined;
    await this.#pass(operation);
    if (fault !== undefined) throw faultError(fault, operation);
    return result as T;
  }

  /** Waits as long as the operation takes; rejects where the disk was stopped meanwhile. */
  async #pass(operation: DiskOperation): Promise<void> {
    const delayMs = this.#options.latencyMs?.(operation) ?? 0;
    if (delayMs > 0 && this.#options.clock !== undefined) await this.#options.clock.sleep(delayMs);
    else await Promise.resolve();
    if (this.plan.stopped) throw new DiskStoppedError(operation.path);
  }
}
