import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Env } from '@holdfast/env';
import type { LocalStore } from '@holdfast/kv';
import type { ChangeFeed, FeedNodes, JournalOptions } from '@holdfast/objects';
import { closeChangeFeed, createEventQueue, openChangeFeed } from '@holdfast/objects';
import { createAuthenticator } from '@holdfast/s3';
import type { Credentials } from '../credentials.ts';
import { EventDelivery } from '../events/event-delivery.ts';
import { type TargetStatus, TargetTable } from '../events/target-table.ts';
import { createWebhookSender, type Webhook } from '../events/webhook.ts';
import type { Log } from '../log.ts';
import { startPeriodicPass } from '../periodic-pass.ts';
import { ChangeAnswers } from './change-answers.ts';
import { answerChanges } from './changes-route.ts';

/** Changes that the feed keeps at most. */
const KEPT_CHANGES_LIMIT = 1_000_000;
const TRIM_EVERY_MS = 60_000;
/** How long events of a target that is no longer configured are kept: it may have been left out by mistake. */
const KEPT_EVENTS_MS = 7 * 24 * 3_600_000;
const FORGET_EVERY_MS = 600_000;

/** Who is told of changes, and how. */
export interface ChangeConfig {
  /** Targets of notifications. Default: none. */
  readonly webhooks?: readonly Webhook[];
  /** How long changes are kept for the feed, in milliseconds; 0 for no feed, the default. */
  readonly keepChangesMs?: number;
  /** Events that may wait for one target. Default 100,000. */
  readonly eventQueueLimit?: number;
}

export interface ChangeServicesOptions extends ChangeConfig {
  readonly env: Env;
  readonly kv: LocalStore;
  readonly log: Log;
  readonly region: string;
  readonly credentials: Credentials;
  /** Whether this node delivers and trims: of a cluster one does. */
  readonly leads: () => boolean;
  /** Of a cluster: which nodes make changes. */
  readonly nodes: FeedNodes | undefined;
}

/** What tells of changes: the journal of the object store, the delivery of events, the feed. */
export interface ChangeServices {
  /** For the object store. undefined where nobody is to be told. */
  readonly journal: JournalOptions | undefined;
  readonly isTarget: (name: string) => boolean;
  /** The queues of the targets, for metrics. */
  readonly targets: () => readonly TargetStatus[];
  /**
   * Opens the feed, or ends one that is no longer kept, and begins to deliver what is queued. The store must take
   * writes; no change may be made before. After a rejection it is called again; a second call does nothing.
   */
  begin(): Promise<void>;
  /** Answers `GET /_/changes`. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Answers the requests that wait for a change, and lets none wait from now on. */
  endWaits(): void;
  /** Also cuts deliveries. Before the store is closed. */
  stop(): Promise<void>;
}

/** Opens nothing yet: the journal is there at once, the rest with `begin`. */
export function openChangeServices(options: ChangeServicesOptions): ChangeServices {
  const { env, kv, log, region, credentials, webhooks = [], keepChangesMs = 0 } = options;
  const { clock } = env;
  const names = webhooks.map(({ name }) => name);
  const targets = new TargetTable(names, log);
  const stopping = new AbortController();
  const ending = new AsyncDisposableStack();
  let delivery: EventDelivery | undefined;
  const keeps = keepChangesMs > 0;
  let answers: ChangeAnswers | undefined;
  const authenticator = createAuthenticator({
    // Only the server's own account sees the changes of every bucket.
    findSecret: (id) => (id === credentials.accessKeyId ? credentials.secretAccessKey : undefined),
    nowMs: () => clock.nowMs(),
    region,
    allowSignatureV2: false,
  });
  const journal: JournalOptions = {
    keepsChanges: keeps,
    takesEvents: (target) => targets.takesEvents(target),
    onCommitted: () => {
      delivery?.wake();
      answers?.wake();
    },
  };
  return {
    journal: keeps || names.length > 0 ? journal : undefined,
    isTarget: (name) => targets.has(name),
    targets: () => targets.status(),
    begin: async () => {
      if (delivery !== undefined) return;
      if (keeps) {
        const feed = await openChangeFeed(kv, options.nodes);
        answers = new ChangeAnswers({ clock, feed, storeId: kv.identity.clusterId });
        const trimming = startTrimming(options, feed, keepChangesMs);
        ending.defer(() => trimming.stop());
      } else await closeChangeFeed(kv, options.nodes);
      if (stopping.signal.aborted) return;
      delivery = startDelivery(options, targets);
      ending.defer(() => delivery?.stop());
      const forgetting = startForgetting(options, names);
      ending.defer(() => forgetting.stop());
    },
    answer: (request, response) =>
      answerChanges(
        { authenticator, answers: keeps ? answers : 'none', stopping: stopping.signal },
        request,
        response,
      ),
    endWaits: () => stopping.abort(),
    stop: async () => {
      stopping.abort();
      await ending.disposeAsync();
    },
  };
}

function startDelivery(options: ChangeServicesOptions, targets: TargetTable): EventDelivery {
  const { env, kv, log, region, leads, webhooks = [] } = options;
  return new EventDelivery({
    clock: env.clock,
    log,
    queue: createEventQueue(kv),
    webhooks,
    targets,
    region,
    leads,
    send: createWebhookSender(env.clock),
    queueLimit: options.eventQueueLimit,
  });
}

function startTrimming(
  { env, log, leads }: ChangeServicesOptions,
  feed: ChangeFeed,
  keepMs: number,
): { stop(): Promise<void> } {
  return startPeriodicPass({
    clock: env.clock,
    log,
    name: 'trimming of the change feed',
    run: async () => {
      if (!leads()) return;
      // Why again: the node that it waited for may have been removed.
      await feed.begin();
      await feed.trim(env.clock.nowMs() - keepMs, KEPT_CHANGES_LIMIT);
    },
    intervalMs: Math.min(TRIM_EVERY_MS, Math.max(1000, Math.floor(keepMs / 10))),
  });
}

/** Of webhooks that were taken out of the configuration: nobody else empties their queues. */
function startForgetting(
  { env, kv, log, leads }: ChangeServicesOptions,
  names: readonly string[],
): { stop(): Promise<void> } {
  const queue = createEventQueue(kv);
  return startPeriodicPass({
    clock: env.clock,
    log,
    name: 'removal of events that no webhook takes any more',
    run: async () => {
      if (!leads()) return;
      const beforeMs = env.clock.nowMs() - KEPT_EVENTS_MS;
      for (const [webhook, removed] of await queue.removeOthers(new Set(names), beforeMs)) {
        const fields = { webhook, removed };
        log.warn(fields, 'old events of a webhook that is no longer configured were removed');
      }
    },
    intervalMs: FORGET_EVERY_MS,
  });
}
