import type { Clock } from '@holdfast/env';
import type { ChangeFeed, FeedPlace, PlacedChange } from '@holdfast/objects';
import { cursorText, readCursor } from './change-cursor.ts';

/** Longest wait for a change that is still to come. */
const WAIT_LIMIT_SECONDS = 60;
const PAGE_LIMIT = 1000;
/** Pages that are looked through for changes of one bucket before the answer goes on its way. */
const SCANNED_PAGES = 10;
/** Another node's commits wake nobody here, so a wait looks again after this. */
const LOOK_MS = 1000;
/** Requests that wait at once. */
const WAITING_LIMIT = 1000;

export interface ChangeAnswer {
  readonly status: number;
  readonly body: object;
}

export interface ChangeAnswersOptions {
  readonly clock: Clock;
  readonly feed: ChangeFeed;
  /** Tells the stores apart that cursors are of. */
  readonly storeId: string;
}

interface Question {
  readonly place: FeedPlace;
  readonly bucket: string | undefined;
  readonly limit: number;
  readonly waitMs: number;
}

/** Answers what `GET /_/changes` asks: `docs/changes.md`. */
export class ChangeAnswers {
  readonly #options: ChangeAnswersOptions;
  readonly #waiting = new Set<() => void>();

  constructor(options: ChangeAnswersOptions) {
    this.#options = options;
  }

  /** Something was committed: who waits looks again. */
  wake(): void {
    for (const end of this.#waiting) end();
  }

  /** `left` ends a wait: nobody is there to be answered. */
  async answer(query: URLSearchParams, left: AbortSignal): Promise<ChangeAnswer> {
    const question = await this.#parse(query);
    if ('status' in question) return question;
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + question.waitMs;
    let { place } = question;
    for (;;) {
      // Before the look: what is committed after it then ends the wait.
      const change = this.#nextCommit(untilMs - clock.monotonicMs(), left);
      try {
        const found = await this.#look(question, place);
        if ('status' in found) return found;
        place = found.place;
        const over = clock.monotonicMs() >= untilMs || left.aborted;
        if (found.changes.length > 0 || found.more || over) return this.#page(found);
        if (change === undefined) return refusal(503, 'SlowDown', 'Too many requests are waiting.');
        await change.promise;
      } finally {
        change?.end();
      }
    }
  }

  async #parse(query: URLSearchParams): Promise<Question | ChangeAnswer> {
    const { feed, storeId } = this.#options;
    const limit = integer(query.get('limit') ?? '1000', 1, PAGE_LIMIT);
    const waitSeconds = integer(query.get('wait') ?? '0', 0, WAIT_LIMIT_SECONDS);
    if (limit === undefined) return invalid('limit', `a number from 1 to ${PAGE_LIMIT}`);
    if (waitSeconds === undefined)
      return invalid('wait', `seconds from 0 to ${WAIT_LIMIT_SECONDS}`);
    const asked = { bucket: query.get('bucket') ?? undefined, limit, waitMs: waitSeconds * 1000 };
    const after = query.get('after');
    if (after === null || after === 'newest') {
      const place = await (after === null ? feed.oldest() : feed.newest());
      return place === undefined ? closed() : { ...asked, place };
    }
    const cursor = readCursor(storeId, after);
    if (cursor === undefined) return invalid('after', 'a cursor of an earlier answer, or newest');
    if (cursor.isForeign) return ahead();
    return { ...asked, place: cursor.place };
  }

  async #look(
    { bucket, limit }: Question,
    from: FeedPlace,
  ): Promise<ChangeAnswer | { changes: PlacedChange[]; place: FeedPlace; more: boolean }> {
    const { feed, storeId } = this.#options;
    const changes: PlacedChange[] = [];
    let place = from;
    for (let pages = 0; pages < SCANNED_PAGES; pages++) {
      const page = await feed.after(place, bucket === undefined ? limit : PAGE_LIMIT);
      if (page.kind === 'ahead') return ahead();
      if (page.kind === 'closed') return closed();
      if (page.kind === 'expired') {
        return refusal(410, 'CursorExpired', 'Changes after the cursor are no longer kept.', {
          oldest: cursorText(storeId, page.oldest),
        });
      }
      for (const change of page.changes) {
        if (changes.length === limit) return { changes, place, more: true };
        place = change;
        if (bucket === undefined || change.bucket === bucket) changes.push(change);
      }
      if (!page.more) return { changes, place, more: false };
      if (changes.length === limit) break;
    }
    return { changes, place, more: true };
  }

  #page({
    changes,
    place,
    more,
  }: {
    readonly changes: readonly PlacedChange[];
    readonly place: FeedPlace;
    readonly more: boolean;
  }): ChangeAnswer {
    const { storeId } = this.#options;
    const body = {
      changes: changes.map(({ timeMs, revision, position, sizeBytes, name, ...change }) => ({
        cursor: cursorText(storeId, { revision, position }),
        revision,
        event: name,
        time: new Date(timeMs).toISOString(),
        bucket: change.bucket,
        key: change.key,
        size: sizeBytes,
        etag: change.etag,
        ...(change.versionId !== undefined && { versionId: change.versionId }),
        ...(change.ownerId !== undefined && { owner: change.ownerId }),
      })),
      cursor: cursorText(storeId, place),
      more,
    };
    return { status: 200, body };
  }

  /** undefined where too many wait already, or there is no time to. */
  #nextCommit(
    limitMs: number,
    left: AbortSignal,
  ): { readonly promise: Promise<void>; end(): void } | undefined {
    if (this.#waiting.size >= WAITING_LIMIT) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimer(Math.min(LOOK_MS, Math.max(0, limitMs)), () =>
      resolve(),
    );
    const wake = (): void => resolve();
    this.#waiting.add(wake);
    left.addEventListener('abort', wake, { once: true });
    return {
      promise,
      end: () => {
        timer.cancel();
        this.#waiting.delete(wake);
        left.removeEventListener('abort', wake);
      },
    };
  }
}

function integer(text: string, least: number, most: number): number | undefined {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}

function invalid(name: string, wanted: string): ChangeAnswer {
  return refusal(400, 'InvalidArgument', `'${name}' must be ${wanted}.`);
}

/** Of a cluster: a node that has no feed makes changes too. */
function closed(): ChangeAnswer {
  const message =
    'The feed begins when every node of the cluster was started with --keep-changes. Try again.';
  return refusal(503, 'ServiceUnavailable', message);
}

function ahead(): ChangeAnswer {
  const message = 'The cursor is not of this store, or of a state before it was restored.';
  return refusal(409, 'CursorUnknown', message);
}

export function refusal(
  status: number,
  code: string,
  message: string,
  more: object = {},
): ChangeAnswer {
  return { status, body: { code, message, ...more } };
}
