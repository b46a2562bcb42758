import { Histogram } from '@holdfast/wal';
import { Counter, Gauge, Registry } from 'prom-client';
import type { TargetStatus } from './events/target-table.ts';
import { histogramText } from './histogram-text.ts';
import { LoopDelay } from './loop-delay.ts';
import type { StorageMetric, StorageSample } from './storage-sample.ts';

const DURATION_BOUNDS_MS: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 60_000,
];

/** One finished request. */
export interface RequestSample {
  /** An S3 operation's name or `Unknown`: from a fixed set. */
  readonly operation: string;
  readonly status: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** S3's code of an error, from a fixed set; undefined for a success. */
  readonly errorCode?: string | undefined;
}

export interface MetricsOptions {
  readonly sampleStorage: () => StorageSample;
  /** What only a running server has. Left out, its metrics are not exported. */
  readonly service?: ServiceSource;
}

/** A running server, as metrics see it. */
export interface ServiceSource {
  readonly requestsInFlight: () => number;
  /** Requests that take longer count as slow. */
  readonly slowAfterMs: number;
  /** Monotonic time since the start of the server. */
  readonly uptimeMs: () => number;
  /** Passes ended and bytes read by the scrubber. */
  readonly scrubbed: () => { readonly passes: number; readonly bytes: number };
  /** When the certificate ends; undefined where there is none. */
  readonly certificateEndsMs: () => number | undefined;
  /** Age of the newest backup; undefined where there was none. */
  readonly backupAgeMs: () => number | undefined;
  /** The queues of events, by webhook. */
  readonly eventQueues: () => readonly TargetStatus[];
}

/** Prometheus metrics of one server instance: nothing is shared with another one in the process. */
export class Metrics {
  readonly #registry = new Registry();
  /**
   * Answers by operation and status. Why not in the counters until they are scraped: to find a series by its labels costs
   * more than to count.
   */
  readonly #answers = new Map<string, Map<number, number>>();
  #receivedBytes = 0;
  #sentBytes = 0;
  /** In milliseconds, by operation. Why not prom-client's: to find the series cost 2 % of a small object's read. */
  readonly #durations = new Map<string, Histogram>();
  readonly #collected: Counter<'kind'>;
  readonly #lifecycle: Counter<'kind'>;
  readonly #errors: Counter<'code'>;
  readonly #slow: Counter<'operation'>;
  readonly #damages: Counter<'area'>;
  readonly #options: MetricsOptions;
  /** Of the scrape that runs. */
  #sample: StorageSample;
  readonly #loopDelay = new LoopDelay();

  constructor(options: MetricsOptions) {
    this.#options = options;
    const registers = [this.#registry];
    this.#addTraffic(registers);
    this.#collected = new Counter({
      name: 'holdfast_garbage_collected_total',
      help: 'What garbage collection has removed, by kind.',
      labelNames: ['kind'],
      registers,
    });
    this.#lifecycle = new Counter({
      name: 'holdfast_lifecycle_total',
      help: 'What lifecycle rules have looked at and taken away, by kind.',
      labelNames: ['kind'],
      registers,
    });
    this.#errors = new Counter({
      name: 'holdfast_errors_total',
      help: 'Requests answered with an error, by its S3 code.',
      labelNames: ['code'],
      registers,
    });
    this.#slow = new Counter({
      name: 'holdfast_slow_operations_total',
      help: 'Requests that took longer than --slow-after, by operation.',
      labelNames: ['operation'],
      registers,
    });
    this.#damages = new Counter({
      name: 'holdfast_scrub_validation_errors_total',
      help: 'Damages that the scrubber has found, by area.',
      labelNames: ['area'],
      registers,
    });
    if (options.service !== undefined) {
      this.#addProcessGauges(registers, options.service);
      this.#addCare(registers, options.service);
      this.#addEvents(registers, options.service);
    }
    this.#sample = options.sampleStorage();
    this.#addStorage(registers);
  }

  recordRequest(sample: RequestSample): void {
    const { operation, status } = sample;
    let byStatus = this.#answers.get(operation);
    if (byStatus === undefined) this.#answers.set(operation, (byStatus = new Map()));
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
    this.#receivedBytes += sample.bytesIn;
    this.#sentBytes += sample.bytesOut;
    this.#durationsOf(operation).observe(sample.durationMs);
    if (sample.errorCode !== undefined) this.#errors.inc({ code: sample.errorCode });
    if (sample.durationMs > (this.#options.service?.slowAfterMs ?? Infinity)) {
      this.#slow.inc({ operation: sample.operation });
    }
  }

  #durationsOf(operation: string): Histogram {
    let durations = this.#durations.get(operation);
    if (durations === undefined) {
      durations = new Histogram(DURATION_BOUNDS_MS);
      this.#durations.set(operation, durations);
    }
    return durations;
  }

  recordDamage(area: string): void {
    this.#damages.inc({ area });
  }

  recordCollected(report: Readonly<Record<string, number>>): void {
    for (const [kind, count] of Object.entries(report)) this.#collected.inc({ kind }, count);
  }

  recordLifecycle(report: Readonly<Record<string, number>>): void {
    for (const [kind, count] of Object.entries(report)) this.#lifecycle.inc({ kind }, count);
  }

  readonly contentType: string = this.#registry.contentType;

  /** Prometheus text format. */
  async render(): Promise<string> {
    this.#sample = this.#options.sampleStorage();
    const histograms = this.#sample.histograms.map(({ name, help, counts, scale }) =>
      histogramText(`holdfast_${name}`, help, [{ labels: '', counts }], scale),
    );
    return [await this.#registry.metrics(), this.#durationsText(), ...histograms].join('\n');
  }

  #durationsText(): string {
    const series = [...this.#durations].map(([operation, durations]) => ({
      labels: `operation="${operation}"`,
      counts: durations.counts,
    }));
    const help = 'From the head of the request to the end of the answer.';
    return histogramText('holdfast_request_duration_seconds', help, series, 0.001);
  }

  close(): void {
    this.#loopDelay.close();
    this.#registry.clear();
  }

  #addTraffic(registers: Registry[]): void {
    const answers = this.#answers;
    new Counter({
      name: 'holdfast_requests_total',
      help: 'Requests answered, by operation and HTTP status.',
      labelNames: ['operation', 'status'],
      registers,
      collect() {
        this.reset();
        for (const [operation, byStatus] of answers) {
          for (const [status, count] of byStatus) {
            this.inc({ operation, status: String(status) }, count);
          }
        }
      },
    });
    for (const [name, help, value] of [
      ['received', 'Bytes of request bodies read.', () => this.#receivedBytes],
      ['sent', 'Bytes of the bodies of answers written.', () => this.#sentBytes],
    ] as const) {
      new Counter({
        name: `holdfast_${name}_bytes_total`,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    }
  }

  #addProcessGauges(registers: Registry[], options: ServiceSource): void {
    const loopDelay = this.#loopDelay;
    new Gauge({
      name: 'holdfast_requests_in_flight',
      help: 'Requests whose answer is not complete.',
      registers,
      collect() {
        this.set(options.requestsInFlight());
      },
    });
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of the process.',
      registers,
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
    new Gauge({
      name: 'nodejs_heap_used_bytes',
      help: 'JavaScript heap in use.',
      registers,
      collect() {
        this.set(process.memoryUsage().heapUsed);
      },
    });
    new Gauge({
      name: 'nodejs_heap_size_bytes',
      help: 'JavaScript heap with its free room.',
      registers,
      collect() {
        this.set(process.memoryUsage().heapTotal);
      },
    });
    new Gauge({
      name: 'nodejs_external_bytes',
      help: 'Buffers beside the JavaScript heap.',
      registers,
      collect() {
        this.set(process.memoryUsage().external);
      },
    });
    new Gauge({
      name: 'nodejs_eventloop_lag_p99_seconds',
      help: '99th percentile since the last scrape of how late the event loop ran a timer.',
      registers,
      collect() {
        this.set(loopDelay.takeP99Seconds());
      },
    });
  }

  /** What watches over the store: uptime, scrubber, backups. */
  #addCare(registers: Registry[], options: ServiceSource): void {
    new Gauge({
      name: 'holdfast_uptime_seconds',
      help: 'Since the start of the server.',
      registers,
      collect() {
        this.set(options.uptimeMs() / 1000);
      },
    });
    new Gauge({
      name: 'holdfast_backup_age_seconds',
      help: 'Since the end of the newest backup; +Inf where there was none.',
      registers,
      collect() {
        this.set((options.backupAgeMs() ?? Infinity) / 1000);
      },
    });
    if (options.certificateEndsMs() !== undefined) {
      new Gauge({
        name: 'holdfast_certificate_expires_timestamp_seconds',
        help: 'When the certificate of --tls-cert that is in use expires, in seconds since 1970.',
        registers,
        collect() {
          this.set((options.certificateEndsMs() ?? 0) / 1000);
        },
      });
    }
    for (const [name, help, value] of [
      ['passes', 'Passes of the scrubber over all files.', () => options.scrubbed().passes],
      ['bytes', 'Bytes read by the scrubber.', () => options.scrubbed().bytes],
    ] as const) {
      new Counter({
        name: `holdfast_scrub_${name}_total`,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    }
  }

  #addEvents(registers: Registry[], { eventQueues }: ServiceSource): void {
    const labelNames = ['webhook'] as const;
    new Gauge({
      name: 'holdfast_events_waiting',
      help: 'Events that wait for a webhook, up to the limit of its queue.',
      labelNames,
      registers,
      collect() {
        for (const { webhook, waiting } of eventQueues()) this.set({ webhook }, waiting);
      },
    });
    new Counter({
      name: 'holdfast_events_dropped_total',
      help: 'Events that were not queued, because the queue of their webhook was full.',
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { webhook, dropped } of eventQueues()) this.inc({ webhook }, dropped);
      },
    });
  }

  #addStorage(registers: Registry[]): void {
    const first = new Map(this.#sample.metrics.map((metric) => [metric.name, metric]));
    for (const { name, kind, help, labels } of first.values()) {
      const current = (): readonly StorageMetric[] =>
        this.#sample.metrics.filter((metric) => metric.name === name);
      const labelNames = Object.keys(labels ?? {});
      const common = { name: `holdfast_${name}`, help, labelNames, registers };
      if (kind === 'gauge') {
        new Gauge({
          ...common,
          collect() {
            for (const metric of current()) this.set({ ...metric.labels }, metric.value);
          },
        });
      } else {
        new Counter({
          ...common,
          collect() {
            this.reset();
            for (const metric of current()) this.inc({ ...metric.labels }, metric.value);
          },
        });
      }
    }
  }
}
