/** What every load generator is: a process that reads one plan from its parent, runs it and answers with what it measured. */

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Body bytes received. */
  readonly receivedBytes: number;
  readonly seconds: number;
  /** Answers of 503, after each of which the request was sent again. Their time is in all figures. */
  readonly refusals: number;
}

/** What a generator saw. */
interface Seen {
  /** Of each request; sorted here. */
  readonly latenciesMs: number[];
  readonly receivedBytes: number;
  readonly refusals: number;
  /** When the first request left, by `performance.now()`. The last answer came just now. */
  readonly startMs: number;
}

export function loadResult({ latenciesMs, receivedBytes, refusals, startMs }: Seen): LoadResult {
  const seconds = (performance.now() - startMs) / 1000;
  latenciesMs.sort((left, right) => left - right);
  const at = (share: number): number => latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0;
  return {
    requestsPerSecond: latenciesMs.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    receivedBytes,
    seconds,
    refusals,
  };
}

/** Answers the parent's one plan, where there is a parent that sends one. */
export function answerPlan<Plan>(run: (plan: Plan) => Promise<LoadResult>): void {
  if (process.send === undefined) return;
  const answer = (message: { result: LoadResult } | { error: string }): void => {
    process.send?.(message, undefined, {}, () => process.disconnect());
  };
  process.once('message', (plan: Plan) => {
    run(plan).then(
      (result) => answer({ result }),
      (error: Error) => answer({ error: error.message }),
    );
  });
}
