import type { Clock } from '@holdfast/env';

/** Time for a target to answer. */
const ANSWER_LIMIT_MS = 10_000;

/** Ports of other protocols. Source: WHATWG Fetch, "port blocking". */
const BLOCKED_PORTS: ReadonlySet<number> = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
]);

/** Whether the runtime's client refuses to send to the port. */
export function isBlockedPort(port: number): boolean {
  return BLOCKED_PORTS.has(port);
}

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
