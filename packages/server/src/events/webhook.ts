import type { Clock } from '@holdfast/env';

/** Time for a target to answer. */
const ANSWER_LIMIT_MS = 10_000;

/** A target of notifications, as the operator has set it up. */
export interface Webhook {
  readonly name: string;
  readonly url: string;
}

/** Whether the target said 2xx. Throws what went wrong; never follows a redirect. */
export type SendEvents = (webhook: Webhook, body: string, stop: AbortSignal) => Promise<void>;

/** Sends over HTTP or HTTPS, with the runtime's own client. */
export function createWebhookSender(clock: Clock): SendEvents {
  return async (webhook, body, stop) => {
    const late = new AbortController();
    const timer = clock.setTimer(ANSWER_LIMIT_MS, () => late.abort(new Error('no answer in 10 s')));
    try {
      const answer = await fetch(webhook.url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'User-Agent': 'Holdfast' },
        body,
        // Why: only addresses that the operator named are ever called.
        redirect: 'manual',
        signal: AbortSignal.any([stop, late.signal]),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`the target answered ${answer.status}`);
    } finally {
      timer.cancel();
    }
  };
}
